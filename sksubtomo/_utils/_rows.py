"""Rows of what belongs to samples, and estimators fitted to some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone

from sksubtomo._utils._arrays import as_array
from sksubtomo._utils._labels import is_unlabeled
from sksubtomo._utils._sklearn import safe_indexing

# Metadata of other volumes than those of X, whose number may happen to be the same.
_WHOLE = ("X_val", "y_val")


def as_rows(X: Any) -> Any:
    """Return volumes as something that rows can be taken of; data frames stay what they are."""
    return X if hasattr(X, "columns") else as_array(X)


def is_per_row(name: str, value: Any, n_samples: int) -> bool:
    """Tell whether a parameter of a method has an entry for each sample.

    Parameters
    ----------
    name : str
        Of the parameter; that of validation volumes never has.
    value : object
        Its value.
    n_samples : int
        How many samples there are.
    """
    if name in _WHOLE or isinstance(value, str | bytes | Mapping):
        return False
    shape = getattr(value, "shape", None)
    if shape is not None:
        return len(shape) > 0 and shape[0] == n_samples
    return hasattr(value, "__len__") and len(value) == n_samples


def rows_by_name(names: NDArray) -> list[tuple[str, NDArray[np.intp]]]:
    """Return each name, sorted, with its rows."""
    if not len(names):
        return []
    distinct, own = np.unique(names, return_inverse=True)
    order = np.argsort(own, kind="stable")
    ends = np.searchsorted(own[order], np.arange(1, len(distinct)))
    return list(zip(distinct.tolist(), np.split(order, ends), strict=True))


def take_rows(params: Mapping[str, Any], rows: NDArray, n_samples: int) -> dict[str, Any]:
    """Return parameters of a method for some of the samples.

    Parameters
    ----------
    params : mapping
        Values with one entry a sample, such as ``sample_weight``, and others.
    rows : ndarray of int
        Numbers of the samples.
    n_samples : int
        How many samples there are.

    Returns
    -------
    taken : dict
        The entries of these samples, and the other values as they are.
    """
    return {
        name: safe_indexing(value.tocsr() if issparse(value) else value, rows)
        if is_per_row(name, value, n_samples)
        else value
        for name, value in params.items()
    }


def fit_clone(estimator: Any, X: Any, y: NDArray, **params: Any) -> Any:
    """Return a fitted clone.

    Parameters
    ----------
    estimator : estimator
        Is not changed.
    X : array-like of shape (n_samples, ...)
        Volumes.
    y : ndarray of shape (n_samples,)
        Labels, hidden ones included.
    **params : dict
        For ``fit``.

    Raises
    ------
    ValueError
        If a classifier took the label that means "unlabeled" for a class.
    """
    fitted = clone(estimator).fit(X, y, **params)
    refuse_unlabeled_class(fitted)
    return fitted


def refuse_unlabeled_class(fitted: Any) -> None:
    """Refuse a classifier that has learned the label that means "unlabeled" as a class.

    Parameters
    ----------
    fitted : estimator
        Without ``classes_``, there is nothing to refuse.

    Raises
    ------
    ValueError
        If it has.
    """
    # MultiOutputClassifier has a list of classes for every output.
    classes = getattr(fitted, "classes_", ())
    hidden = np.zeros(0, dtype=bool) if isinstance(classes, list) else is_unlabeled(classes)
    if hidden.any():
        name = type(fitted).__name__
        # Without probabilities, self-training can only fit to the labeled rows.
        options = "" if hasattr(fitted, "predict_proba") else ", max_iter=0"
        raise ValueError(
            f"{name} took {np.asarray(classes)[hidden].tolist()[0]!r}, which means 'unlabeled', "
            "for a class. Pass a semi-supervised classifier, such as "
            f"SelfTrainingClassifier({name}(...){options}), or leave the unlabeled rows out, in "
            "cross-validation by cv=SemiSupervisedSplit(5, unlabeled='drop')."
        )
