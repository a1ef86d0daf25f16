"""Labelled volumes as seen by a classifier that did not learn from their labels."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.parallel import Parallel, delayed

from sksubtomo._utils._labels import encode_labels, is_unlabeled
from sksubtomo.model_selection import SemiSupervisedSplit

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
#: Answer of a fitted classifier, which saw the first volumes and labels, to the second volumes.
Respond = Callable[[Any, Any, NDArray, Any], NDArray]

#: What the parameter ``cv`` of an estimator may be.
CV_CONSTRAINTS: list = [
    Interval(Integral, 2, None, closed="left"),
    HasMethods(["split", "get_n_splits"]),
    None,
]
_MOST_FOLDS = 5


def make_folds(cv: Any, X: Any, y: NDArray, groups: Any) -> Folds:
    """Split the labelled volumes; the unlabelled ones are in every training fold.

    Parameters
    ----------
    cv : int, cross-validation splitter or None
        None makes five folds, fewer where a class has fewer labels or the labels come from fewer
        groups.
    X : array-like of shape (n_samples, ...)
        Volumes; only their number is used.
    y : ndarray of shape (n_samples,)
        Labels, hidden ones included.
    groups : array-like of shape (n_samples,) or None
        For example the tomogram of every volume.

    Returns
    -------
    folds : list of (train, test)
        Row numbers.

    Raises
    ------
    ValueError
        If a class has fewer labels than there are folds, of which there are at least two.
    """
    if cv is None:
        cv = _number_of_folds(y, groups)
    split = cv if isinstance(cv, SemiSupervisedSplit) else SemiSupervisedSplit(cv)
    return list(split.split(X, y, groups))


def _number_of_folds(y: NDArray, groups: Any) -> int:
    codes, classes = encode_labels(y)
    labeled = codes >= 0
    if not labeled.any():
        raise ValueError("There is nothing to calibrate on: every label in y is hidden.")
    counts = np.bincount(codes[labeled])
    if counts.min() < 2:
        raise ValueError(
            f"Class {classes.tolist()[int(counts.argmin())]!r} has one sample with a label, but "
            "folds need two of every class. Label more of them, or pass a FrozenEstimator and "
            "labelled volumes that it was not fitted on."
        )
    n_groups = _MOST_FOLDS if groups is None else len(np.unique(np.asarray(groups)[labeled]))
    if n_groups < 2:
        raise ValueError("Folds need labelled samples of two groups, but all are of one.")
    return int(min(_MOST_FOLDS, counts.min(), n_groups))


def fit_clone(estimator: Any, X: Any, y: NDArray) -> Any:
    """Return a fitted clone.

    Raises
    ------
    ValueError
        If the classifier took the label that means "unlabelled" for a class.
    """
    fitted = clone(estimator).fit(X, y)
    if is_unlabeled(fitted.classes_).any():
        sentinel = fitted.classes_[is_unlabeled(fitted.classes_)].tolist()[0]
        raise ValueError(
            f"{type(estimator).__name__} took {sentinel!r}, which means 'unlabelled', for a "
            "class. Pass a semi-supervised classifier, or labelled volumes only."
        )
    return fitted


def respond_out_of_fold(
    fitted: Any, X: Any, y: NDArray, folds: Folds, respond: Respond, n_jobs: int | None
) -> NDArray:
    """Return the answers of clones to the volumes that they were not fitted on.

    Parameters
    ----------
    fitted : classifier
        Fitted to everything; a clone is fitted once a fold.
    X : array-like of shape (n_samples, ...)
        Volumes.
    y : ndarray of shape (n_samples,)
        Labels, hidden ones included.
    folds : list of (train, test)
        Row numbers.
    respond : callable
        ``respond(fitted, X_train, y_train, X_test)`` gives one row for every volume to test.
    n_jobs : int or None
        Folds at the same time.

    Returns
    -------
    answers : ndarray of shape (n_tested, ...)
        In the order of the folds.

    Raises
    ------
    ValueError
        If a training fold lacks a class.
    """
    answers = Parallel(n_jobs=n_jobs)(
        delayed(_respond_to_fold)(fitted, X, y, train, test, respond) for train, test in folds
    )
    return np.concatenate(answers)


def _respond_to_fold(
    fitted: Any, X: Any, y: NDArray, train: NDArray, test: NDArray, respond: Respond
) -> NDArray:
    X_train = _safe_indexing(X, train)
    in_fold = fit_clone(fitted, X_train, y[train])
    if not np.array_equal(in_fold.classes_, fitted.classes_):
        lacking = np.setdiff1d(fitted.classes_, in_fold.classes_).tolist()
        raise ValueError(
            f"A training fold has no labelled volume of the classes {lacking}. Name all classes "
            "to the classifier, if it has a parameter classes, or use other folds."
        )
    return respond(in_fold, X_train, y[train], _safe_indexing(X, test))
