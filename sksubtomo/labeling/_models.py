"""Models of a labeling session, and what they say of candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.labeling._journal import UNLABELED
from sksubtomo.labeling._queries import CandidateScores, divergence

#: Called with how many steps are done, of how many, and what is done next.
Report = Callable[[int, int, str], None]
_LEAST_PER_CLASS = 2
_ROWS_PER_PREDICTION = 512
# Tried on simulated tomograms that are not reported, beside 0.003, 0.01 and 0.03.
_INVERSE_PENALTY = 0.1


def quick_classifier() -> Any:
    """Return the classifier on features that a session has by default.

    Returns
    -------
    classifier : Pipeline
        Logistic regression on standardized features. It is fitted in milliseconds, so that the
        next candidates follow the last labels.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(),
        LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", max_iter=2000),
    )


def check_labels_suffice(labels: NDArray[np.int64]) -> None:
    """Check that there is something to fit to.

    Raises
    ------
    ValueError
        If there are labels of fewer than two classes.
    """
    known = np.unique(labels[labels > 0]).tolist()
    if len(known) < 2:
        raise ValueError(
            f"Labels of at least two classes are needed; there are those of {known or 'none'}. "
            "Label what is no particle as a class of its own."
        )


def score_candidates(
    inputs: Any,
    labels: NDArray[np.int64],
    rows: NDArray[np.intp],
    classifier: Any,
    *,
    n_classes: int,
    second_classifier: Any = None,
    with_unlabeled: bool = True,
    report: Report = lambda _done, _total, _what: None,
    random_state: int = 0,
) -> CandidateScores:
    """Fit models to the labels, and say what they make of candidates.

    One model is fitted to all labels, and where every class has two, one more to each half of the
    labels. Those two give the probability of each label by the model that did not learn from it,
    and, unless there is a second classifier, the disagreement.

    Parameters
    ----------
    inputs : array-like of shape (n_candidates, ...)
        Features or volumes.
    labels : ndarray of shape (n_candidates,) of int
        Class numbers from 1, anything less where unknown.
    rows : ndarray of int
        Candidates to learn from without labels and to predict; all others stay NaN. Labeled ones
        must be among them.
    classifier, second_classifier : estimator
        With ``fit`` and ``predict_proba``; clones are fitted.
    n_classes : int
        Columns of probabilities.
    with_unlabeled : bool, default=True
        Whether the classifiers are given the unlabeled rows, as -1.
    report : callable, optional
        Called with steps done, steps in all, and what is done next.
    random_state : int, default=0
        Seed of the halves.

    Returns
    -------
    scores : CandidateScores

    Raises
    ------
    ValueError
        If there are labels of fewer than two classes.
    """
    check_labels_suffice(labels)
    y = np.where(labels[rows] > 0, labels[rows], UNLABELED)
    X = inputs[rows]
    counts = np.unique(y[y > 0], return_counts=True)[1]
    halves = _halves(y, random_state) if counts.min() >= _LEAST_PER_CLASS else []
    fits = [(classifier, y, "the model")]
    fits += [(classifier, half, "a model of half of the labels") for half in halves]
    if second_classifier is not None:
        fits.append((second_classifier, y, "the second model"))
    predicted = []
    for number, (one, targets, what) in enumerate(fits):
        report(2 * number, 2 * len(fits), f"Fitting {what}")
        fitted = _fit(one, X, targets, with_unlabeled=with_unlabeled)
        report(2 * number + 1, 2 * len(fits), f"Predicting by {what}")
        predicted.append(_probabilities(fitted, X, n_classes))
    report(2 * len(fits), 2 * len(fits), "Done")
    disagreement = doubt = None
    if second_classifier is not None:
        disagreement = divergence(predicted[0], predicted[-1])
    elif halves:
        disagreement = divergence(predicted[1], predicted[2])
    if halves:
        doubt = np.full(len(y), np.nan)
        for half, probabilities in zip(halves, predicted[1:3], strict=True):
            left_out = np.flatnonzero((y > 0) & (half == UNLABELED))
            doubt[left_out] = 1 - probabilities[left_out, y[left_out] - 1]
    spread = [_spread(one, rows, len(labels)) for one in (predicted[0], disagreement, doubt)]
    return CandidateScores(*spread)


def _halves(y: NDArray[np.int64], random_state: int) -> list[NDArray[np.int64]]:
    """Return the labels without one half and without the other, of each class as many."""
    from sklearn.model_selection import StratifiedKFold

    known = np.flatnonzero(y > 0)
    folds = StratifiedKFold(2, shuffle=True, random_state=random_state)
    halves = []
    for _, left_out in folds.split(known, y[known]):
        half = y.copy()
        half[known[left_out]] = UNLABELED
        halves.append(half)
    return halves


def _fit(classifier: Any, X: Any, y: NDArray[np.int64], *, with_unlabeled: bool) -> Any:
    from sklearn.base import clone

    if with_unlabeled:
        return clone(classifier).fit(X, y)
    known = np.flatnonzero(y != UNLABELED)
    return clone(classifier).fit(X[known], y[known])


def _probabilities(classifier: Any, X: Any, n_classes: int) -> NDArray[np.float64]:
    """Return probabilities with a column for every class, those without labels 0."""
    columns = np.asarray(classifier.classes_) - 1
    probabilities = np.zeros((len(X), n_classes))
    for start in range(0, len(X), _ROWS_PER_PREDICTION):
        stop = min(start + _ROWS_PER_PREDICTION, len(X))
        probabilities[start:stop, columns] = classifier.predict_proba(X[start:stop])
    return probabilities


def _spread(values: Any, rows: NDArray[np.intp], n: int) -> Any:
    """Return values of some candidates in an array of all, NaN elsewhere."""
    if values is None:
        return None
    every = np.full((n, *values.shape[1:]), np.nan)
    every[rows] = values
    return every
