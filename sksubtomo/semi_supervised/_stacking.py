"""Logistic regression over groups of features, each with a prior of its own width."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]

_MOST_ITERATIONS = 1000
_TOLERANCE = 1e-6
# Variance of the slope of log odds, chosen as the priors of features are.
_CALIBRATION_PRIOR = 10.0
_LEAST_FREQUENCY = 1e-3
# Of weights of unlabeled candidates where only positives are labeled.
_MOST_REFINEMENTS = 20
_LEAST_REFINEMENT = 1e-3
# Half widths of limits, in standard deviations of a normal distribution with the same quartiles.
_MOST_DEVIATIONS = 4.0
QUARTILE_OF_NORMAL = 0.6745


class Scaler:
    """Centers features and divides them by their spread, over all candidates.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Of the candidates of the fit; a constant feature is only centered.
    """

    def __init__(self, features: NDArray[np.float64]) -> None:
        largest = np.abs(features).max(axis=0, initial=0.0)
        # In units of a power of two, as squares of very large or small numbers are none.
        _, exponent = np.frexp(largest)
        inside = np.ldexp(features, -exponent)
        self.center = np.ldexp(inside.mean(axis=0), exponent)
        spread = inside.std(axis=0)
        # Rounding errors of a constant are no spread.
        varies = spread > 1e-9 * np.ldexp(largest, -exponent)
        self.spread = np.where(varies, np.ldexp(spread, exponent), 1.0)

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return (features - self.center) / self.spread


def limits_of(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return limits beyond which features are outliers.

    Beads and lumps of ice are so far from all else that the spread would be theirs alone, and
    particles next to each other on its scale. Without a spread between quartiles, there is no
    limit.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Of the candidates of the fit.

    Returns
    -------
    limits : ndarray of shape (2, n_features)
        Lowest and highest values.
    """
    low, middle, high = np.percentile(features, (25, 50, 75), axis=0)
    reach = _MOST_DEVIATIONS * (high - low) / (2 * QUARTILE_OF_NORMAL)
    reach = np.where(reach > 0, reach, np.inf)
    return np.stack([middle - reach, middle + reach])


def fit_logistic(
    design: NDArray[np.float64],
    targets: NDArray[np.int64],
    C: float,
    weight: NDArray[np.float64] | None = None,
) -> LogisticRegression:
    """Fit a logistic regression with a normal prior on its slopes, of variance `C`.

    The intercept is free, so that the mean probability is the frequency of labels.
    """
    regression = LogisticRegression(C=C, tol=_TOLERANCE, max_iter=_MOST_ITERATIONS)
    return regression.fit(design, targets, weight)


def fit_positive_unlabeled(
    design: NDArray[np.float64],
    is_positive: NDArray[np.bool_],
    counts: NDArray[np.float64],
    C: float,
) -> LogisticRegression:
    """Fit a logistic regression to positive and unlabeled candidates.

    Positives are assumed to be drawn at random among all positives, a fraction c of them. With g,
    the probability of being labeled, an unlabeled candidate is a positive with the probability
    (1 - c) / c * g / (1 - g), and takes part as both, so weighted [1]_. c is the mean of g over
    labeled positives, as predicted by a fit that did not see them. With p, the probability of being
    a positive that results, that of an unlabeled candidate is (1 - c) p / (1 - c p), by which
    weights are refined in turn with the regression until they stay (expectation maximization [2]_).

    Parameters
    ----------
    design : ndarray of shape (n, n_features)
        Features.
    is_positive : ndarray of shape (n,) of bool
        Whether each is labeled.
    counts : ndarray of shape (n,)
        How many candidates each row stands for: 1 for positives, more for a sample of unlabeled.
    C : float
        As of :func:`fit_logistic`.

    References
    ----------
    .. [1] Elkan & Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008.
    .. [2] Ward, Hastie, Barry, Elith & Leathwick, "Presence-only data and the EM algorithm",
       Biometrics 65, 2009.
    """
    n, labeled = len(design), is_positive.astype(np.int64)
    frequency = _labeled_frequency(design, labeled, counts, C)
    g = fit_logistic(design, labeled, C, counts).predict_proba(design)[:, 1]
    odds = g / np.maximum(1 - g, 1e-12)
    share = np.where(is_positive, 1.0, np.clip((1 - frequency) / frequency * odds, 0.0, 1.0))
    twice = np.concatenate([design, design[~is_positive]])
    targets = np.repeat([1, 0], [n, (~is_positive).sum()])
    for _ in range(_MOST_REFINEMENTS):
        weights = np.concatenate([share * counts, ((1 - share) * counts)[~is_positive]])
        fitted = fit_logistic(twice, targets, C, weights)
        p = fitted.predict_proba(design)[:, 1]
        # With c of 1, all positives are labeled.
        refined = (1 - frequency) * p / np.maximum(1 - frequency * p, 1e-12)
        previous, share = share, np.where(is_positive, 1.0, refined)
        if np.abs(share - previous).max() < _LEAST_REFINEMENT:
            break
    return fitted


