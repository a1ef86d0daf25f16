"""Thresholds for a stated precision or recall, and how certain labels make them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, betabinom
from sklearn.utils import Bunch
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from sksubtomo._utils._labels import is_text, is_unlabeled, labeled_rows
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._sklearn import validate_params

# Labels that are asked for at most.
_MOST_LABELS = 100_000
# True particles that are expected among the rest, where no more are worth their false positives.
_LEAST_GAIN = 0.5
_PROBABILITY = NumberInterval(Real, 0, 1, closed="neither")


def binomial_interval(
    n_successes: int, n_trials: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a proportion; (0, 1) without a trial.

    Parameters
    ----------
    n_successes, n_trials : int
        Counts.
    confidence : float, default=0.95
        Coverage, at least.

    Returns
    -------
    low, high : float
        Limits.

    References
    ----------
    Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 1934.
    """
    n_failures, tail = n_trials - n_successes, (1 - confidence) / 2
    low = beta.ppf(tail, n_successes, n_failures + 1) if n_successes else 0.0
    high = beta.isf(tail, n_successes + 1, n_failures) if n_failures else 1.0
    return float(low), float(high)


def prediction_interval(
    n_successes: int, n_trials: int, n_new: int, confidence: float = 0.95
) -> tuple[int, int]:
    """Return the interval of how many of some new trials succeed; (0, n_new) without a trial.

    Wider than what :func:`binomial_interval` says of the proportion, as new trials vary, too.

    Parameters
    ----------
    n_successes, n_trials : int
        Counts.
    n_new : int
        Number of new trials.
    confidence : float, default=0.95
        Coverage, at least.

    Returns
    -------
    low, high : int
        Limits; as fractions of very many new trials, those of the proportion.

    References
    ----------
    Thatcher, "Relationships between Bayesian and confidence limits for predictions", Journal of
    the Royal Statistical Society B 26, 1964.
    """
    n_failures, tail = n_trials - n_successes, (1 - confidence) / 2
    counts = np.arange(n_new + 1)
    low, high = 0, n_new
    if n_successes:
        below = np.cumsum(betabinom.pmf(counts, n_new, n_successes, n_failures + 1))
        low = int(np.searchsorted(below, tail, side="right"))
    if n_failures:
        above = np.cumsum(betabinom.pmf(counts, n_new, n_successes + 1, n_failures)[::-1])
        high = n_new - int(np.searchsorted(above, tail, side="right"))
    return low, high


