"""Images of boxes: rows of a stack, filtered for the eye, as slices or projections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo.fourier import gaussian_low_pass

VIEWS = ("slice", "projection")


def check_boxes(X: Any) -> tuple[int, ...]:
    """Return the shape (n, depth, height, width) of boxes, without reading them.

    Raises
    ------
    ValueError
        If they are no volumes.
    """
    shape = tuple(np.shape(X))
    if len(shape) != 4 or 0 in shape:
        raise ValueError(
            f"X has shape {shape}; boxes (n_samples, depth, height, width) are needed to be shown. "
            "Reshape flat rows."
        )
    return shape


def read_boxes(X: Any, rows: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Read some boxes, of a lazy stack these only.

    Raises
    ------
    ValueError
        If one holds NaN or infinity.
    """
    boxes = np.asarray(safe_indexing(X, rows), dtype=np.float32).reshape(len(rows), *shape[1:])
    bad = ~np.isfinite(boxes).all(axis=(1, 2, 3))
    if bad.any():
        raise ValueError(f"X holds NaN or infinity in row {rows[bad.argmax()]}.")
    return boxes


def check_view(view: str, low_pass: float | None) -> None:
    """Refuse views that there are not, and filters without a frequency."""
    if view not in VIEWS:
        raise ValueError(f"view={view!r} must be one of {list(VIEWS)}.")
    if low_pass is not None and not low_pass > 0:
        raise ValueError(f"low_pass={low_pass!r} must be positive, in cycles per voxel, or None.")


def box_images(
    boxes: NDArray[np.float32], view: str, low_pass: float | None
) -> NDArray[np.float32]:
    """Return an image (y, x) of every box: its central slice, or its mean along the beam."""
    if low_pass is not None and len(boxes):
        boxes = gaussian_low_pass(boxes, low_pass)
    return boxes[:, boxes.shape[1] // 2] if view == "slice" else boxes.mean(axis=1)


def contrast_limits(images: Any, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return the values that are black and white.

    Raises
    ------
    ValueError
        If the percentiles are not two rising numbers from 0 to 100.
    """
    try:
        low, high = (float(one) for one in percentiles)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0 <= low < high <= 100:
        raise ValueError(
            f"contrast_percentile={percentiles!r} must be two rising numbers from 0 to 100."
        )
    black, white = np.percentile(images, (low, high))
    return float(black), float(white)


def bar_length(width_voxels: int, voxel_size_angstrom: float) -> float:
    """Return a round length of a scale bar, in angstrom, of about a third of an image."""
    third = width_voxels * voxel_size_angstrom / 3
    power = 10.0 ** np.floor(np.log10(third))
    # None is left where the power itself was rounded up.
    steps = [step for step in (1, 2, 5) if step * power <= third]
    return float(power * max(steps, default=1))
