"""Rows of what belongs to samples, and estimators fitted to some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from sksubtomo._utils._labels import is_unlabeled


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
        name: _safe_indexing(value, rows) if _has_entries(value, n_samples) else value
        for name, value in params.items()
    }


def _has_entries(value: Any, n_samples: int) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
        return False
    return len(value) == n_samples if getattr(value, "ndim", 1) else False


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
    hidden = is_unlabeled(getattr(fitted, "classes_", ()))
    if hidden.any():
        raise ValueError(
            f"{type(estimator).__name__} took {fitted.classes_[hidden].tolist()[0]!r}, which means "
            "'unlabeled', for a class. Pass a semi-supervised classifier, or leave the unlabeled "
            "rows out, for example by cv=SemiSupervisedSplit(5, unlabeled='drop')."
        )
    return fitted
