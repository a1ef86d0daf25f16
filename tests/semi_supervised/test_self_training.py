import numpy as np
import pandas as pd
import pytest
import sklearn.semi_supervised
from scipy.sparse import coo_array
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.model_selection import SemiSupervisedSplit, encode_labels
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeFlattener, VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, SelfTrainingClassifier
from sksubtomo.training import TrainingRecord

CNN = CNNClassifier(
    learning_rate=3e-3,
    max_epochs=8,
    batch_size=6,
    early_stopping=False,
    network=Liu2019(n_filters=4),
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
    with pytest.warns(UndefinedMetricWarning, match="every label in y is hidden"):
        assert np.isnan(clf.fit(X, y).score(X, np.full(60, -1)))


def test_strings_and_their_sentinel(mostly_hidden):
    X, y = mostly_hidden
    names = np.array(["apoferritin", "groel", "ribosome", "unlabeled"])
    clf = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression()))
    ints = clone(clf).fit(X, y)
    strings = clf.fit(X, names[y])
    assert np.array_equal(strings.predict(X), names[ints.predict(X)])
    assert strings.score(X, names[y]) == ints.score(X, y)


def test_goes_around_the_joint_network(mostly_hidden, easy_volumes):
    joint = AutoencodingClassifier(**{**CNN.get_params(deep=False), "max_epochs": 15})
    assert SelfTrainingClassifier(joint).fit(*mostly_hidden).score(*easy_volumes) == 1.0


def test_bad_shape_at_prediction(mostly_hidden):
    X, y = mostly_hidden
    clf = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression())).fit(X, y)
    with pytest.raises(ValueError, match=r"shape \(8, 4, 16\), but .* shape \(8, 8, 8\)"):
        clf.predict(X.reshape(60, 8, 4, 16))


# --- Scores, labels and forms of volumes ---------------------------------------------------------

FLAT = make_pipeline(VolumeFlattener(), LogisticRegression())


def test_weighted_score_leaves_hidden_rows_out(mostly_hidden):
    X, y = mostly_hidden
    clf = SelfTrainingClassifier(FLAT).fit(X, y)
    wrong = y.copy()
    wrong[0] = (y[0] + 1) % 3
    weight = np.arange(60.0) + 3
    assert clf.score(X, y, sample_weight=np.ones(60)) == 1.0
    expected = 1 - weight[0] / weight[:12].sum()
    assert clf.score(X, wrong, sample_weight=weight) == pytest.approx(expected)
    assert clf.score(X, wrong) == pytest.approx(11 / 12)
    for bad in [(X, y[1:]), (X, y, weight[1:]), (X[1:], y, weight)]:
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            clf.score(*bad)


NAMES = np.array(["apoferritin", "groel", "ribosome", "unlabeled"])


@pytest.mark.parametrize(
    ("kind", "sentinel"),
    [
        (lambda y: NAMES[y], "unlabeled"),
        (lambda y: NAMES[y].astype(object), "unlabeled"),
        (lambda y: np.array([None, *NAMES[:3]], object)[y + 1], "unlabeled"),
        (lambda y: NAMES[y].tolist(), "unlabeled"),
        (lambda y: pd.Series(NAMES[y]), "unlabeled"),
        (lambda y: np.where(y < 0, "-1", NAMES[y]), "unlabeled"),
        (lambda y: y, -1),
        (lambda y: y.tolist(), -1),
        (lambda y: y.astype(float), -1),
        (lambda y: np.array([None, 0, 1, 2], object)[y + 1], -1),
        (lambda y: 3 * y + 2 * (y < 0), -1),
    ],
)
def test_transduction_sorts(mostly_hidden, kind, sentinel):
    X, y = mostly_hidden
    labels = kind(y)
    classes = encode_labels(labels)[1].tolist()
    course = {"threshold": 1 - 1e-12, "max_iter": 1}
    clf = SelfTrainingClassifier(FLAT, **course).fit(X, labels)
    assert sorted(np.unique(clf.transduction_).tolist()) == sorted([*classes, sentinel])
    assert np.array_equal(clf.transduction_ == sentinel, y < 0)
    assert clf.labeled_iter_.dtype.kind == "i"
    # As labels of another fit, they give the same.
    again = SelfTrainingClassifier(FLAT, **course).fit(X, clf.transduction_)
    assert again.classes_.tolist() == clf.classes_.tolist() == classes
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples")
@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_labels_that_cannot_be_negative(mostly_hidden, easy_volumes, dtype):
    X, y = easy_volumes[0], (easy_volumes[1] % 2).astype(dtype)
    clf = SelfTrainingClassifier(FLAT).fit(X, y)
    assert clf.classes_.dtype == dtype
    assert np.array_equal(clf.transduction_, y)
    assert clf.transduction_.dtype == dtype
    assert clf.labeled_iter_.tolist() == [0] * 60


