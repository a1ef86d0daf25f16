"""What an estimator with a network checks of its data before work starts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length

from sksubtomo._utils._volumes import check_volume_shape, check_volumes
from sksubtomo.training import FitSettings, Plan


def check_number(name: str, volumes: Any, at_least: int, input_name: str) -> None:
    """Refuse fewer volumes than a loss needs.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    if len(volumes) < at_least:
        raise ValueError(
            f"{name} compares volumes with each other: {input_name} needs at least {at_least} of "
            f"them, but has n_samples={len(volumes)}."
        )


def check_cubes(volume_shape: tuple[int, ...]) -> None:
    """Refuse boxes that cannot be rotated.

    Raises
    ------
    ValueError
        If edges differ.
    """
    if len(set(volume_shape)) > 1:
        raise ValueError(
            f"augmentation needs cubes, but X has volumes of shape {volume_shape}. Crop them "
            "(CenterCropper), or pass volume_shape for flat rows."
        )


def check_same_shape(volume_shape: Any, fitted: tuple[int, ...]) -> None:
    """Refuse to go on with flat rows that are to be read as volumes of another shape.

    Raises
    ------
    ValueError
        If the parameter is set and says so.
    """
    if volume_shape is not None and check_volume_shape(volume_shape) != fitted:
        raise ValueError(
            f"volume_shape={volume_shape!r} differs from the shape {fitted} that the fit was begun "
            "with. Begin anew: fit with warm_start=False."
        )


def check_use_of_tilt_ranges(settings: FitSettings, plan: Plan, X_val: Any) -> None:
    """Refuse tilt ranges of single volumes where they would not be used.

    Raises
    ------
    ValueError
        If the plan says so, there is no augmentation, or volumes to validate on have none.
    """
    if plan.no_tilt_ranges is not None:
        raise ValueError(plan.no_tilt_ranges)
    if settings.augmentation is None:
        raise ValueError("tilt_ranges_deg are for augmentation, which is 'none'.")
    if X_val is not None:
        raise ValueError(
            "tilt_ranges_deg are those of X; X_val has none. Let validation_fraction take a part "
            "of X instead."
        )


def check_validation(
    estimator: Any, plan: Plan, X_val: Any, y_val: Any
) -> tuple[Any, NDArray[np.int64]] | None:
    """Return what early stopping is to watch, volumes and class indices; None of no such volumes.

    Raises
    ------
    ValueError
        If nobody would watch it, or it does not go with what the estimator is fitted to.
    """
    if X_val is None and y_val is None:
        return None
    if X_val is None or not estimator.early_stopping:
        raise ValueError(
            "X_val and y_val are for early stopping: pass X_val with y_val, and set "
            "early_stopping=True."
        )
    X_val = check_volumes(estimator, X_val, reset=False, input_name="X_val")
    check_number(type(estimator).__name__, X_val, estimator.fewest_volumes, "X_val")
    if y_val is not None:
        check_consistent_length(X_val, y_val)
    return X_val, estimator.encode_validation(y_val, len(X_val), plan)


def check_tilt_ranges(tilt_ranges_deg: Any, n_volumes: int) -> NDArray[np.float64]:
    """Return the lowest and highest tilts of volumes, shape (n_volumes, 2), in degrees.

    Raises
    ------
    ValueError
        If the shape is another one, or a range is empty or goes beyond 90 degrees.
    """
    ranges = check_array(tilt_ranges_deg, dtype=np.float64, input_name="tilt_ranges_deg")
    if ranges.shape != (n_volumes, 2):
        raise ValueError(
            f"tilt_ranges_deg has shape {ranges.shape}; {n_volumes} volumes need ({n_volumes}, 2): "
            "the lowest and the highest tilt of each, in degrees."
        )
    wrong = np.flatnonzero(~((ranges[:, 0] < ranges[:, 1]) & (np.abs(ranges) <= 90).all(axis=1)))
    if len(wrong):
        raise ValueError(
            f"tilt_ranges_deg[{wrong[0]}] = {ranges[wrong[0]].tolist()} must be two increasing "
            "angles between -90 and 90 degrees."
        )
    return ranges