def _labeled_frequency(
    design: NDArray[np.float64], labeled: NDArray[np.int64], counts: NDArray[np.float64], C: float
) -> float:
    """Return the fraction of positives that is labeled, from fits that left some of them out."""
    positives = np.flatnonzero(labeled)
    held_out = []
    n_folds = min(5, len(positives))
    for k in range(n_folds):
        rows = positives[k::n_folds]
        train = np.ones(len(labeled), dtype=bool)
        # A single one cannot be left out.
        train[rows] = n_folds < 2
        weight = counts * np.where(labeled, n_folds / max(1, n_folds - 1), 1.0)
        fitted = fit_logistic(design[train], labeled[train], C, weight[train])
        held_out.append(fitted.predict_proba(design[rows])[:, 1])
    return float(np.clip(np.concatenate(held_out).mean(), _LEAST_FREQUENCY, 1.0))


def out_of_fold(
    design: NDArray[np.float64], targets: NDArray[np.int64], folds: Folds, n_classes: int, C: float
) -> NDArray[np.float64]:
    """Return probabilities of labeled candidates by regressions that did not see their labels."""
    probabilities = np.zeros((len(design), n_classes))
    for train, test in folds:
        fitted = fit_logistic(design[train], targets[train], C)
        probabilities[np.ix_(test, fitted.classes_)] = fitted.predict_proba(design[test])
    return probabilities


def calibration_line(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64]
) -> tuple[float, float]:
    """Return slope and intercept by which log odds of left-out labels are calibrated.

    A prior that holds for few labels leaves probabilities of many features too near to the
    frequency of labels. Where left-out labels are told no better than by chance, nothing is
    changed: a slope below 0 would turn the ranking around.

    Parameters
    ----------
    probabilities : ndarray of shape (n, 2)
        Of labeled candidates, by fits that did not see their labels.
    targets : ndarray of shape (n,) of int
        Their classes.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods", Advances in Large Margin Classifiers, 1999.
    """
    odds = log_odds(probabilities)
    fitted = fit_logistic(odds, targets, _CALIBRATION_PRIOR)
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 0 else (1.0, 0.0)


def log_loss(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood."""
    own = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def gains(
    design: NDArray[np.float64],
    targets: NDArray[np.int64],
    folds: Folds,
    n_classes: int,
    groups: Mapping[str, slice],
    C: float,
) -> dict[str, float]:
    """Return by how much the log loss of left-out labels rises without each group of features."""
    left_out = np.concatenate([test for _, test in folds])

    def loss(features: NDArray[np.float64]) -> float:
        probabilities = out_of_fold(features, targets, folds, n_classes, C)
        return log_loss(probabilities[left_out], targets[left_out])

    full = loss(design)
    gained = {}
    for name, columns in groups.items():
        without = design.copy()
        without[:, columns] = 0.0
        gained[name] = loss(without) - full
    return gained


def log_odds(probabilities: NDArray) -> NDArray[np.float64]:
    """Return centered log-probabilities without what follows from the others: n_classes - 1."""
    smallest = np.finfo(np.float32).eps
    logs = log_softmax(np.log(np.maximum(np.asarray(probabilities, float), smallest)), axis=1)
    return logs[:, 1:] - logs[:, :1]
