"""What displays ask of estimators and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._steps import last_step, owner_of


def with_attribute(estimator: Any, name: str) -> Any:
    """Return the estimator that has an attribute: the last step, or what is fitted inside of it.

    Raises
    ------
    ValueError
        If none has it.
    """
    check_is_fitted(estimator)
    inner = owner_of(estimator, name)
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
