"""Boxes of voxels around centers that were checked."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Around a box that is interpolated: cubic splines forget what is farther than this.
_SPLINE_MARGIN = 8


class Voxels(Protocol):
    """An array of voxels, or what reads blocks of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Edges z, y, x."""

    @property
    def ndim(self) -> int:
        """Three."""

    @property
    def dtype(self) -> np.dtype:
        """Of a voxel."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a block; the key is three slices."""


def cut_boxes(
    tomogram: Voxels,
    centers: NDArray[np.float64],
    box_size: int,
    *,
    border: str,
    subvoxel: str = "round",
) -> NDArray[np.float32]:
    """Cut boxes around centers that were checked.

    Parameters are those of :func:`sksubtomo.io.extract_subtomograms`.
    """
    starts = box_starts(centers, box_size)
    boxes = np.empty((len(centers), *(box_size,) * 3), dtype=np.float32)
    for box, start, center in zip(boxes, starts, centers, strict=True):
        if subvoxel == "round":
            box[:] = _cut(tomogram, start, box_size, border)
        else:
            offset = center - start - box_size // 2
            box[:] = _cut_shifted(tomogram, start, box_size, offset, border)
    return boxes


def box_starts(centers: NDArray[np.float64], box_size: int) -> NDArray[np.intp]:
    """Return the first voxel z, y, x of the box around each center; it may be before the first."""
    return np.floor(centers + 0.5).astype(np.intp) - box_size // 2


def _cut(tomogram: Voxels, start: NDArray[np.intp], size: int, border: str) -> NDArray[np.float32]:
    """Cut a box, and fill up what lies beyond the tomogram."""
    low = np.maximum(start, 0)
    high = np.minimum(start + size, tomogram.shape)
    place = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    # What float32 cannot hold becomes infinite, and is found as such.
    with np.errstate(over="ignore", invalid="ignore"):
        inside = np.asarray(tomogram[place], dtype=np.float32)
        if inside.shape == (size,) * 3:
            return inside
        box = np.full((size,) * 3, inside.mean(dtype=np.float64), dtype=np.float32)
        if border == "noise":
            noise = np.random.default_rng([int(edge) + 2**31 for edge in start])
            box += inside.std(dtype=np.float64) * noise.standard_normal(box.shape)
    box[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))] = inside
    return box


def _cut_shifted(
    tomogram: Voxels,
    start: NDArray[np.intp],
    size: int,
    offset: NDArray[np.float64],
    border: str,
) -> NDArray[np.float32]:
    """Cut a box whose center lies `offset` voxels beyond that of a voxel."""
    wide = _cut(tomogram, start - _SPLINE_MARGIN, size + 2 * _SPLINE_MARGIN, border)
    box = wide.astype(np.float64)
    # NaN and infinity, as far as splines reach, make boxes that are found as such.
    with np.errstate(over="ignore", invalid="ignore"):
        for distance in offset:
            # Contracts the first axis and appends the result: three turns restore the order.
            box = np.tensordot(box, _shift_matrix(size, distance), axes=(0, 1))
        return box.astype(np.float32)


def _shift_matrix(size: int, distance: float) -> NDArray[np.float64]:
    """Return what shifts the middle of an axis by cubic splines, one row a voxel of the box.

    A shift of a whole box is one along each axis in turn, which takes a twentieth of the time.
    """
    width = size + 2 * _SPLINE_MARGIN
    shifted = ndimage.shift(np.eye(width), (-distance, 0.0), order=3, mode="nearest")
    return shifted[_SPLINE_MARGIN : _SPLINE_MARGIN + size]
