import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import make_scorer

from sksubtomo.metrics._calibration import expected_calibration_error, reliability_curve


def test_closed_form_of_two_bins():
    y = [0, 0, 1, 2]
    p = np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
    curve = reliability_curve(y, p, n_bins=2)
    assert curve.counts.tolist() == [2, 2]
    np.testing.assert_allclose(curve.confidence, [0.45, 0.85])
    np.testing.assert_allclose(curve.accuracy, [1.0, 0.5])
    assert expected_calibration_error(y, p, n_bins=2) == pytest.approx(0.5 * 0.55 + 0.5 * 0.35)
    # One bin: the distance of the mean confidence from the accuracy.
    assert expected_calibration_error(y, p, n_bins=1) == pytest.approx(abs(0.65 - 0.75))


def test_certain_and_right_or_wrong():
    assert expected_calibration_error([0, 1, 2], np.eye(3)) == 0
    assert expected_calibration_error([1, 2, 0], np.eye(3)) == 1


@pytest.fixture
def calibrated():
    """Probabilities of three classes, and labels drawn with them."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.7] * 3, size=20000)
    return (rng.random((20000, 1)) > p.cumsum(axis=1)).sum(axis=1), p


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins_are_scikit_learns(calibrated, strategy):
    y, p = calibrated
    curve = reliability_curve(y, p, strategy=strategy)
    accuracy, confidence = calibration_curve(
        p.argmax(axis=1) == y, p.max(axis=1), n_bins=15, strategy=strategy
    )
    np.testing.assert_allclose(curve.accuracy, accuracy)
    np.testing.assert_allclose(curve.confidence, confidence)
    assert curve.counts.sum() == len(y)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibrated_is_nearly_zero_and_sharpened_is_not(calibrated, strategy):
    y, p = calibrated
    # Fifteen bins of some 1300 rows: chance alone gives about 0.5 / sqrt(1300) a bin.
    assert expected_calibration_error(y, p, strategy=strategy) < 0.015
    sharpened = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(y, sharpened, strategy=strategy) > 0.1


@pytest.mark.parametrize("names", [np.array([*"abc", "unlabeled"]), np.array([*"abc", None])])
def test_hidden_rows_and_names(calibrated, names):
    y, p = (values[:500] for values in calibrated)
    hidden = np.where(np.arange(500) % 3, y, -1)
    expected = expected_calibration_error(y[hidden >= 0], p[hidden >= 0])
    assert expected_calibration_error(hidden, p) == expected
    assert expected_calibration_error(names[hidden], p) == expected
    order = [2, 0, 1]
    assert expected_calibration_error(hidden, p[:, order], labels=order) == expected
    assert expected_calibration_error(names[hidden], p[:, order], labels=names[order]) == expected


def test_binary_probabilities_and_scorer(calibrated):
    y, p = (values[:500] for values in calibrated)
    two, p1 = (y > 0).astype(int), 1 - p[:, 0]
    both = np.column_stack([1 - p1, p1])
    expected = expected_calibration_error(two, both)
    assert expected_calibration_error(two, p1) == pytest.approx(expected)

    class Told:
        _estimator_type = "classifier"
        classes_ = np.array([0, 1])

        def __sklearn_tags__(self):
            from sklearn.base import BaseEstimator, ClassifierMixin

            return type("Told", (ClassifierMixin, BaseEstimator), {})().__sklearn_tags__()

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return X

    scorer = make_scorer(
        expected_calibration_error, response_method="predict_proba", greater_is_better=False
    )
    assert scorer(Told(), both, two) == pytest.approx(-expected)


def test_rows_without_a_result_are_left_out(calibrated):
    y, p = (values[:500] for values in calibrated)
    hidden = np.where(np.arange(500) % 3, y, -1)
    expected = expected_calibration_error(hidden, p)
    without = np.where(hidden[:, np.newaxis] >= 0, p, np.nan)
    assert expected_calibration_error(hidden, without, n_bins=np.int64(15)) == expected
    with pytest.raises(ValueError, match="y_prob contains NaN"):
        expected_calibration_error(y, without)


def test_bad_input():
    p = np.full((4, 2), 0.5)
    with pytest.raises(ValueError, match="every label in y_true is hidden"):
        expected_calibration_error([-1] * 4, p, labels=[0, 1])
    with pytest.raises(ValueError, match=r"2 columns, but there are 3 classes, \[0, 1, 2\]"):
        expected_calibration_error([0, 1, 2, 2], p)
    with pytest.raises(ValueError, match="no probabilities"):
        expected_calibration_error([0, 1, 0, 1], 2 * p)
    with pytest.raises(ValueError, match="no probabilities"):
        expected_calibration_error([0, 1, 0, 1], p + np.array([-1, 1]))
    with pytest.raises(ValueError, match="not among the classes"):
        reliability_curve([0, 1, 0, 5], p, labels=[0, 1])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[3, 4\]"):
        reliability_curve([0, 1, 0], p)
    with pytest.raises(ValueError, match="'n_bins' parameter"):
        reliability_curve([0, 1, 0, 1], p, n_bins=True)
    with pytest.raises(ValueError, match="'strategy' parameter"):
        reliability_curve([0, 1, 0, 1], p, strategy="other")
