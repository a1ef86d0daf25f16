import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn import model_selection as stock
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from sksubtomo.calibration import RejectingClassifier
from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.metrics import drop_unlabeled, expected_calibration_error
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict, encode_labels
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import VolumeFlattener
from sksubtomo.semi_supervised import AutoencodingClassifier

METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
SPREADING = make_pipeline(VolumeFlattener(), PCA(4, random_state=0), LabelSpreading(gamma=1.0))
NETWORK = AutoencodingClassifier(
    precision="float32",
    max_epochs=2,
    learning_rate=3e-3,
    batch_size=16,
    early_stopping=False,
    network=Liu2019(n_filters=4, latent_dim=6),
    random_state=0,
)


class Centroids(ClassifierMixin, BaseEstimator):
    """A quick classifier of volumes or rows that knows all labels that mean "unlabeled"."""

    def fit(self, X, y):
        codes, self.classes_ = encode_labels(y)
        X = np.asarray(X, dtype=np.float64).reshape(len(y), -1)
        self.means_ = np.stack([X[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
        return self

    def predict_proba(self, X):
        X = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
        return softmax(-((X[:, np.newaxis] - self.means_) ** 2).mean(axis=2), axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def table():
    """Rows of three classes that overlap, their labels, and these with half of them hidden."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = y[:, np.newaxis] + rng.normal(scale=0.8, size=(90, 2))
    return X, y, np.where(rng.random(90) < 0.5, -1, y)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cv", [None, 3, KFold(4, shuffle=True, random_state=0)])
def test_without_hidden_labels_it_is_scikit_learns(table, method, cv):
    X, y, _ = table
    for labels in (y, np.array(["b", "a", "c"])[y], y * 1.0, np.uint8(y)):
        expected = stock.cross_val_predict(LogisticRegression(), X, labels, cv=cv, method=method)
        ours = cross_val_predict(LogisticRegression(), X, labels, cv=cv, method=method)
        assert ours.dtype == expected.dtype
        assert np.array_equal(ours, expected)


@pytest.mark.parametrize("method", METHODS)
def test_supervised_on_the_labeled_rows_is_scikit_learns(table, method):
    X, _, y = table
    labeled = y >= 0
    expected = stock.cross_val_predict(
        LogisticRegression(), X[labeled], y[labeled], cv=3, method=method
    )
    ours, mask = cross_val_predict(
        LogisticRegression(),
        X,
        y,
        cv=SemiSupervisedSplit(3, unlabeled="drop"),
        method=method,
        return_mask=True,
    )
    assert np.array_equal(mask, labeled)
    assert np.array_equal(ours[labeled], expected)
    assert (ours[~labeled] == -1).all() if method == "predict" else np.isnan(ours[~labeled]).all()


def test_hidden_rows_are_no_class(mostly_hidden):
    X, y = mostly_hidden
    p = cross_val_predict(SPREADING, X, y, cv=3, method="predict_proba")
    assert p.shape == (60, 3)
    assert np.array_equal(np.isnan(p).all(axis=1), y == -1)
    assert (p[:12].argmax(axis=1) == y[:12]).all()
    np.testing.assert_allclose(p[:12].sum(axis=1), 1)
    # scikit-learn's makes a class of hidden rows.
    assert stock.cross_val_predict(SPREADING, X, y, cv=3, method="predict_proba").shape == (60, 4)
    assert expected_calibration_error(y, p) < 0.7


def test_equals_the_fits_of_every_fold(mostly_hidden):
    X, y = mostly_hidden
    split = SemiSupervisedSplit(2)
    p = cross_val_predict(SPREADING, X, y, cv=split, method="predict_proba")
    for train, test in split.split(X, y):
        assert np.array_equal(p[test], SPREADING.fit(X[train], y[train]).predict_proba(X[test]))


@pytest.mark.parametrize(
    ("sentinel", "dtype"), [("unlabeled", None), ("-1", None), (None, object), (-1, object)]
)
def test_names(mostly_hidden, sentinel, dtype):
    X, y = mostly_hidden
    words = np.array(["zeta", "a", "mu", "x"], dtype=object)[y]
    words[y < 0] = sentinel
    words = words.astype(str) if dtype is None else words
    labels = cross_val_predict(Centroids(), X, words, cv=2)
    assert labels[:12].tolist() == words[:12].tolist()
    assert set(labels[12:]) == {"unlabeled"}
    p = cross_val_predict(Centroids(), X, words, cv=2, method="predict_proba")
    integers = cross_val_predict(Centroids(), X, y, cv=2, method="predict_proba")
    np.testing.assert_allclose(p[:, [2, 0, 1]], integers, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, np.ndarray.tolist, csr_array])
def test_kinds_of_rows(mostly_hidden, kind):
    X, y = mostly_hidden
    rows = X[:, :2, :2].reshape(60, -1).astype(np.float64)
    spreading = LabelSpreading(gamma=1.0)
    expected = cross_val_predict(spreading, rows, y, cv=2, method="predict_proba")
    ours = cross_val_predict(spreading, kind(rows), y.tolist(), cv=2, method="predict_proba")
    np.testing.assert_allclose(ours, expected, rtol=1e-6)  # sparse distances round otherwise


def test_lazy_stack(mostly_hidden, tmp_path):
    X, y = mostly_hidden
    tomogram = X.transpose(1, 2, 0, 3).reshape(8, 8, 480)
    write_mrc(tmp_path / "TS_1.mrc", np.ascontiguousarray(tomogram), 10.0)
    centers = [(4, 4, 4 + 8 * number) for number in range(60)]
    stack = SubtomogramStack([tmp_path / "TS_1.mrc"], centers, [0] * 60, 8)
    assert np.array_equal(np.asarray(stack), X)
    lazy, full = (
        cross_val_predict(NETWORK, volumes, y, cv=2, method="predict_proba")
        for volumes in (stack, X)
    )
    assert np.array_equal(lazy, full, equal_nan=True)


def test_the_same_bits_in_one_process_and_in_two(mostly_hidden):
    one, two = (
        cross_val_predict(NETWORK, *mostly_hidden, cv=2, method="decision_function", n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    with parallel_config("threading"):
        three = cross_val_predict(
            NETWORK, *mostly_hidden, cv=2, method="decision_function", n_jobs=2
        )
    assert np.array_equal(one, two, equal_nan=True)
    assert np.array_equal(one, three, equal_nan=True)


def test_random_state_instances_give_every_fold_the_same_start(mostly_hidden):
    def run(n_jobs):
        params = {**NETWORK.get_params(deep=False), "random_state": np.random.RandomState(0)}
        with parallel_config("threading"):
            return cross_val_predict(
                AutoencodingClassifier(**params), *mostly_hidden, cv=2, n_jobs=n_jobs
            )

    assert np.array_equal(run(1), run(2))


# Which rows have a result ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "cv",
    [
        ShuffleSplit(1, test_size=0.3, random_state=0),
        TimeSeriesSplit(3),
        PredefinedSplit(np.arange(90) % 4 - 1),
        [(np.arange(45, 90), np.arange(45))],
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_rows_that_no_fold_tests(table, cv, method):
    X, _, y = table
    split = SemiSupervisedSplit(cv, unlabeled="drop")
    ours, mask = cross_val_predict(
        LogisticRegression(), X, y, cv=split, method=method, return_mask=True
    )
    tested = np.concatenate([test for _, test in split.split(X, y)])
    assert np.flatnonzero(mask).tolist() == sorted(tested)
    assert 0 < mask.sum() < (y >= 0).sum()
    assert (ours[~mask] == -1).all() if method == "predict" else np.isnan(ours[~mask]).all()


def test_unsigned_labels_get_a_type_that_holds_minus_one(table):
    X, y, _ = table
    cv = SemiSupervisedSplit(ShuffleSplit(1, test_size=0.3, random_state=0))
    ours, mask = cross_val_predict(LogisticRegression(), X, np.uint8(y), cv=cv, return_mask=True)
    assert ours.dtype == np.int64
    assert (ours[~mask] == -1).all()
    names = np.array(["a", "b", "c"])[y]
    assert set(cross_val_predict(LogisticRegression(), X, names, cv=cv)[~mask]) == {"unlabeled"}


def test_rows_that_several_folds_test(table):
    X, _, y = table
    with pytest.raises(ValueError, match="is in 2 test folds"):
        cross_val_predict(
            LabelSpreading(), X, y, cv=RepeatedStratifiedKFold(n_splits=2, n_repeats=2)
        )


def test_mask_tells_rejected_rows_from_rows_without_a_result(mostly_hidden):
    class RejectsAll(Centroids):
        def predict(self, X):
            return np.full(len(X), -1)

    X, y = mostly_hidden
    labels, mask = cross_val_predict(RejectsAll(), X, y, cv=2, return_mask=True)
    assert (labels == -1).all()
    assert np.array_equal(mask, y >= 0)


# Classes that a fold does not know ------------------------------------------------------------


@pytest.fixture
def rare(table):
    """Labels of four classes, of which the third is in one half only, and folds of halves."""
    X, y, _ = table
    y = np.where(np.arange(90) >= 45, y, np.where(y == 2, 3, y))
    y[45] = 3
    return X, y, KFold(2)


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_missing_classes_are_filled_as_in_scikit_learn(rare, method):
    X, y, cv = rare
    words = np.array(["a", "b", "c", "d"])[y]
    with pytest.warns(RuntimeWarning, match="Number of classes in training fold"):
        expected = stock.cross_val_predict(LogisticRegression(), X, y, cv=cv, method=method)
    for labels, name in ((y, "2"), (words, "'c'")):
        with pytest.warns(RuntimeWarning, match=rf"fold 2 of 2 .* classes \[{name}\]") as caught:
            ours = cross_val_predict(LogisticRegression(), X, labels, cv=cv, method=method)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert np.array_equal(ours, expected)


def test_columns_that_cannot_be_assigned(rare):
    X, y, _ = rare
    two = y < 2  # one column for two classes
    cv = [(np.flatnonzero(two), np.flatnonzero(~two))]
    with pytest.raises(ValueError, match=r"shape \(\d+,\) for the 2 classes of a fold.*4 classes"):
        cross_val_predict(LogisticRegression(), X, y, cv=cv, method="decision_function")
    cv = [(np.flatnonzero(y != 2), np.flatnonzero(y == 2))]
    y, four = np.where(y == 2, 9, np.where(two & (X[:, 0] > 0.5), 4, y)), SVC()
    cv = [(np.flatnonzero(y != 9), np.flatnonzero(y == 9))]
    four.set_params(decision_function_shape="ovo")  # one column for every pair of classes
    with pytest.raises(ValueError, match=r"shape \(\d+, 6\) for the 4 classes of a fold"):
        cross_val_predict(four, X, y, cv=cv, method="decision_function")


def test_classes_that_were_named(mostly_hidden):
    X, y = mostly_hidden
    named = AutoencodingClassifier(**{**NETWORK.get_params(deep=False), "classes": [0, 1, 2, 7]})
    p = cross_val_predict(named, X, y, cv=2, method="predict_proba")
    assert p.shape == (60, 4)
    # Folds that lack the labels of a class know it nevertheless, so that there is no warning.
    cv = [(np.flatnonzero(y != 2), np.flatnonzero(y == 2))]
    assert cross_val_predict(named, X, y, cv=cv, method="predict_proba").shape == (60, 4)


def test_a_classifier_that_takes_hidden_rows_for_a_class(table):
    X, _, y = table
    with pytest.raises(ValueError, match="LogisticRegression took -1, which means 'unlabeled'"):
        cross_val_predict(LogisticRegression(), X, y, cv=3)
    words = np.array(["a", "b", "c", "unlabeled"])[y]
    with pytest.raises(ValueError, match="LogisticRegression took 'unlabeled'"):
        cross_val_predict(LogisticRegression(), X, words, cv=3, method="predict_proba")


def test_methods_without_columns_for_classes(mostly_hidden):
    X, y = mostly_hidden
    features = cross_val_predict(NETWORK, X, y, cv=2, method="transform")
    assert features.shape == (60, 6)
    assert np.array_equal(np.isnan(features).all(axis=1), y == -1)
    scores = cross_val_predict(
        RejectingClassifier(SPREADING, cv=2), X, y, cv=2, method="score_samples"
    )
    assert np.array_equal(np.isnan(scores), y == -1)


# Groups and other metadata --------------------------------------------------------------------


class Recorder(ClassifierMixin, BaseEstimator):
    """Predicts the sum of what it was fitted with, one class a fold."""

    def fit(self, X, y, sample_weight=None, scale=1):
        self.classes_ = np.unique(y[y >= 0])
        self.sum_ = scale * np.sum(sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.sum_)


@pytest.mark.parametrize("routing", [False, True])
def test_groups_and_params(table, routing):
    X, _, y = table
    groups, weight = np.arange(90) // 30, np.arange(90.0)
    split = SemiSupervisedSplit(LeaveOneGroupOut(), unlabeled="groups")
    expected = np.full(90, -1.0)
    for train, test in split.split(X, y, groups):
        expected[test] = 2 * weight[train].sum()
    params = {"sample_weight": weight, "scale": 2}
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            recorder = Recorder().set_fit_request(sample_weight=True, scale=True)
            ours = cross_val_predict(recorder, X, y, cv=split, params={**params, "groups": groups})
            with pytest.raises(ValueError, match=r"params=\{'groups': groups\}"):
                cross_val_predict(recorder, X, y, cv=split, params=params, groups=groups)
            with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
                cross_val_predict(Recorder(), X, y, params=params)
        else:
            ours = cross_val_predict(Recorder(), X, y, cv=split, params=params, groups=groups)
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("cv", [3, GroupKFold(3)])
def test_groups_of_other_splitters(table, cv):
    X, _, y = table
    groups = np.arange(90) // 30
    split = SemiSupervisedSplit(cv)
    assert np.array_equal(
        cross_val_predict(LabelSpreading(), X, y, cv=cv, groups=groups),
        cross_val_predict(LabelSpreading(), X, y, cv=list(split.split(X, y, groups))),
    )


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"method": "proba"}, AttributeError, "LabelSpreading has no method 'proba'"),
        ({"method": "decision_function"}, AttributeError, "no method 'decision_function'"),
        ({"method": "n_iter"}, AttributeError, "no method 'n_iter'"),
        ({"method": "max_iter"}, AttributeError, "no method 'max_iter'"),
        ({"method": None}, AttributeError, "no method None"),
        ({"cv": 1}, ValueError, "cv=1 must be at least 2"),
        ({"cv": "x"}, ValueError, "cv='x'"),
        ({"groups": [1, 2]}, ValueError, "inconsistent numbers of samples"),
        ({"y": None}, ValueError, "y is None"),
        ({"y": np.full(90, -1)}, ValueError, "every label in y is hidden"),
    ],
)
def test_bad_input(table, params, error, message):
    X, _, y = table
    with pytest.raises(error, match=message):
        cross_val_predict(LabelSpreading(), X, **{"y": y, **params})


def test_goes_into_reports(mostly_hidden):
    X, y = mostly_hidden
    y_true, y_pred = drop_unlabeled(y, cross_val_predict(SPREADING, X, y, cv=2))
    assert (y_true == y_pred).all()
