import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubtomo.metrics import expected_calibration_error
from sksubtomo.plotting import ReliabilityDisplay


def test_curve_and_error_are_those_of_the_metrics(draw_all):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], size=200)
    y = np.array([rng.choice(3, p=p) for p in proba])
    y[::4] = -1
    display = ReliabilityDisplay.from_predictions(y, proba, n_bins=5, name="clf")
    error = expected_calibration_error(y, proba, n_bins=5, strategy="quantile")
    assert display.calibration_error == error
    label = display.ax_.get_legend().get_texts()[0].get_text()
    assert label == f"clf: error {error:.3f}, n = 150"
    draw_all(display)


def test_intervals_are_those_of_wilson():
    # Brown, Cai & DasGupta, Statistical Science 16, 2001: all of n have n / (n + z^2) as bound.
    display = ReliabilityDisplay([0.9, 0.5], [1.0, 0.5], [10, 10], calibration_error=0.0)
    low, high = display.intervals().T
    assert low[0] == pytest.approx(10 / (10 + 1.96**2))
    assert high[0] == pytest.approx(1.0)
    assert low[1] + high[1] == pytest.approx(1.0)


def test_from_estimator_predicts_labeled_rows_only(sorter, graded):
    asked = []
    predict = sorter.predict_proba
    sorter.predict_proba = lambda X: asked.append(len(X)) or predict(X)
    _, ax = plt.subplots()
    display = ReliabilityDisplay.from_estimator(
        sorter, graded, ["a", "b", *["unlabeled"] * 8], ax=ax
    )
    assert asked == [2]
    assert display.ax_ is ax


def test_without_a_label():
    with pytest.raises(ValueError, match="needs labeled rows"):
        ReliabilityDisplay.from_predictions([-1, -1], [[0.5, 0.5]] * 2, labels=[0, 1])
