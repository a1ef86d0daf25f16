"""What displays ask of estimators: their last step, and what it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sksubtomo._utils._labels import encode_labels


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def input_of_last_step(estimator: Any, X: Any) -> Any:
    """Return what the last step of a pipeline is given for `X`; lazy stacks stay lazy."""
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return estimator[:-1].transform(X)
    return X


def with_attribute(estimator: Any, name: str) -> Any:
    """Return the estimator that has an attribute: the last step, or what is fitted inside of it.

    Raises
    ------
    ValueError
        If none has it.
    """
    check_is_fitted(estimator)
    inner = last_step(estimator)
    while inner is not None and not hasattr(inner, name):
        inner = getattr(inner, "estimator_", None)
        inner = None if inner is None else last_step(inner)
    if inner is None:
        raise ValueError(f"{type(last_step(estimator)).__name__} has no {name}.")
    return inner


def check_proba(y_proba: Any, classes: Any) -> tuple[NDArray[np.float64], NDArray]:
    """Return probabilities (n_samples, n_classes) and classes that belong together.

    Raises
    ------
    ValueError
        If they do not, or a probability is not from 0 to 1.
    """
    proba, classes = np.asarray(y_proba, dtype=np.float64), np.asarray(classes)
    if proba.ndim != 2 or proba.shape[1] != len(classes) or not len(proba):
        raise ValueError(
            f"y_proba has shape {proba.shape}; a row for every sample is needed, and a column for "
            f"each of the classes {classes.tolist()}."
        )
    if not ((proba >= 0) & (proba <= 1)).all():
        raise ValueError("y_proba holds numbers that are no probabilities, from 0 to 1.")
    return proba, classes


def check_targets(y: Any, classes: NDArray, n_samples: int) -> NDArray[np.int64]:
    """Return class indices of labels, -1 where there is none; all of them, without labels."""
    if y is None:
        return np.full(n_samples, -1, dtype=np.int64)
    check_consistent_length(y, np.empty(n_samples))
    targets, known = encode_labels(y, classes)
    # Of sorted classes; those of the estimator may be in another order.
    places = np.array([np.flatnonzero(classes == one)[0] for one in known], dtype=np.int64)
    return np.where(targets < 0, -1, places[targets])