def test_classes_that_have_no_label(mostly_hidden, easy_volumes):
    X, y = mostly_hidden
    cnn = clone(CNN).set_params(classes=[0, 1, 2, 9, -5])
    clf = SelfTrainingClassifier(cnn, threshold=0.4).fit(X, y)
    assert clf.classes_.tolist() == [-5, 0, 1, 2, 9]
    assert clf.score(*easy_volumes) == 1.0
    assert np.array_equal(clf.transduction_[clf.labeled_iter_ == 0], y[:12])


def test_data_frames_keep_their_columns(mostly_hidden):
    X, y = mostly_hidden
    columns = [f"voxel{i}" for i in range(512)]
    frame = pd.DataFrame(X.reshape(60, -1), columns=columns, index=np.arange(60) + 100)
    cnn = clone(CNN).set_params(volume_shape=8)
    clf = SelfTrainingClassifier(cnn).fit(frame, pd.Series(NAMES[y], index=frame.index))
    assert clf.feature_names_in_.tolist() == columns
    assert clf.n_features_in_ == 512
    expected = SelfTrainingClassifier(CNN).fit(X, y)
    assert np.array_equal(clf.predict_proba(frame), expected.predict_proba(X))
    assert np.array_equal(clf.predict(frame), NAMES[expected.predict(X)])
    assert clf.score(frame, NAMES[y]) == expected.score(X, y)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame[columns[::-1]])
    assert not hasattr(clf.fit(X, y), "feature_names_in_")


def test_lists_of_volumes(mostly_hidden):
    X, y = mostly_hidden
    expected = SelfTrainingClassifier(CNN).fit(X, y).predict_proba(X)
    for as_list in (list(X), X.tolist(), tuple(X)):
        clf = SelfTrainingClassifier(CNN).fit(as_list, y.tolist())
        assert np.array_equal(clf.predict_proba(as_list), expected)
        assert clf.score(as_list, y.tolist()) == 1.0


def test_lazy_stacks_are_read_by_the_classifier(tmp_path, mostly_hidden):
    rng = np.random.default_rng(0)
    write_mrc(tmp_path / "a.mrc", rng.normal(size=(16, 24, 24)).astype(np.float32), 10.0)
    centers = rng.integers(4, 12, size=(60, 3))
    stack = SubtomogramStack([tmp_path / "a.mrc"], centers, np.zeros(60, int), box_size=8)
    kinds = set()

    class Spy(CNNClassifier):
        def fit(self, X, y=None, **params):
            kinds.add(type(X))
            return super().fit(X, y, **params)

    y, params = mostly_hidden[1], {**CNN.get_params(deep=False), "max_epochs": 2}
    lazy, plain = (
        SelfTrainingClassifier(Spy(**params)).fit(X, y) for X in (stack, np.array(stack))
    )
    assert kinds == {SubtomogramStack, np.ndarray}
    assert np.array_equal(lazy.predict_proba(stack), plain.predict_proba(np.array(stack)))
    assert lazy.score(stack, y) == plain.score(np.array(stack), y)


def test_sparse_rows(mostly_hidden):
    X, y = mostly_hidden
    rows = X.reshape(60, -1)
    clf = SelfTrainingClassifier(LogisticRegression()).fit(coo_array(rows), y)
    expected = SelfTrainingClassifier(LogisticRegression()).fit(rows, y)
    np.testing.assert_allclose(clf.predict_proba(rows), expected.predict_proba(rows), rtol=1e-3)


