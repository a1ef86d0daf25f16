import numpy as np
import pytest
import sklearn.semi_supervised
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeFlattener, VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, SelfTrainingClassifier

CNN = CNNClassifier(
    learning_rate=3e-3,
    max_epochs=8,
    batch_size=6,
    early_stopping=False,
    network_params={"n_filters": 4},
    random_state=0,
)
FITTED = ("transduction_", "labeled_iter_", "n_iter_", "termination_condition_")


def assert_same_course(ours, theirs):
    for name in FITTED:
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


@pytest.mark.parametrize(
    "params",
    [{}, {"threshold": 0.9}, {"criterion": "k_best", "k_best": 3}, {"max_iter": None}],
)
@pytest.mark.parametrize(
    "classifier", [LogisticRegression(), RandomForestClassifier(10, random_state=0)]
)
def test_is_scikit_learns_on_rows(mostly_hidden, classifier, params):
    X, y = mostly_hidden
    X = X.reshape(60, -1)
    ours = SelfTrainingClassifier(classifier, **params).fit(X, y)
    theirs = sklearn.semi_supervised.SelfTrainingClassifier(classifier, **params).fit(X, y)
    assert_same_course(ours, theirs)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_is_scikit_learns_around_a_network(mostly_hidden):
    X, y = mostly_hidden
    rows = X.reshape(60, -1)
    theirs = sklearn.semi_supervised.SelfTrainingClassifier(clone(CNN).set_params(volume_shape=8))
    theirs.fit(rows, y)
    ours = SelfTrainingClassifier(CNN).fit(X, y)
    assert_same_course(ours, theirs)
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(rows))


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
def test_without_unlabeled_volumes_is_the_classifier(easy_volumes):
    X, y = easy_volumes
    clf, cnn = SelfTrainingClassifier(CNN).fit(X, y), clone(CNN).fit(X, y)
    assert np.array_equal(clf.predict_proba(X), cnn.predict_proba(X))
    assert clf.termination_condition_ == "all_labeled"


def test_threshold_of_nearly_one_adds_nothing(mostly_hidden):
    X, y = mostly_hidden
    short = clone(CNN).set_params(max_epochs=1)
    clf, cnn = SelfTrainingClassifier(short, threshold=1 - 1e-12).fit(X, y), clone(short).fit(X, y)
    assert np.array_equal(clf.transduction_, y)
    assert np.array_equal(clf.predict_proba(X), cnn.predict_proba(X))


def test_classifier_sees_volumes(mostly_hidden):
    X, y = mostly_hidden
    pipeline = make_pipeline(VolumeNormalizer(), VolumeFlattener(), LogisticRegression())
    clf = SelfTrainingClassifier(pipeline).fit(X, y)
    assert clf.estimator_[0].volume_shape_ == (8, 8, 8)
    assert clf.n_features_in_ == 512
    assert np.array_equal(clf.predict(X), clf.predict(X.reshape(60, -1)))


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_methods_of_the_classifier(mostly_hidden, method):
    X, y = mostly_hidden
    pipeline = make_pipeline(VolumeFlattener(), LogisticRegression())
    on_volumes = SelfTrainingClassifier(pipeline).fit(X, y)
    on_rows = SelfTrainingClassifier(LogisticRegression()).fit(X.reshape(60, -1), y)
    assert np.array_equal(
        getattr(on_volumes, method)(X), getattr(on_rows, method)(X.reshape(60, -1))
    )
    assert hasattr(SelfTrainingClassifier(GaussianNB()), method) == hasattr(GaussianNB(), method)


def test_cross_validation_and_score_ignore_the_hidden(mostly_hidden):
    X, y = mostly_hidden
    clf = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression()))
    assert cross_val_score(clf, X, y, cv=SemiSupervisedSplit(2)).tolist() == [1.0, 1.0]
    assert cross_val_score(clf, X, y, cv=2).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="every label in y is hidden"):
        clf.fit(X, y).score(X, np.full(60, -1))


def test_strings_and_their_sentinel(mostly_hidden):
    X, y = mostly_hidden
    names = np.array(["apoferritin", "groel", "ribosome", "unlabeled"])
    clf = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression()))
    ints = clone(clf).fit(X, y)
    strings = clf.fit(X, names[y])
    assert np.array_equal(strings.predict(X), names[ints.predict(X)])
    assert strings.score(X, names[y]) == ints.score(X, y)


def test_goes_around_the_joint_network(mostly_hidden, easy_volumes):
    joint = AutoencodingClassifier(**{**CNN.get_params(), "max_epochs": 15})
    assert SelfTrainingClassifier(joint).fit(*mostly_hidden).score(*easy_volumes) == 1.0


def test_bad_shape_at_prediction(mostly_hidden):
    X, y = mostly_hidden
    clf = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression())).fit(X, y)
    with pytest.raises(ValueError, match=r"shape \(8, 4, 16\), but .* shape \(8, 8, 8\)"):
        clf.predict(X.reshape(60, 8, 4, 16))
