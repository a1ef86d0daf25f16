"""Estimators inside of others."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.utils.metaestimators import available_if


def inner_has(method: str) -> Any:
    """Return a decorator for a method that needs `method` of the estimator inside.

    Parameters
    ----------
    method : str
        Asked of ``estimator_``, or of ``estimator`` before fitting.
    """

    def check(estimator: Any) -> bool:
        getattr(getattr(estimator, "estimator_", estimator.estimator), method)
        return True

    return available_if(check)


def unfrozen(given: Any) -> Any:
    """Return the estimator that was given, without its FrozenEstimator."""
    return given.estimator if isinstance(given, FrozenEstimator) else given
