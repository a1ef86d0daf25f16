import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, issparse
from sklearn.calibration import CalibrationDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    average_precision_score,
    classification_report,
    confusion_matrix,
    roc_auc_score,
)
from sklearn.pipeline import make_pipeline

from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.metrics import drop_unlabeled
from sksubtomo.model_selection import cross_val_predict
from sksubtomo.preprocessing import VolumeFlattener
from sksubtomo.semi_supervised import SelfTrainingClassifier

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


ROWS = [0, 1, 3]


@pytest.mark.parametrize(
    "y",
    [
        np.array([5, 6, -1, 5, -1]),
        [5, 6, -1, 5, -1],
        pd.Series([5, 6, -1, 5, -1]),
        np.array([5.0, 6, -1, 5, -1]),
        np.array([5, 6, None, 5, -1], object),
        np.array([[5], [6], [-1], [5], [-1]])[:, 0],
    ],
)
def test_labels_of_any_kind(y):
    labels = drop_unlabeled(y)
    assert isinstance(labels, np.ndarray)
    assert labels.tolist() == [5, 6, 5]
    assert labels.dtype.kind in "if"


@pytest.mark.parametrize("hidden", [None, -1, "unlabeled", "-1"])
def test_names(hidden):
    y = np.array(["a", "b", hidden, "a", hidden], dtype=object)
    assert drop_unlabeled(y).tolist() == ["a", "b", "a"]
    if hidden is not None:
        assert drop_unlabeled(y.astype(str)).tolist() == ["a", "b", "a"]


def test_arrays_keep_their_kind(tmp_path):
    y = [0, 1, -1, 1, -1]
    volumes, rows = (
        np.random.default_rng(0).normal(size=(5, 2, 3, 4)),
        np.arange(10.0).reshape(5, 2),
    )
    write_mrc(tmp_path / "TS_1.mrc", np.zeros((8, 8, 40), dtype=np.float32), 10.0)
    stack = SubtomogramStack([tmp_path / "TS_1.mrc"], [(4, 4, 5 + n) for n in range(5)], [0] * 5, 4)
    frame, names = pd.DataFrame(rows, columns=["a", "b"]), list("vwxyz")
    labels, *parts = drop_unlabeled(
        y, volumes, frame, csr_array(rows), names, stack, None, rows[:, 0]
    )
    assert labels.tolist() == [0, 1, 1]
    four_d, table, sparse, listed, lazy, nothing, weight = parts
    assert np.array_equal(four_d, volumes[ROWS])
    assert table.equals(frame.iloc[ROWS])
    assert issparse(sparse)
    assert np.array_equal(sparse.toarray(), rows[ROWS])
    assert listed == ["v", "w", "y"]
    assert isinstance(lazy, SubtomogramStack)
    assert lazy.index.tolist() == ROWS
    assert nothing is None
    assert weight.tolist() == rows[ROWS, 0].tolist()


@pytest.mark.parametrize(
    ("y", "arrays", "message"),
    [
        ([-1, -1], (), "There is no labeled row"),
        (["unlabeled", None], (), "There is no labeled row"),
        ([0, -1], ([1, 2, 3],), "inconsistent numbers of samples"),
        (None, (), "y is None"),
        ([0, np.nan], (), "contains NaN"),
    ],
)
def test_bad_input(y, arrays, message):
    with pytest.raises(ValueError, match=message):
        drop_unlabeled(y, *arrays)


@pytest.fixture
def classified(easy_volumes, mostly_hidden):
    """Volumes of two classes, labels of some, all labels, and a classifier fitted to both."""
    keep = easy_volumes[1] < 2
    X, y, truth = easy_volumes[0][keep], mostly_hidden[1][keep], easy_volumes[1][keep]
    noisy = X + np.random.default_rng(0).normal(scale=20, size=X.shape).astype(np.float32)
    classifier = SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression()))
    return noisy, y, truth, classifier.fit(noisy, y)


def test_reports(classified):
    X, y, truth, classifier = classified
    labeled = y >= 0
    y_true, y_pred = drop_unlabeled(y, cross_val_predict(classifier, X, y, cv=2))
    assert y_true.tolist() == truth[labeled].tolist()
    report = classification_report(y_true, y_pred, output_dict=True, zero_division=0)
    assert set(report) == {"0", "1", "accuracy", "macro avg", "weighted avg"}
    assert report["accuracy"] == (y_true == y_pred).mean()
    assert confusion_matrix(y_true, y_pred).sum() == labeled.sum()


def test_displays_from_predictions(classified):
    X, y, _, classifier = classified
    p = cross_val_predict(classifier, X, y, cv=2, method="predict_proba")
    y_true, score, y_pred = drop_unlabeled(y, p[:, 1], p.argmax(axis=1))
    display = ConfusionMatrixDisplay.from_predictions(y_true, y_pred)
    assert display.confusion_matrix.shape == (2, 2)
    assert RocCurveDisplay.from_predictions(y_true, score).roc_auc == pytest.approx(
        roc_auc_score(y_true, score)
    )
    display = PrecisionRecallDisplay.from_predictions(y_true, score)
    assert display.average_precision == pytest.approx(average_precision_score(y_true, score))
    for kind in (DetCurveDisplay, CalibrationDisplay):
        kind.from_predictions(y_true, score)


@pytest.mark.parametrize(
    "display",
    [
        ConfusionMatrixDisplay,
        RocCurveDisplay,
        PrecisionRecallDisplay,
        DetCurveDisplay,
        CalibrationDisplay,
    ],
)
def test_displays_from_estimators(classified, display):
    X, y, _, classifier = classified
    y_labeled, X_labeled, weight = drop_unlabeled(y, X, np.arange(len(y)) + 1.0)
    assert np.array_equal(X_labeled, X[y >= 0])
    params = {} if display is CalibrationDisplay else {"sample_weight": weight}
    display.from_estimator(classifier, X_labeled, y_labeled, **params)
