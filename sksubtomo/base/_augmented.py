"""Reading the parameters that are about random copies of volumes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_array

from sksubtomo._utils._params import NumberInterval, merge_mapping
from sksubtomo.augmentation import WedgeAwareAugmentation
from sksubtomo.fourier import check_tilt_range

_CORRUPTION_DEFAULTS: dict[str, Any] = {"noise_std": 0.0, "contrast": 0.0, "low_pass": None}
AUGMENTATION_DEFAULTS: dict[str, Any] = {
    "tilt_range_deg": 60.0,
    "rotate": True,
    "max_shift_voxels": 1.0,
    "oversampling": 2,
    "outside": "wrap",
    **_CORRUPTION_DEFAULTS,
}
_CONSTRAINTS: dict[str, list] = {
    "tilt_range_deg": [Real, "array-like", None],
    "rotate": ["boolean"],
    "max_shift_voxels": [NumberInterval(Real, 0, None, closed="left")],
    "oversampling": [NumberInterval(Integral, 1, 4, closed="both")],
    "outside": [StrOptions({"wrap", "zeros"})],
    "noise_std": [NumberInterval(Real, 0, None, closed="left")],
    "contrast": [NumberInterval(Real, 0, 1, closed="left")],
    "low_pass": ["array-like", None],
}


def make_augmentation(owner: str, given: dict[str, Any] | str) -> WedgeAwareAugmentation | None:
    """Return what makes random copies, or None.

    Parameters
    ----------
    owner : str
        The estimator, for messages.
    given : {"none", "rotations"} or dict
        "rotations" stands for an empty dictionary, which leaves all at its default.

    Raises
    ------
    ValueError
        If a key is unknown or a value is out of its constraints.
    """
    if given == "none":
        return None
    params = {} if given == "rotations" else given
    merged = merge_mapping(owner, "augmentation", params, AUGMENTATION_DEFAULTS, _CONSTRAINTS)
    if merged["tilt_range_deg"] is not None:
        merged["tilt_range_deg"] = check_tilt_range(merged["tilt_range_deg"])
    return WedgeAwareAugmentation(**merged)


def make_corruption(
    owner: str, given: dict[str, Any], name: str, augmentation: WedgeAwareAugmentation | None
) -> WedgeAwareAugmentation:
    """Return what is done to copies on top: noise, contrast and blur, but no other pose.

    Takes the wedge from the augmentation; without one it cuts none. Parameters and errors as
    those of :func:`make_augmentation`.
    """
    constraints = {key: _CONSTRAINTS[key] for key in _CORRUPTION_DEFAULTS}
    merged = merge_mapping(owner, name, given, _CORRUPTION_DEFAULTS, constraints)
    tilts = None if augmentation is None else augmentation.tilt_range_deg
    return WedgeAwareAugmentation(tilts, rotate=False, **merged)


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
