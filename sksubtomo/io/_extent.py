"""Whether particles are where their tomogram is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.exceptions import FileFormatError

# Largest share of particles outside their tomogram. Picks at an edge are few; more are a sign of
# another unit, binning or order of axes, and most of them belong to another tomogram.
_FEW, _MOST = 0.1, 0.5
_FEWEST_OUTSIDE = 2
# Particles in one corner of the tomogram only, as wide as this on every axis, and at least so many,
# are a sign of larger pixels: chance puts a particle there one time in eight.
_CORNER, _FEWEST_IN_CORNER = 0.5, 20


def volume_outside(
    coordinates: ArrayLike, shape: ArrayLike, box_size: float = 0.0
) -> NDArray[np.float64]:
    """Return which share of each box lies outside the tomogram.

    Parameters
    ----------
    coordinates : array-like of shape (n_particles, 3)
        Centers z, y, x in voxels, counted from 0.
    shape : array-like of shape (3,) or (n_particles, 3)
        Edges z, y, x of the tomogram, or of that of each particle; NaN where it is not known.
    box_size : float, default=0
        Edge of a box in voxels. 0 asks for the center: 1 outside, 0 inside.

    Returns
    -------
    share : ndarray of shape (n_particles,)
        From 0 to 1; NaN where the tomogram or the coordinates are not known.

    Examples
    --------
    >>> from sksubtomo.io._extent import volume_outside
    >>> volume_outside([[8, 8, 8], [8, 8, -0.5], [8, 8, 40]], (32, 32, 32), 8).tolist()
    [0.0, 0.5, 1.0]
    """
    centers = np.asarray(coordinates, dtype=np.float64)
    edges = np.broadcast_to(np.asarray(shape, dtype=np.float64), centers.shape)
    # A voxel reaches half of its edge beyond its center.
    low, high = centers + 0.5 - box_size / 2, centers + 0.5 + box_size / 2
    if box_size <= 0:
        inside = (low >= 0) & (low < edges)
        share = 1.0 - inside.all(axis=1)
    else:
        overlap = np.clip(np.minimum(high, edges) - np.maximum(low, 0), 0, None) / box_size
        share = 1.0 - overlap.prod(axis=1)
    return np.where(np.isfinite(centers + edges).all(axis=1), share, np.nan)


def check_extent(
    path: Path,
    coordinates: NDArray[np.float64],
    shapes: NDArray[np.float64],
    *,
    is_certain: bool,
    is_scaled: bool | None = None,
) -> None:
    """Check that particles are in their tomograms, and not in one corner of them only.

    Parameters
    ----------
    path : Path
        Their table.
    coordinates : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels.
    shapes : ndarray of shape (n_particles, 3)
        Edges of each particle's tomogram; NaN where it is not known.
    is_certain : bool
        Whether the unit of the coordinates is known. Otherwise, more than a few particles
        outside are a sign of another.
    is_scaled : bool, optional
        Whether it is known how many pixels are a voxel, by default as `is_certain`. Otherwise, all
        particles in a corner are a sign of another number.

    Raises
    ------
    FileFormatError
        If they are not.
    """
    outside = volume_outside(coordinates, shapes)
    known = np.isfinite(outside)
    if not known.any():
        return
    wrong = known & (outside > 0.5)
    # One of a few may be a particle at an edge.
    share = _MOST if is_certain or wrong.sum() < _FEWEST_OUTSIDE else _FEW
    if wrong.sum() > share * known.sum():
        row = int(wrong.argmax())
        raise FileFormatError(
            f"{path} has {wrong.sum()} of {plural(int(known.sum()), 'particle')} outside their "
            f"tomograms, such as {_place(coordinates[row])} (z, y, x) in voxels, in a tomogram of "
            f"{_place(shapes[row])}. Check that the table and the tomograms belong together, and "
            "the order of the axes. Give the edge of a voxel in pixels of the coordinates as "
            "binning=; it is 1 if coordinates are in voxels of the tomogram.",
            arguments=("binning",),
        )
    reach = (coordinates[known] / shapes[known]).max(axis=0)
    is_scaled = is_certain if is_scaled is None else is_scaled
    if not is_scaled and known.sum() >= _FEWEST_IN_CORNER and (reach < _CORNER).all():
        raise FileFormatError(
            f"{path} has all of its {plural(int(known.sum()), 'particle')} in one corner of their "
            f"tomograms, within {_place(reach)} of the edges (z, y, x): coordinates may be in "
            "larger pixels than the voxels. Give the edge of a voxel in pixels of the coordinates "
            "as binning=; it is 1 if coordinates are in voxels of the tomogram.",
            arguments=("binning",),
        )


def _place(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