@validate_params(
    {
        "proba": ["array-like"],
        "y_true": ["array-like", None],
        "y_prob": ["array-like", None],
        "precision": [_PROBABILITY, None],
        "recall": [_PROBABILITY, None],
        "pos_label": [Real, str],
        "confidence": [_PROBABILITY],
        "tolerance": [NumberInterval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def operating_point(
    proba,
    y_true=None,
    y_prob=None,
    *,
    precision=None,
    recall=None,
    pos_label=1,
    confidence=0.95,
    tolerance=0.1,
):
    """Return the threshold for a stated precision or recall, and what labels say of it.

    The threshold follows from the probabilities of all candidates alone: if they are calibrated,
    the mean probability of those kept is the precision, and their sum the number of true ones. It
    keeps as many as the stated precision allows, but stops where less than half a true one is
    expected among the rest; or as few as the stated recall allows, but goes on while less than half
    a false one is expected among those kept. Labels, and the probabilities that were predicted
    without them, judge that one threshold. Since they took no part in its choice, the
    Clopper-Pearson interval of a single proportion holds as it is. Where no candidate is between
    the threshold and the next one, labels are judged halfway.

    Parameters
    ----------
    proba : array-like of shape (n_candidates,)
        Probability of each candidate of being a true particle.
    y_true : array-like of shape (n_labels,), optional
        Labels of some candidates, drawn at random. Hidden ones (-1) are left out.
    y_prob : array-like of shape (n_labels,), optional
        Their probabilities by fits that did not see their labels.
    precision, recall : float, optional
        What is wanted, one of them.
    pos_label : int or str, default=1
        Label of a true particle in `y_true`.
    confidence : float, default=0.95
        Of the intervals.
    tolerance : float, default=0.1
        Labels suffice if the lower limit of the interval is not below what is wanted by more.

    Returns
    -------
    point : Bunch
        ``threshold``: keep probabilities of at least this; infinite where no candidate is as
        probable as the stated precision. ``precision`` and ``recall``, expected;
        ``precision_interval`` and ``recall_interval``, (low, high), from the labels alone;
        ``n_kept``, ``n_true_kept``, expected, and ``n_true_kept_interval``, (low, high), how many
        of those kept are true by the labels alone; ``n_labels_kept``; ``is_certain``, whether
        labels suffice; ``n_more_labels``, how many more, drawn at random, would be needed beside
        these if they were as good as expected, None if no number would do.

    Raises
    ------
    ValueError
        If not one of `precision` and `recall` is given, probabilities are out of range or masked,
        or `pos_label` is not of the kind of the labels.

    Examples
    --------
    >>> from sksubtomo.metrics import operating_point
    >>> point = operating_point([0.99, 0.95, 0.9, 0.4, 0.1, 0.05], precision=0.9)
    >>> point.threshold, point.n_kept, point.is_certain
    (0.9, 3, False)
    """
    if (precision is None) == (recall is None):
        raise ValueError("Give either precision or recall: what the threshold is to reach.")
    proba = _check_probabilities(proba, "proba")
    truth, judged = _check_labels(y_true, y_prob, pos_label)
    ordered = np.sort(proba)[::-1]
    sums = np.cumsum(ordered)
    # Equal probabilities are kept together.
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    if precision is not None:
        good = sums[ends] / (ends + 1) >= precision
        n_kept = int(ends[good][-1]) + 1 if good.any() else 0
        # Where classes are well separated, the precision would admit candidates of probability
        # near 0, of which labeled ones are too few to judge the threshold.
        enough = ends[np.flatnonzero(sums[-1] - sums[ends] < _LEAST_GAIN)[0]]
        n_kept = min(n_kept, int(enough) + 1)
    else:
        n_kept = int(ends[np.searchsorted(sums[ends], recall * sums[-1] - 1e-12)]) + 1
        # Nor are those lost that are next to certainly true: within them, the order is noise.
        sure = ends[ends + 1 - sums[ends] < _LEAST_GAIN]
        n_kept = max(n_kept, int(sure[-1]) + 1 if len(sure) else 0)
    threshold = float(ordered[n_kept - 1]) if n_kept else math.inf
    kept = ordered >= threshold
    n_true = float(ordered[kept].sum())
    expected = {
        "precision": n_true / int(kept.sum()) if kept.any() else math.nan,
        "recall": n_true / float(sums[-1]) if sums[-1] > 0 else math.nan,
    }
    # Fits that did not see a label give less extreme probabilities. Any threshold within a gap
    # keeps the same candidates.
    above = judged >= (threshold + (ordered[n_kept] if n_kept < len(ordered) else threshold)) / 2
    n_hit = int((truth & above).sum())
    intervals = {
        "precision": binomial_interval(n_hit, int(above.sum()), confidence),
        "recall": binomial_interval(n_hit, int(truth.sum()), confidence),
    }
    wanted, asked = ("precision", precision) if recall is None else ("recall", recall)
    least = asked - tolerance
    shares = {"precision": kept.mean(), "recall": proba.mean()}
    certain = bool(intervals[wanted][0] >= least and kept.any())
    counts = (n_hit, int((above if recall is None else truth).sum()))
    more = (
        0
        if certain
        else _labels_needed(expected[wanted], least, confidence, float(shares[wanted]), counts)
    )
    return Bunch(
        threshold=threshold,
        **expected,
        precision_interval=intervals["precision"],
        recall_interval=intervals["recall"],
        n_kept=int(kept.sum()),
        n_true_kept=n_true,
        n_true_kept_interval=prediction_interval(
            n_hit, int(above.sum()), int(kept.sum()), confidence
        ),
        n_labels_kept=int(above.sum()),
        is_certain=certain,
        n_more_labels=more,
    )


def _labels_needed(
    expected: float, least: float, confidence: float, share: float, counts: tuple[int, int]
) -> int | None:
    """Return how many more labels would bring the lower limit to what is wanted, on average.

    Of random labels, `share` are of candidates that the proportion is of. `counts`: successes and
    trials by the labels that there are. If they say less than expected, more are needed; that they
    say more may be luck.
    """
    if not (expected > least and share > 0):
        return None
    n_successes, n_trials = min(counts[0], math.floor(expected * counts[1])), counts[1]

    def suffice(n: int) -> bool:
        hits = n_successes + math.floor(expected * n + 1e-9)
        return binomial_interval(hits, n_trials + n, confidence)[0] >= least

    low, high = 1, _MOST_LABELS
    if not suffice(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if suffice(middle):
            high = middle
        else:
            low = middle + 1
    return math.ceil(low / share)


def _check_probabilities(values: Any, name: str) -> NDArray[np.float64]:
    if np.ma.is_masked(values):  # column_or_1d would unmask them
        raise ValueError(f"{name} has masked values. Leave these candidates out.")
    values = check_array(column_or_1d(values), ensure_2d=False, dtype=np.float64, input_name=name)
    if (values < 0).any() or (values > 1 + 1e-6).any():
        raise ValueError(f"{name} must hold probabilities, from 0 to 1.")
    return values


def _check_labels(
    y_true: Any, y_prob: Any, pos_label: Any
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    if (y_true is None) != (y_prob is None):
        raise ValueError("Give y_true and y_prob together, or neither.")
    if y_true is None:
        return np.empty(0, dtype=bool), np.empty(0)
    y_prob = _check_probabilities(y_prob, "y_prob")
    check_consistent_length(y_true, y_prob)
    rows, labels = labeled_rows(y_true, known=[pos_label], input_name="y_true")
    own = np.asarray([pos_label])
    if len(labels) and (is_text(own) != is_text(labels) or is_unlabeled(own).any()):
        raise ValueError(
            f"pos_label={pos_label!r} must be of the kind of the labels in y_true, such as "
            f"{labels.tolist()[0]!r}, and none that means 'unlabeled'."
        )
    return labels == pos_label, y_prob[rows]
