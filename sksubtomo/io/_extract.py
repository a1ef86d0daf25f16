"""Cutting boxes out of tomograms."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

# Around a box that is interpolated: cubic splines forget what is farther than this.
_SPLINE_MARGIN = 8


@overload
def extract_subtomograms(
    tomogram: NDArray,
    coordinates: ArrayLike,
    box_size: int,
    *,
    border: str = ...,
    subvoxel: str = ...,
    return_index: Literal[False] = ...,
) -> NDArray[np.float32]: ...


@overload
def extract_subtomograms(
    tomogram: NDArray,
    coordinates: ArrayLike,
    box_size: int,
    *,
    border: str = ...,
    subvoxel: str = ...,
    return_index: Literal[True],
) -> tuple[NDArray[np.float32], NDArray[np.intp]]: ...


def extract_subtomograms(
    tomogram: NDArray,
    coordinates: ArrayLike,
    box_size: int,
    *,
    border: str = "error",
    subvoxel: str = "round",
    return_index: bool = False,
) -> NDArray[np.float32] | tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Cut a cubic box around every particle.

    A particle comes to lie in voxel ``box_size // 2`` of its box on every axis, for
    odd and even boxes alike.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width)
        Axes z, y, x. A memory map is read box by box.
    coordinates : array-like of shape (n_particles, 3)
        Centres z, y, x in voxels, counted from 0: a whole number is the centre of a voxel.
    box_size : int
        Edge of a box in voxels.
    border : {"error", "drop", "pad"}, default="error"
        What to do about boxes that reach beyond the tomogram: refuse; leave them out; or
        fill them up with the mean of what lies inside.
    subvoxel : {"round", "interpolate"}, default="round"
        What to do about centres between voxels: take the nearest voxel (halves go up), which
        leaves the voxels as measured; or shift the box by cubic splines, which smooths the noise.
    return_index : bool, default=False
        Whether to return the numbers of the particles, too.

    Returns
    -------
    boxes : ndarray of shape (n_boxes, box_size, box_size, box_size) of float32
        Boxes in the order of the particles.
    index : ndarray of shape (n_boxes,) of int
        Numbers of the particles that have a box; only with ``return_index=True``.

    Raises
    ------
    ValueError
        If a coordinate is not finite or outside the tomogram, a box reaches beyond it with
        ``border="error"``, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.io import extract_subtomograms
    >>> tomogram = np.zeros((20, 30, 40), dtype=np.float32)
    >>> tomogram[10, 15, 25] = 1.0
    >>> box = extract_subtomograms(tomogram, [[10, 15, 25]], 8)[0]
    >>> box.shape, float(box[4, 4, 4])
    ((8, 8, 8), 1.0)
    """
    centres = _check_arguments(tomogram, coordinates, box_size, border, subvoxel)
    nearest = np.floor(centres + 0.5).astype(np.intp)
    starts = nearest - box_size // 2
    fits = np.all((starts >= 0) & (starts + box_size <= tomogram.shape), axis=1)
    if border == "error" and not fits.all():
        raise ValueError(
            f"{(~fits).sum()} of {len(fits)} boxes of {box_size} voxels reach beyond the tomogram "
            f"of {tomogram.shape} voxels (z, y, x): {_some(centres, ~fits)}. Use border='drop' "
            "or 'pad', or a smaller box."
        )
    index = np.flatnonzero(fits) if border == "drop" else np.arange(len(fits))
    boxes = np.empty((len(index), *(box_size,) * 3), dtype=np.float32)
    for box, row in zip(boxes, index, strict=True):
        if subvoxel == "round":
            box[:] = _cut(tomogram, starts[row], box_size)
        else:
            box[:] = _cut_shifted(tomogram, starts[row], box_size, centres[row] - nearest[row])
    return (boxes, index) if return_index else boxes


def _check_arguments(
    tomogram: NDArray, coordinates: ArrayLike, box_size: int, border: str, subvoxel: str
) -> NDArray[np.float64]:
    if tomogram.ndim != 3:
        raise ValueError(f"A tomogram has three axes z, y, x; this one has shape {tomogram.shape}.")
    if int(box_size) != box_size or box_size < 1:
        raise ValueError(f"box_size={box_size!r} must be a positive whole number of voxels.")
    for name, value, choices in (
        ("border", border, ("error", "drop", "pad")),
        ("subvoxel", subvoxel, ("round", "interpolate")),
    ):
        if value not in choices:
            raise ValueError(f"{name}={value!r} must be one of {choices}.")
    centres = np.asarray(coordinates, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[1] != 3:
        raise ValueError(f"coordinates must have shape (n_particles, 3), got {centres.shape}.")
    finite = np.all(np.isfinite(centres), axis=1)
    if not finite.all():
        raise ValueError(f"Coordinates are not finite: {_some(centres, ~finite)}.")
    outside = np.any((centres < -0.5) | (centres >= np.array(tomogram.shape) - 0.5), axis=1)
    if outside.any():
        raise ValueError(
            f"{outside.sum()} of {len(centres)} coordinates (z, y, x) lie outside the tomogram of "
            f"{tomogram.shape} voxels: {_some(centres, outside)}. Check the order of the axes, the "
            "binning, and that these are voxels, not angstrom."
        )
    return centres


def _some(centres: NDArray[np.float64], chosen: NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(chosen)
    shown = "; ".join(f"particle {row} at {centres[row].round(2).tolist()}" for row in rows[:3])
    return shown + ("; ..." if len(rows) > 3 else "")


def _cut(tomogram: NDArray, start: NDArray[np.intp], size: int) -> NDArray[np.float32]:
    """Cut a box; what lies beyond the tomogram gets the mean of what lies inside."""
    low = np.maximum(start, 0)
    high = np.minimum(start + size, tomogram.shape)
    inside = np.asarray(
        tomogram[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float32
    )
    if inside.shape == (size,) * 3:
        return inside
    box = np.full((size,) * 3, inside.mean(dtype=np.float64), dtype=np.float32)
    box[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))] = inside
    return box


def _cut_shifted(
    tomogram: NDArray, start: NDArray[np.intp], size: int, offset: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Cut a box whose centre lies `offset` voxels beyond that of a voxel."""
    margin = _SPLINE_MARGIN
    wide = _cut(tomogram, start - margin, size + 2 * margin)
    shifted = ndimage.shift(wide, -offset, order=3, mode="nearest")
    return shifted[(slice(margin, margin + size),) * 3]
