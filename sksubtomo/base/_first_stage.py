"""Pre-trained models that an estimator builds on, given fitted, unfitted or frozen."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._volumes import Shape3d
from sksubtomo.base._settings import resolve


def check_first_stage(
    name: str, given: Any, kind: type | tuple[type, ...], volume_shape: Shape3d
) -> None:
    """Check the pre-trained model before work starts.

    Parameters
    ----------
    name : str
        Name of the parameter, for messages.
    given : estimator or FrozenEstimator
        What was passed.
    kind : type or tuple of types
        What it has to be.
    volume_shape : tuple of int
        Box of the volumes to come.

    Raises
    ------
    ValueError
        If it is something else, frozen without a fit, or fitted on another box.
    """
    stage: Any = unfrozen(given)
    if not isinstance(stage, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise ValueError(
            f"{name} is a FrozenEstimator of {type(stage).__name__}; it must be one of "
            f"{' or '.join(one.__name__ for one in kinds)}."
        )
    if isinstance(given, FrozenEstimator):
        check_is_fitted(stage, "net_")
    fitted_shape = getattr(stage, "volume_shape_", volume_shape)
    if hasattr(stage, "net_") and fitted_shape != volume_shape:
        raise ValueError(
            f"X has volumes of shape {volume_shape}, but the {name} was fitted on volumes of "
            f"shape {fitted_shape}."
        )


def fitted_first_stage(stage: Any, X: Any, checkpoint: CheckpointPart | None = None) -> Any:
    """Return the stage itself if it is fitted, else a clone fitted to `X`; None stays None."""
    if stage is None or hasattr(stage, "net_"):
        return stage
    own = None if checkpoint is None else checkpoint.part("pre-training")
    return clone(stage).fit(X, checkpoint=own)


def code_length(stage: Any) -> int:
    """Return the length of the latent codes of a pre-trained model, as it was fitted or will be."""
    if hasattr(stage, "net_"):
        return stage.net_.module_.latent_dim
    length = resolve(stage).latent_dim
    assert length is not None  # of everything that encodes
    return length
