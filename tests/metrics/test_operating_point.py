"""Thresholds for a stated precision or recall, against closed forms and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from sksubtomo.metrics import operating_point
from sksubtomo.metrics._operating_point import binomial_interval, prediction_interval


def test_interval_of_all_right_is_a_closed_form():
    # With n of n, the lower limit is the (alpha / 2)th root.
    assert binomial_interval(29, 29, 0.9)[0] == pytest.approx(0.05 ** (1 / 29), rel=1e-12)
    assert binomial_interval(0, 0) == (0.0, 1.0)
    assert binomial_interval(0, 5)[0] == 0.0


@pytest.mark.parametrize("p", [0.5, 0.9, 0.97])
def test_interval_covers(p):
    n = 17
    covered = sum(
        binom.pmf(k, n, p)
        for k in range(n + 1)
        if np.prod(np.sign(np.subtract(p, binomial_interval(k, n)))) <= 0
    )
    assert covered >= 0.95


@pytest.mark.parametrize("p", [0.5, 0.9, 0.97])
def test_prediction_covers(p):
    n, n_new = 17, 30
    covered = 0.0
    for k in range(n + 1):
        low, high = prediction_interval(k, n, n_new)
        covered += binom.pmf(k, n, p) * (binom.cdf(high, n_new, p) - binom.cdf(low - 1, n_new, p))
    assert covered >= 0.95


def test_prediction_of_one_trial_and_of_many():
    # Of one more trial after n successes of n: Laplace's rule with one prior failure, 1 / (n + 1).
    assert prediction_interval(38, 38, 1) == (0, 1)
    assert prediction_interval(40, 40, 1) == (1, 1)
    assert prediction_interval(0, 0, 5) == (0, 5)
    assert prediction_interval(3, 4, 0) == (0, 0)
    shares = np.divide(prediction_interval(14, 17, 200_000), 200_000)
    assert shares == pytest.approx(binomial_interval(14, 17), abs=1e-3)
    # What fails is the mirror image.
    low, high = prediction_interval(14, 17, 30)
    assert prediction_interval(3, 17, 30) == (30 - high, 30 - low)


def test_threshold_keeps_as_many_as_precision_allows():
    proba = np.array([0.05, 0.9, 0.6, 0.99, 0.2])
    point = operating_point(proba, precision=0.8)
    # Means of the best 1, 2, 3, 4: 0.99, 0.945, 0.83, 0.6725.
    assert point.threshold == 0.6
    assert point.n_kept == 3
    assert point.n_true_kept == pytest.approx(2.49)
    assert point.precision == pytest.approx(0.83)
    assert point.recall == pytest.approx(2.49 / proba.sum())


def test_next_to_certainly_false_candidates_are_not_kept():
    # 40 true ones; at a precision of 0.9, four of the others would be allowed.
    rng = np.random.default_rng(0)
    proba = np.concatenate([np.full(40, 0.999), rng.uniform(0, 2e-3, 200)])
    point = operating_point(proba, precision=0.9)
    assert (point.n_kept, point.threshold) == (40, 0.999)
    # Probabilities of left-out labels are less extreme: none of them is near the threshold.
    y, left_out = np.repeat([1, 0], [10, 40]), np.repeat([0.9995, 5e-3], [10, 40])
    judged = operating_point(proba, y, left_out, precision=0.9)
    assert judged.precision_interval == binomial_interval(10, 10)


def test_half_a_particle_is_worth_false_positives():
    # Among the rest, 0.6 of a true one is expected, then 0.4.
    proba = [0.95] * 10 + [0.2] * 3
    assert operating_point(proba, precision=0.6).n_kept == 13
    proba = [0.95] * 10 + [0.25, 0.19, 0.1]
    assert operating_point(proba, precision=0.6).n_kept == 11


def test_threshold_keeps_as_few_as_recall_allows():
    point = operating_point([0.9, 0.6, 0.3, 0.2], recall=0.75)
    assert (point.threshold, point.n_kept) == (0.6, 2)
    assert point.recall == pytest.approx(0.75)
    assert operating_point([0.9, 0.6, 0.3, 0.2], recall=0.76).n_kept == 3


def test_equal_probabilities_are_kept_together():
    assert operating_point([0.9, 0.5, 0.5, 0.5], recall=0.5).n_kept == 4
    # All four have a mean of 0.6; the first alone is the most that 0.65 allows.
    assert operating_point([0.9, 0.5, 0.5, 0.5], precision=0.65).n_kept == 1


def test_unreachable_precision_keeps_nothing():
    point = operating_point([0.3, 0.2], precision=0.9)
    assert math.isinf(point.threshold)
    assert point.n_kept == 0
    assert point.n_more_labels is None
    assert not point.is_certain


def test_labels_judge_the_threshold():
    proba = np.linspace(1, 0.8, 100)
    y = np.r_[np.ones(40), np.zeros(2)]
    point = operating_point(proba, y, np.full(42, 0.95), precision=0.85)
    assert point.precision_interval == pytest.approx(binomial_interval(40, 42))
    assert point.recall_interval == pytest.approx(binomial_interval(40, 40))
    assert point.is_certain
    assert point.n_more_labels == 0


def test_labels_needed_suffice():
    proba = np.concatenate([np.full(25, 0.96), np.full(75, 0.02)])
    point = operating_point(proba, [1, 0, -1], [0.99, 0.01, 0.5], precision=0.9, tolerance=0.1)
    assert not point.is_certain
    # A quarter of random labels is above the threshold.
    n_kept = math.ceil((point.n_more_labels + 2) / 4)
    assert binomial_interval(math.floor(0.96 * n_kept), n_kept)[0] >= 0.8
    assert binomial_interval(math.floor(0.96 * n_kept / 2), n_kept // 2)[0] < 0.8


def test_labels_that_contradict_count_among_those_needed():
    # A hundred labels say 0.5 where 0.9 is expected: one more does not change that.
    y = np.arange(100) % 2
    point = operating_point(np.full(100, 0.9), y, np.full(100, 0.9), precision=0.85)
    n = point.n_more_labels
    assert binomial_interval(50 + math.floor(0.9 * n + 1e-9), 100 + n)[0] >= 0.75
    assert binomial_interval(50 + math.floor(0.9 * (n - 1) + 1e-9), 99 + n)[0] < 0.75
    assert n > 100


def test_labels_within_a_gap_of_probabilities_are_kept():
    # Fits that saw fewer labels are less sure, and no candidate says where in the gap to cut.
    proba = np.repeat([0.999, 0.001], 20)
    y, left_out = np.repeat([1, 0], 10), np.repeat([0.95, 0.05], 10)
    for wanted in ({"precision": 0.9}, {"recall": 0.9}):
        point = operating_point(proba, y, left_out, **wanted)
        assert (point.threshold, point.n_kept) == (0.999, 20)
        assert point.n_labels_kept == 10
        assert point.recall_interval == binomial_interval(10, 10)
    point = operating_point([0.9, 0.8, 0.7], [1, 0], [0.72, 0.69], recall=0.99)
    assert point.n_labels_kept == 1


def test_what_is_next_to_certain_is_not_cut_by_recall():
    proba = np.r_[1 - np.linspace(1e-6, 2e-6, 50), np.full(50, 1e-6)]
    assert operating_point(proba, recall=0.5).n_kept == 50


@pytest.mark.parametrize(
    ("labels", "pos_label"),
    [(["a", "b"], 1), ([1, 0], "1"), (["a", "b"], "unlabeled"), ([1, 0], -1)],
)
def test_positive_labels_of_another_kind_are_refused(labels, pos_label):
    with pytest.raises(ValueError, match="must be of the kind of the labels in y_true"):
        operating_point([0.9, 0.5], labels, [0.9, 0.5], precision=0.5, pos_label=pos_label)


def test_positive_label_may_be_a_truth_value():
    point = operating_point([0.9, 0.5], [True, False], [0.9, 0.5], recall=0.5, pos_label=True)
    assert point.recall_interval == binomial_interval(1, 1)


def test_masked_probabilities_are_refused():
    with pytest.raises(ValueError, match="proba has masked values"):
        operating_point(np.ma.array([0.9, 0.5], mask=[False, True]), precision=0.5)


def test_intervals_hold_for_calibrated_probabilities():
    rng = np.random.default_rng(0)
    inside, predicted = [], []
    for _ in range(200):
        proba = rng.beta(0.5, 0.8, size=1000)
        truth = rng.random(1000) < proba
        labels = truth[:60].astype(int), proba[:60]
        point = operating_point(proba, *labels, precision=0.9)
        few = operating_point(proba[60:120], *labels, precision=0.9)
        n_true = truth[60:120][proba[60:120] >= few.threshold].sum()
        predicted.append(few.n_true_kept_interval[0] <= n_true <= few.n_true_kept_interval[1])
        low, high = point.precision_interval
        inside.append(low <= truth[proba >= point.threshold].mean() <= high)
        assert truth[proba >= point.threshold].mean() == pytest.approx(point.precision, abs=0.06)
    assert np.mean(inside) >= 0.95
    assert np.mean(predicted) >= 0.95


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either precision or recall"),
        ({"precision": 0.9, "recall": 0.9}, "either precision or recall"),
        ({"precision": 1.5}, "precision"),
        ({"precision": 0.9, "y_true": [1]}, "together"),
    ],
)
def test_refusals(given, message):
    with pytest.raises(ValueError, match=message):
        operating_point([0.5, 0.2], **given)


def test_probabilities_out_of_range_are_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        operating_point([0.5, 1.2], recall=0.5)
