"""Regressions that combine ingredients: limits, calibration, particles only, contributions."""

import numpy as np
import pytest

from sksubtomo.semi_supervised._stacking import (
    calibration_line,
    fit_logistic,
    fit_positive_unlabeled,
    gains,
    limits_of,
    out_of_fold,
)


def test_limits():
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(3.0, 2.0, size=100_000), np.zeros(100_000)])
    limits = limits_of(features)
    np.testing.assert_allclose(limits[:, 0], [-5.0, 11.0], atol=0.1)
    # Next to nothing is left out of a normal distribution, and a constant is no outlier.
    assert np.isinf(limits[:, 1]).all()


def test_shrunk_probabilities_are_calibrated():
    # True log odds are four times what a strong prior makes of them.
    rng = np.random.default_rng(0)
    truth = rng.normal(scale=3, size=4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(int)
    shrunk = 1 / (1 + np.exp(-truth / 4))
    slope, offset = calibration_line(np.column_stack([1 - shrunk, shrunk]), y)
    assert slope == pytest.approx(4, rel=0.1)
    assert offset == pytest.approx(0, abs=0.15)
    assert calibration_line(np.column_stack([shrunk, 1 - shrunk]), y) == (1.0, 0.0)


def test_frequency_of_labels_is_found():
    # A third of the positives is labeled; of separable classes the mixture is found exactly.
    rng = np.random.default_rng(0)
    truth = rng.random(3000) < 0.25
    design = np.where(truth, 3.0, -3.0)[:, np.newaxis] + 0.3 * rng.normal(size=(3000, 1))
    labeled = truth & (rng.random(3000) < 1 / 3)
    fitted = fit_positive_unlabeled(design, labeled, np.ones(3000), 1.0)
    assert fitted.predict_proba(design)[:, 1].mean() == pytest.approx(0.25, abs=0.02)
    naive = fit_logistic(design, labeled.astype(int), 1.0)
    assert naive.predict_proba(design)[:, 1].mean() == pytest.approx(labeled.mean(), abs=1e-3)


def test_slope_is_that_of_all_labels_where_classes_overlap():
    rng = np.random.default_rng(0)
    design = rng.normal(size=(3000, 1))
    truth = rng.random(3000) < 1 / (1 + np.exp(2 - 3 * design[:, 0]))
    labeled = truth & (rng.random(3000) < 0.2)
    fitted = fit_positive_unlabeled(design, labeled, np.ones(3000), 1.0)
    full = fit_logistic(design, truth.astype(int), 1.0)
    assert fitted.coef_[0, 0] == pytest.approx(full.coef_[0, 0], rel=0.15)


def test_nothing_is_hidden_where_all_positives_are_labeled():
    design = np.repeat([3.0, -3.0], [10, 30])[:, np.newaxis]
    labeled = design[:, 0] > 0
    fitted = fit_positive_unlabeled(design, labeled, np.ones(40), 100.0)
    assert fitted.predict_proba(design)[~labeled, 1].max() < 0.02


def test_contributions_do_not_depend_on_unlabeled_candidates():
    rng = np.random.default_rng(0)
    targets = np.arange(30) % 3
    design = rng.normal(size=(30, 2)) + targets[:, np.newaxis]
    folds = [
        (np.flatnonzero(np.arange(30) // 10 != k), np.arange(10 * k, 10 * k + 10)) for k in range(3)
    ]
    groups = {"first": slice(0, 1), "both": slice(0, 2)}
    gained = gains(design, targets, folds, 3, groups, 1.0)
    more = np.vstack([design, rng.normal(size=(70, 2))])
    hidden = np.append(targets, np.full(70, -1))
    assert gains(more, hidden, folds, 3, groups, 1.0) == pytest.approx(gained)
    # Without any feature, what is known is the frequency of each class.
    left_out = out_of_fold(design, targets, folds, 3, 1.0)
    expected = np.log(3) + np.log(left_out[np.arange(30), targets]).mean()
    assert gained["both"] == pytest.approx(expected, abs=0.02)
