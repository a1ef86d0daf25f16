import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.semi_supervised import AutoencodingClassifier, SharedVolumes, WithUnlabeled

AUTOENCODING = AutoencodingClassifier(
    learning_rate=3e-3,
    max_epochs=12,
    batch_size=16,
    early_stopping=False,
    network_params={"n_filters": 4, "latent_dim": 6},
    random_state=0,
)


@pytest.fixture
def volumes(easy_volumes):
    """Twelve labelled volumes, unlabelled ones, and all with their true classes."""
    X, y = easy_volumes
    return X[:12], y[:12], SharedVolumes(X[12:]), X, y


def meta_estimators(classifier):
    logistic = LogisticRegression()
    members = [("a", classifier), ("b", clone(classifier))]
    return {
        "voting, hard": VotingClassifier(members),
        "voting, soft": VotingClassifier(members, voting="soft"),
        "stacking": StackingClassifier(members, logistic, cv=2),
        "calibrated": CalibratedClassifierCV(classifier, cv=2),
        "calibrated, one": CalibratedClassifierCV(classifier, cv=2, ensemble=False),
        "one-vs-rest": OneVsRestClassifier(classifier),
        "bagging": BaggingClassifier(classifier, n_estimators=2, random_state=1),
    }


NAMES = list(meta_estimators(AUTOENCODING))


@pytest.mark.parametrize("name", NAMES)
def test_meta_estimators_are_right(volumes, name):
    X, y, unlabeled, X_all, y_all = volumes
    inner = clone(AUTOENCODING)
    if name == "bagging":  # for tables only
        X, X_all = X.reshape(12, -1), X_all.reshape(60, -1)
        inner.set_params(volume_shape=8)
        # A bootstrap sample may lack a class, which bagging puts up with.
        inner.set_params(classes=[0, 1, 2])
    meta = meta_estimators(WithUnlabeled(inner, unlabeled))[name].fit(X, y)
    assert meta.classes_.tolist() == [0, 1, 2]
    assert meta.score(X_all, y_all) == 1.0


@pytest.mark.parametrize("name", ["voting, hard", "voting, soft", "one-vs-rest"])
def test_hidden_labels_given_to_meta_estimators_go_wrong(mostly_hidden, easy_volumes, name):
    # Why WithUnlabeled exists: scikit-learn turns -1 into a class of its own.
    X, y = mostly_hidden
    meta = meta_estimators(clone(AUTOENCODING))[name].fit(X, y)
    assert -1 in meta.classes_
    assert meta.score(*easy_volumes) < 0.5


@pytest.mark.parametrize("name", ["voting, hard", "voting, soft"])
def test_naming_the_classes_makes_them_refuse(mostly_hidden, name):
    meta = meta_estimators(clone(AUTOENCODING).set_params(classes=[0, 1, 2]))[name]
    with pytest.raises(ValueError, match=r"not among the classes.*WithUnlabeled"):
        meta.fit(*mostly_hidden)


def test_equals_fitting_the_stack(volumes):
    X, y, unlabeled, X_all, _ = volumes
    outer = WithUnlabeled(AUTOENCODING, unlabeled).fit(X, y)
    hidden = np.concatenate([y, np.full(48, -1)])
    inner = clone(AUTOENCODING).fit(X_all, hidden)
    assert np.array_equal(outer.predict_proba(X_all), inner.predict_proba(X_all))
    assert np.array_equal(outer.transform(X_all), inner.transform(X_all))
    assert outer.n_features_in_ == 512


@pytest.mark.parametrize("names", [np.array(["a", "b", "c"]), np.array(["a", "b", "c"], object)])
def test_string_labels(volumes, names):
    X, y, unlabeled, X_all, y_all = volumes
    outer = WithUnlabeled(AUTOENCODING, unlabeled).fit(X, names[y])
    assert outer.classes_.tolist() == ["a", "b", "c"]
    assert outer.score(X_all, names[y_all]) == 1.0


def test_unsigned_labels(volumes):
    X, y, unlabeled, X_all, y_all = volumes
    assert (
        WithUnlabeled(AUTOENCODING, unlabeled).fit(X, y.astype(np.uint8)).score(X_all, y_all) == 1
    )


def test_nothing_unlabelled_is_the_plain_estimator(volumes):
    X, y, _, X_all, _ = volumes
    plain = clone(AUTOENCODING).fit(X, y).predict_proba(X_all)
    for nothing in (None, np.zeros((0, 8, 8, 8))):
        assert np.array_equal(
            WithUnlabeled(AUTOENCODING, nothing).fit(X, y).predict_proba(X_all), plain
        )


def test_search_and_cross_validation_on_labelled_rows(volumes):
    X, y, unlabeled, X_all, y_all = volumes
    outer = WithUnlabeled(AUTOENCODING, unlabeled)
    search = GridSearchCV(outer, {"estimator__learning_rate": [1e-30, 3e-3]}, cv=2).fit(X, y)
    assert search.best_params_ == {"estimator__learning_rate": 3e-3}
    assert search.score(X_all, y_all) == 1.0
    assert cross_val_score(outer, X, y, cv=2, n_jobs=2).tolist() == [1.0, 1.0]
    assert cross_val_predict(outer, X, y, cv=2, method="predict_proba").shape == (12, 3)


def test_methods_are_those_of_the_estimator():
    assert not hasattr(WithUnlabeled(LabelSpreading()), "transform")
    assert not hasattr(WithUnlabeled(LabelSpreading()), "decision_function")
    assert hasattr(WithUnlabeled(LogisticRegression()), "decision_function")


def test_other_shapes_are_refused(volumes):
    X, y, _, _, _ = volumes
    with pytest.raises(ValueError, match=r"shape \(8, 8, 8\), but the unlabeled .* \(4, 4, 4\)"):
        WithUnlabeled(AUTOENCODING, np.zeros((5, 4, 4, 4))).fit(X, y)
