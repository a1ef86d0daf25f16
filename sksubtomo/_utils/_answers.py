"""Predictions that are no numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._messages import plural

# How much larger or smaller than others a volume has to be to be the likely reason.
_FACTOR = 1e3


def check_answers(name: str, answers: ArrayLike, volumes: Any, typical: float) -> None:
    """Refuse predictions that are NaN or infinite, whose largest would be the first class.

    Parameters
    ----------
    name : str
        Of the estimator.
    answers : array-like of shape (n_samples, ...)
        What it computed.
    volumes : array-like or lazy stack of shape (n_samples, d, h, w)
        Of what.
    typical : float
        Scale of the volumes that it was fitted to: the standard deviation of their values.

    Raises
    ------
    ValueError
        Naming the first such volume, its scale, and what to do.
    """
    rows = _bad_rows(answers)
    if not len(rows):
        return
    scale = float(np.asarray(volumes[rows[:1]], dtype=np.float64).std())
    remedy = "Bring volumes to the scale of those of fit, by VolumeNormalizer for example."
    if typical / _FACTOR < scale < typical * _FACTOR:
        remedy = (
            "So it is the model that holds NaN or numbers that are too large. Fit it again, with a "
            "lower learning_rate if it is a network."
        )
    raise ValueError(
        f"{name} has no finite results for {_which(rows, len(volumes))}. The standard deviation of "
        f"its values is {scale:.3g}, and was about {typical:.3g} in fit. {remedy}"
    )


def check_probabilities(name: str, probabilities: ArrayLike) -> None:
    """Refuse class probabilities of another estimator that are no numbers.

    Parameters
    ----------
    name : str
        Of the estimator that gave them.
    probabilities : array-like of shape (n_samples, n_classes)
        What it gave.

    Raises
    ------
    ValueError
        Naming the first volume without.
    """
    rows = _bad_rows(probabilities)
    if len(rows):
        raise ValueError(
            f"{name}.predict_proba gives NaN or infinity for "
            f"{_which(rows, len(np.asarray(probabilities)))}. Look at the scale of its values, and "
            "at that estimator."
        )


def _which(rows: NDArray[np.intp], n_volumes: int) -> str:
    which = f"volume {rows[0]} (counted from 0)"
    return f"{len(rows)} of {plural(n_volumes, 'volume')}, such as {which}"


def _bad_rows(answers: ArrayLike) -> NDArray[np.intp]:
    answers = np.asarray(answers)
    return np.flatnonzero(~np.isfinite(answers).all(axis=tuple(range(1, answers.ndim))))
