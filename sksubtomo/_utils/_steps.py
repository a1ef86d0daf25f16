"""The steps of pipelines, and the estimators inside of others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_consistent_length

from sksubtomo._utils._labels import encode_labels


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def input_of_last_step(estimator: Any, X: Any) -> Any:
    """Return what the last step of a pipeline is given for `X`; lazy stacks stay lazy."""
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return estimator[:-1].transform(X)
    return X


def owner_of(estimator: Any, name: str) -> Any:
    """Return the estimator that has an attribute, or None.

    Parameters
    ----------
    estimator : estimator
        Of a pipeline, its last step is asked, and then what is fitted inside of it
        (``estimator_``).
    name : str
        The attribute.
    """
    inner = last_step(estimator)
    while inner is not None and not hasattr(inner, name):
        inner = last_step(getattr(inner, "estimator_", None))
    return inner


def targets_among(y: Any, classes: NDArray, n_samples: int) -> NDArray[np.int64]:
    """Return labels as indices into classes in any order, -1 where there is none.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
        Labels; None is all unlabeled.
    classes : ndarray of shape (n_classes,)
        As of a fitted estimator.
    n_samples : int
        How many there have to be.

    Raises
    ------
    ValueError
        If there are others, or a label is not among the classes.
    """
    if y is None:
        return np.full(n_samples, -1, dtype=np.int64)
    check_consistent_length(y, np.empty(n_samples))
    targets, known = encode_labels(y, classes)
    places = np.array([classes.tolist().index(one) for one in known.tolist()])
    return np.where(targets < 0, -1, places[targets])
