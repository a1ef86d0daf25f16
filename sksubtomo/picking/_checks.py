"""What pickers ask of a tomogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_tomogram(tomogram: Any) -> NDArray[np.float32]:
    """Return a tomogram as single-precision numbers.

    Raises
    ------
    ValueError
        If it is not one volume of finite numbers.
    """
    volume = np.asarray(tomogram)
    if volume.ndim != 3 or volume.dtype.kind not in "fiub":
        raise ValueError(
            f"A tomogram is one volume of numbers; this has shape {volume.shape} and type "
            f"{volume.dtype}."
        )
    volume = volume.astype(np.float32, copy=False)
    if not np.isfinite(volume).all():
        raise ValueError("The tomogram holds NaN or infinity.")
    return volume
