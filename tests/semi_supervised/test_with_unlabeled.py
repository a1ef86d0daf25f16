import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from sksubtomo.io import SharedVolumes, SubtomogramStack, write_mrc
from sksubtomo.model_selection import encode_labels
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, SelfTrainingClassifier, WithUnlabeled

AUTOENCODING = AutoencodingClassifier(
    learning_rate=3e-3,
    max_epochs=12,
    batch_size=16,
    early_stopping=False,
    network=Liu2019(n_filters=4, latent_dim=6),
    random_state=0,
)


@pytest.fixture
def volumes(easy_volumes):
    """Twelve labeled volumes, unlabeled ones, and all with their true classes."""
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


def test_nothing_unlabeled_is_the_plain_estimator(volumes):
    X, y, _, X_all, _ = volumes
    plain = clone(AUTOENCODING).fit(X, y).predict_proba(X_all)
    for nothing in (None, np.zeros((0, 8, 8, 8))):
        assert np.array_equal(
            WithUnlabeled(AUTOENCODING, nothing).fit(X, y).predict_proba(X_all), plain
        )


def test_search_and_cross_validation_on_labeled_rows(volumes):
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


# --- Scores and classes --------------------------------------------------------------------------


def test_score_leaves_hidden_rows_out(volumes):
    X, y, unlabeled, X_all, y_all = volumes
    outer = WithUnlabeled(AUTOENCODING, unlabeled).fit(X, y)
    hidden = np.where(np.arange(60) % 2, y_all, -1)
    assert outer.score(X_all, hidden) == 1.0
    # Rows that are labeled wrongly, of known weight.
    wrong = np.where(np.arange(60) == 1, (y_all + 1) % 3, hidden)
    weight = np.ones(60)
    weight[1], weight[0] = 30.0, 1e9
    assert outer.score(X_all, wrong, sample_weight=weight) == pytest.approx(29 / 59)
    with pytest.warns(UndefinedMetricWarning, match="every label in y is hidden"):
        assert np.isnan(outer.score(X_all, np.full(60, -1)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        outer.score(X_all, hidden, sample_weight=weight[1:])


@pytest.mark.parametrize(
    "supervised",
    [
        LogisticRegression(),
        SVC(),
        RandomForestClassifier(3),
        make_pipeline(StandardScaler(), GaussianNB()),
        OneVsRestClassifier(LogisticRegression()),
        VotingClassifier([("a", GaussianNB())]),
        GridSearchCV(GaussianNB(), {}, cv=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("names", [None, np.array([*"abc", "unlabeled"])])
def test_supervised_classifiers_are_refused(volumes, supervised, names):
    X, y, unlabeled, _, _ = volumes
    rows, others = X.reshape(12, -1), np.asarray(unlabeled).reshape(48, -1)
    y = y if names is None else names[y]
    message = "which means 'unlabeled', for a class. Pass a semi-supervised .*SelfTrainingClassif"
    with pytest.raises(ValueError, match=message):
        WithUnlabeled(supervised, others).fit(rows, y)
    # Hidden labels in y are no better.
    with pytest.raises(ValueError, match=message):
        WithUnlabeled(supervised).fit(rows, np.append(y[:-2], [y.dtype.type(-1)] * 2))
    assert WithUnlabeled(supervised).fit(rows, y).classes_.tolist() == np.unique(y).tolist()
    # The remedy.
    max_iter = 1 if hasattr(supervised, "predict_proba") else 0
    within = WithUnlabeled(SelfTrainingClassifier(supervised, max_iter=max_iter), others)
    assert within.fit(rows, y).classes_.tolist() == np.unique(y).tolist()


def test_what_is_no_classifier(volumes):
    X, y, _, _, _ = volumes
    with pytest.raises(ValueError, match=r"LinearRegression is not a classifier.*no classes_"):
        WithUnlabeled(LinearRegression()).fit(X.reshape(12, -1), y)


def test_transduction_has_the_labels_of_all(volumes):
    X, y, unlabeled, _, y_all = volumes
    flat = np.asarray(unlabeled).reshape(48, -1)
    spreading = WithUnlabeled(LabelSpreading(gamma=0.01), flat).fit(X.reshape(12, -1), y)
    assert np.array_equal(spreading.transduction_, y_all)
    # None of another fit stays.
    assert not hasattr(
        spreading.set_params(estimator=GaussianNB(), unlabeled=None).fit(X.reshape(12, -1), y),
        "transduction_",
    )


@pytest.mark.parametrize(
    "y",
    [
        [None, "a", "b", "unlabeled"] * 3,
        np.array([-1, 0, 1, -1] * 3, np.int8),
        np.array([-1.0, 0.0, 1.0, -1.0] * 3),
        np.array([None, 5, 2, -1] * 3, object),
        np.array([0, 1, 1, 0] * 3, np.uint8),
    ],
    ids=["strings", "int8", "float", "objects", "uint8"],
)
def test_kinds_of_labels(y):
    class Fitted(LabelSpreading):
        def fit(self, X, y):
            self.y_, self.classes_ = y, encode_labels(y)[1]
            return self

    X = np.zeros((12, 2))
    given = WithUnlabeled(Fitted(), np.ones((3, 2))).fit(X, y).estimator_.y_
    codes, classes = encode_labels(y)
    found, same = encode_labels(given)
    assert found.tolist() == [*codes, -1, -1, -1]
    assert same.tolist() == classes.tolist()
    assert len(np.unique(given)) == len(classes) + 1  # sorts: of one kind


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples:UserWarning")
def test_labels_true_and_false_are_kept_or_refused():
    X, y = np.arange(12.0)[:, np.newaxis], np.arange(12) >= 6
    around = SelfTrainingClassifier(GaussianNB(), max_iter=0)
    for labels in (y, y.tolist(), y.astype(object)):
        with pytest.raises(ValueError, match=r"True and False.*Convert it: y.astype\(int\)"):
            WithUnlabeled(around, X).fit(X, labels)
        alone = WithUnlabeled(around).fit(X, labels)
        assert alone.classes_.dtype == alone.predict(X).dtype == alone.transduction_.dtype == bool
    assert WithUnlabeled(around, X).fit(X, y.astype(int)).classes_.tolist() == [0, 1]


# --- Forms of volumes ----------------------------------------------------------------------------


def test_data_frames(volumes):
    X, y, unlabeled, X_all, y_all = volumes
    columns = [f"voxel{i}" for i in range(512)]
    labeled, others, every = (
        pd.DataFrame(np.asarray(V).reshape(-1, 512), columns=columns) for V in (X, unlabeled, X_all)
    )
    inner = clone(AUTOENCODING).set_params(volume_shape=8)
    expected = WithUnlabeled(AUTOENCODING, unlabeled).fit(X, y).predict_proba(X_all)
    for given in (others, SharedVolumes(others), others.to_numpy(), unlabeled):
        outer = WithUnlabeled(inner, given).fit(labeled, y)
        assert outer.feature_names_in_.tolist() == columns
        assert outer.n_features_in_ == 512
        assert np.array_equal(outer.predict_proba(every), expected)
        assert outer.score(every, y_all) == 1.0
    with pytest.raises(ValueError, match="feature names should match"):
        outer.predict(every[columns[::-1]])
    with pytest.raises(ValueError, match="columns of the unlabeled volumes must be those of X"):
        WithUnlabeled(inner, others[columns[::-1]]).fit(labeled, y)
    # Refitted to arrays, there are no names.
    assert not hasattr(outer.fit(labeled.to_numpy(), y), "feature_names_in_")


def test_lists(volumes):
    X, y, unlabeled, X_all, y_all = volumes
    expected = WithUnlabeled(AUTOENCODING, unlabeled).fit(X, y).predict_proba(X_all)
    outer = WithUnlabeled(AUTOENCODING, list(np.asarray(unlabeled))).fit(list(X), y.tolist())
    assert np.array_equal(outer.predict_proba(list(X_all)), expected)
    assert outer.score(list(X_all), y_all.tolist()) == 1.0
    nested = WithUnlabeled(AUTOENCODING, np.asarray(unlabeled).tolist()).fit(X.tolist(), y)
    assert np.array_equal(nested.predict_proba(X_all.tolist()), expected)


def test_sparse_rows(volumes):
    X, y, unlabeled, X_all, y_all = volumes
    rows, others, every = (csr_array(np.asarray(V).reshape(-1, 512)) for V in (X, unlabeled, X_all))
    spreading = WithUnlabeled(LabelSpreading("knn", n_neighbors=5), others).fit(rows, y)
    assert spreading.score(every, y_all) == 1.0


def test_lazy_stacks(tmp_path, mostly_hidden):
    rng = np.random.default_rng(0)
    write_mrc(tmp_path / "a.mrc", rng.normal(size=(16, 24, 24)).astype(np.float32), 10.0)
    centers = rng.integers(4, 12, size=(60, 3))
    stack = SubtomogramStack([tmp_path / "a.mrc"], centers, np.zeros(60, int), box_size=8)
    y, boxes = mostly_hidden[1][:12], np.asarray(stack)
    pipeline = make_pipeline(VolumeNormalizer(), clone(AUTOENCODING).set_params(max_epochs=2))
    expected = WithUnlabeled(pipeline, boxes[12:]).fit(boxes[:12], y).predict_proba(boxes)
    for given in (stack[12:], SharedVolumes(stack[12:])):
        outer = WithUnlabeled(pipeline, given).fit(stack[:12], y)
        assert np.array_equal(outer.predict_proba(stack), expected)
    assert clone(outer).unlabeled is given


def test_fit_that_fails_leaves_the_last_one(volumes):
    X, y, unlabeled, X_all, _ = volumes
    outer = WithUnlabeled(LabelSpreading(gamma=0.01)).fit(X.reshape(12, -1), y)
    expected = outer.predict(X_all.reshape(60, -1))
    with pytest.raises(ValueError, match="unlabeled volumes have shape"):
        outer.set_params(unlabeled=unlabeled).fit(X.reshape(12, -1)[:, 1:], y + 5)
    assert np.array_equal(outer.predict(X_all.reshape(60, -1)), expected)
    assert outer.classes_.tolist() == [0, 1, 2]
