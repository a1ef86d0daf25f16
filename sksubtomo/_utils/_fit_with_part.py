"""Fits inside of others that have a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._routing import routing_is_enabled


def fit_with_part(
    estimator: Any,
    X: Any,
    y: Any,
    params: Mapping[str, Any],
    checkpoint: CheckpointPart | None,
    name: str,
) -> Any:
    """Fit an estimator, with a part of the checkpoint if it, or the last step of it, takes one.

    One that takes none begins anew when the fit around it is run again.

    Parameters
    ----------
    estimator : estimator
        Fitted in place.
    X, y, params
        For its ``fit``.
    checkpoint : CheckpointPart or None
        That of the fit around it, which has been compared.
    name : str
        Of the part.

    Returns
    -------
    estimator : estimator
        The same.
    """
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    takes_one = checkpoint is not None and has_fit_parameter(last, "checkpoint")
    if not takes_one or (last is not estimator and routing_is_enabled()):
        return estimator.fit(X, y, **params)
    assert checkpoint is not None
    key = "checkpoint" if last is estimator else f"{estimator.steps[-1][0]}__checkpoint"
    return estimator.fit(X, y, **{key: checkpoint.part(name), **params})
