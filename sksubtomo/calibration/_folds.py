"""Labeled volumes as seen by a classifier that did not learn from their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from sksubtomo._utils._labels import encode_labels, is_unlabeled
from sksubtomo._utils._meta_classifier import fit_classifier
from sksubtomo._utils._rows import take_rows
from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo.model_selection import SemiSupervisedSplit

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
#: Answer of a fitted classifier, which saw the first volumes and labels, to the second volumes.
Respond = Callable[[Any, Any, NDArray, Any], NDArray]

_MOST_FOLDS = 5


def rows_to_calibrate_on(y: NDArray) -> NDArray[np.intp]:
    """Return the numbers of the labeled rows.

    Raises
    ------
    ValueError
        If there is none.
    """
    rows = np.flatnonzero(~is_unlabeled(y))
    if not len(rows):
        raise ValueError("There is nothing to calibrate on: every label in y is hidden.")
    return rows


def splitter_of(cv: Any) -> Any:
    """Return what splits the labeled volumes, or, before their number is known, stands for it."""
    if isinstance(cv, SemiSupervisedSplit):
        return cv
    return SemiSupervisedSplit(_MOST_FOLDS if cv is None else cv)


def make_folds(estimator: Any, cv: Any, X: Any, y: NDArray, groups: Any) -> Folds:
    """Split the labeled volumes; the unlabeled ones are in every training fold.

    Parameters
    ----------
    estimator : classifier
        To be fitted to every training fold.
    cv : int, cross-validation splitter or None
        None makes five folds, fewer where a class has fewer labels or the labels come from fewer
        groups.
    X : array-like of shape (n_samples, ...)
        Volumes; only their number is used.
    y : ndarray of shape (n_samples,)
        Labels, some of which are not hidden.
    groups : array-like of shape (n_samples,) or None
        For example the tomogram of every volume.

    Returns
    -------
    folds : list of (train, test)
        Row numbers.

    Raises
    ------
    ValueError
        If a class has fewer labels than there are folds, of which there are at least two; or if a
        training fold lacks a class that the classifier learns from labels only.
    """
    split = splitter_of(_number_of_folds(y, groups) if cv is None else cv)
    folds = list(split.split(X, y, groups))
    _check_training_folds(estimator, y, folds)
    return folds


def _number_of_folds(y: NDArray, groups: Any) -> int:
    targets, classes = encode_labels(y)
    labeled = targets >= 0
    counts = np.bincount(targets[labeled])
    if counts.min() < 2:
        raise ValueError(
            f"Class {classes.tolist()[int(counts.argmin())]!r} has one sample with a label, but "
            "folds need two of every class. Label more of them, or pass a FrozenEstimator and "
            "labeled volumes that it was not fitted on."
        )
    n_groups = _MOST_FOLDS if groups is None else len(np.unique(np.asarray(groups)[labeled]))
    if n_groups < 2:
        raise ValueError("Folds need labeled samples of two groups, but all are of one.")
    return int(min(_MOST_FOLDS, counts.min(), n_groups))


def _may_know_more_classes(estimator: Any) -> bool:
    """Tell whether a classifier may have classes without a label among what it is fitted to."""
    if isinstance(_innermost(estimator), FrozenEstimator):
        return True
    return any(
        value is not None and name.rpartition("__")[2] == "classes"
        for name, value in estimator.get_params(deep=True).items()
    )


def _innermost(estimator: Any) -> Any:
    """Return what is fitted in the end, inside of pipelines and meta-estimators."""
    while not isinstance(estimator, FrozenEstimator):
        if isinstance(estimator, Pipeline):
            inner = estimator.steps[-1][1]
        else:
            inner = getattr(estimator, "estimator", None)
        if not hasattr(inner, "fit"):
            break
        estimator = inner
    return estimator


def _check_training_folds(estimator: Any, y: NDArray, folds: Folds) -> None:
    targets, classes = encode_labels(y)
    for number, (train, _) in enumerate(folds, start=1):
        lacking = np.setdiff1d(np.arange(len(classes)), targets[train])
        if len(lacking) and not _may_know_more_classes(estimator):
            raise _lacks_classes(f"Training fold {number} of {len(folds)}", classes[lacking])


def _lacks_classes(fold: str, lacking: NDArray) -> ValueError:
    return ValueError(
        f"{fold} has no labeled volume of the classes {lacking.tolist()}. Name all classes "
        "to the classifier, if it has a parameter classes, or use other folds."
    )


def respond_out_of_fold(
    fitted: Any,
    X: Any,
    y: NDArray,
    folds: Folds,
    respond: Respond,
    n_jobs: int | None,
    params: Mapping[str, Any],
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
    params : mapping
        Metadata for ``fit`` of the clones, which get that of their volumes.

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
        delayed(_respond_to_fold)(fitted, X, y, train, test, respond, params)
        for train, test in folds
    )
    return np.concatenate(answers)


def _respond_to_fold(
    fitted: Any,
    X: Any,
    y: NDArray,
    train: NDArray,
    test: NDArray,
    respond: Respond,
    params: Mapping[str, Any],
) -> NDArray:
    X_train = safe_indexing(X, train)
    in_fold = fit_classifier(fitted, X_train, y[train], take_rows(params, train, len(y)))
    if not np.array_equal(in_fold.classes_, fitted.classes_):
        raise _lacks_classes("A training fold", np.setdiff1d(fitted.classes_, in_fold.classes_))
    return respond(in_fold, X_train, y[train], safe_indexing(X, test))