def test_no_label_at_all(mostly_hidden):
    X, _ = mostly_hidden
    with pytest.raises(ValueError, match="every label in y means 'unlabeled'"):
        SelfTrainingClassifier(FLAT).fit(X, np.full(60, -1))


@pytest.mark.parametrize(
    "params",
    [
        {"max_iter": True},
        {"max_iter": 2.0},
        {"max_iter": -1},
        {"k_best": True},
        {"k_best": 0},
        {"threshold": False},
        {"threshold": 1.0},
        {"criterion": "best"},
        {"estimator": None},
    ],
    ids=str,
)
def test_bad_parameters(mostly_hidden, params):
    X, y = mostly_hidden
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        SelfTrainingClassifier(FLAT).set_params(**params).fit(X, y)


def test_a_classifier_without_probabilities_is_fitted_to_the_labeled_rows(mostly_hidden):
    X, y = mostly_hidden
    rows, linear = X.reshape(60, -1), LinearSVC(random_state=0)
    expected = clone(linear).fit(rows[:12], y[:12])
    clf = SelfTrainingClassifier(linear, max_iter=0).fit(rows, y)
    assert np.array_equal(clf.decision_function(rows), expected.decision_function(rows))
    assert np.array_equal(clf.transduction_, y)
    with pytest.raises(ValueError, match=r"LinearSVC has no predict_proba.*max_iter=0"):
        SelfTrainingClassifier(linear).fit(rows, y)


def test_numbers_of_numpy(mostly_hidden):
    X, y = mostly_hidden
    params = {"criterion": "k_best", "k_best": 5, "max_iter": 3, "threshold": 0.5}
    as_numpy = {
        **params,
        "k_best": np.int64(5),
        "max_iter": np.uint8(3),
        "threshold": np.float32(0.5),
    }
    one, two = (SelfTrainingClassifier(FLAT, **given).fit(X, y) for given in (params, as_numpy))
    assert_same_course(one, two)


def test_without_an_estimator_it_has_tags_and_is_not_fitted():
    clf = SelfTrainingClassifier()
    assert is_classifier(clf)
    assert "SelfTrainingClassifier" in clf._repr_html_()
    for ask in (lambda: clf.predict(np.zeros((2, 1))), lambda: clf.score(np.zeros((2, 1)), [0, 1])):
        with pytest.raises(NotFittedError):
            ask()
    assert not hasattr(clf, "predict_proba")
    with pytest.raises(ValueError, match="must be an object implementing 'fit' and 'predict'"):
        clf.fit(np.zeros((2, 1)), [0, 1])


def test_a_network_inside_goes_on_from_a_checkpoint(mostly_hidden, tmp_path, monkeypatch):
    X, y = mostly_hidden
    network = {"network": Liu2019(n_filters=2), "max_epochs": 3, "precision": "float32"}
    inner = CNNClassifier(**network, learning_rate=1e-2, random_state=0)
    clf = SelfTrainingClassifier(inner, threshold=0.4, criterion="k_best", k_best=5, max_iter=2)
    whole = clone(clf).fit(X, y)
    assert whole.n_iter_ == 2
    path, keep, kept = tmp_path / "fit.checkpoint", TrainingRecord.keep, []

    def interrupted(self, *args, **kwargs):
        keep(self, *args, **kwargs)
        kept.append(1)
        if len(kept) == 5:  # in the second of three fits
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRecord, "keep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            clone(clf).fit(X, y, checkpoint=path)
    with pytest.raises(ValueError, match=r"threshold was 0\.4 and is 0\.5"):
        clone(clf).set_params(threshold=0.5).fit(X, y, checkpoint=path)
    monkeypatch.setattr(TrainingRecord, "keep", lambda *a, **k: (keep(*a, **k), kept.append(1)))
    resumed = clone(clf).fit(X, y, checkpoint=path)
    assert len(kept) == 5 + 4
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert np.array_equal(resumed.labeled_iter_, whole.labeled_iter_)
    assert list(tmp_path.iterdir()) == []
