"""Cutting boxes out of tomograms."""

from __future__ import annotations

from typing import Any, Literal, Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

# Around a box that is interpolated: cubic splines forget what is farther than this.
_SPLINE_MARGIN = 8
_BORDERS = ("error", "drop", "pad", "noise")
_SUBVOXEL = ("round", "interpolate")


class Voxels(Protocol):
    """An array of voxels, or what reads blocks of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Edges z, y, x."""

    @property
    def ndim(self) -> int:
        """Three."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a block; the key is three slices."""


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
    border : {"error", "drop", "pad", "noise"}, default="error"
        What to do about boxes that reach beyond the tomogram: refuse; leave them out;
        fill them up with the mean of what lies inside; or with white noise of its mean and
        variance, the same for the same box every time.
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
    if subvoxel not in _SUBVOXEL:
        raise ValueError(f"subvoxel={subvoxel!r} must be one of {_SUBVOXEL}.")
    centres = check_centres(tomogram, coordinates, box_size, border)
    index = np.flatnonzero(boxes_inside(tomogram, centres, box_size, border))
    boxes = cut_boxes(tomogram, centres[index], box_size, border=border, subvoxel=subvoxel)
    return (boxes, index) if return_index else boxes


def boxes_inside(
    tomogram: Voxels, centres: NDArray[np.float64], box_size: int, border: str
) -> NDArray[np.bool_]:
    """Tell for which centres there is to be a box.

    Raises
    ------
    ValueError
        If a box reaches beyond the tomogram and `border` is "error".
    """
    starts = _starts(centres, box_size)
    fits = np.all((starts >= 0) & (starts + box_size <= tomogram.shape), axis=1)
    if border == "error" and not fits.all():
        raise ValueError(
            f"{(~fits).sum()} of {len(fits)} boxes of {box_size} voxels reach beyond the tomogram "
            f"of {tomogram.shape} voxels (z, y, x): {_some(centres, ~fits)}. Use border='drop', "
            "'pad' or 'noise', or a smaller box."
        )
    return fits if border == "drop" else np.ones(len(fits), dtype=bool)


def cut_boxes(
    tomogram: Voxels,
    centres: NDArray[np.float64],
    box_size: int,
    *,
    border: str,
    subvoxel: str = "round",
) -> NDArray[np.float32]:
    """Cut boxes around centres that were checked; the parameters are as above."""
    starts = _starts(centres, box_size)
    boxes = np.empty((len(centres), *(box_size,) * 3), dtype=np.float32)
    for box, start, centre in zip(boxes, starts, centres, strict=True):
        if subvoxel == "round":
            box[:] = _cut(tomogram, start, box_size, border)
        else:
            offset = centre - start - box_size // 2
            box[:] = _cut_shifted(tomogram, start, box_size, offset, border)
    return boxes


def _starts(centres: NDArray[np.float64], box_size: int) -> NDArray[np.intp]:
    return np.floor(centres + 0.5).astype(np.intp) - box_size // 2


def check_centres(
    tomogram: Voxels, coordinates: ArrayLike, box_size: int, border: str
) -> NDArray[np.float64]:
    """Return coordinates as an array, after checking all there is to check.

    Raises
    ------
    ValueError
        As :func:`extract_subtomograms`.
    """
    if tomogram.ndim != 3:
        raise ValueError(f"A tomogram has three axes z, y, x; this one has shape {tomogram.shape}.")
    if int(box_size) != box_size or box_size < 1:
        raise ValueError(f"box_size={box_size!r} must be a positive whole number of voxels.")
    if border not in _BORDERS:
        raise ValueError(f"border={border!r} must be one of {_BORDERS}.")
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


def _cut(tomogram: Voxels, start: NDArray[np.intp], size: int, border: str) -> NDArray[np.float32]:
    """Cut a box, and fill up what lies beyond the tomogram."""
    low = np.maximum(start, 0)
    high = np.minimum(start + size, tomogram.shape)
    inside = np.asarray(
        tomogram[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float32
    )
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
    """Cut a box whose centre lies `offset` voxels beyond that of a voxel."""
    wide = _cut(tomogram, start - _SPLINE_MARGIN, size + 2 * _SPLINE_MARGIN, border)
    box = wide.astype(np.float64)
    for distance in offset:
        # Contracts the first axis and appends the result, so that three turns restore the order.
        box = np.tensordot(box, _shift_matrix(size, distance), axes=(0, 1))
    return box.astype(np.float32)


def _shift_matrix(size: int, distance: float) -> NDArray[np.float64]:
    """Return what shifts the middle of an axis by cubic splines, one row a voxel of the box.

    A shift of a whole box is one along each axis in turn, which takes a twentieth of the time.
    """
    width = size + 2 * _SPLINE_MARGIN
    shifted = ndimage.shift(np.eye(width), (-distance, 0.0), order=3, mode="nearest")
    return shifted[_SPLINE_MARGIN : _SPLINE_MARGIN + size]
