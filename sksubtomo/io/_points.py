"""Tables of points as napari and copick have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.io._new_table import make_particle_table
from sksubtomo.io._particle_table import ParticleTable


def make_napari_points(
    coordinates: ArrayLike, *, features: Mapping[str, ArrayLike] | None = None
) -> ParticleTable:
    """Return points as a points layer of napari, to be written as ``.csv``.

    Dropped on napari, the file opens as a points layer with its features; what napari saves of
    such a layer is read by :func:`read_particles`.

    Parameters
    ----------
    coordinates : array-like of shape (n_points, 3)
        Centers z, y, x in voxels of one tomogram, counted from 0.
    features : mapping of str to array-like of shape (n_points,), optional
        More columns. One called ``class`` is read as class numbers.

    Returns
    -------
    points : ParticleTable
        With the columns ``index``, ``axis-0``, ``axis-1`` and ``axis-2``.

    Raises
    ------
    ValueError
        If coordinates are no rows of three, or lengths differ.

    Examples
    --------
    >>> from sksubtomo.io import make_napari_points
    >>> points = make_napari_points([[10, 20, 30]], features={"class": [1]})
    >>> points.table.columns.tolist()
    ['index', 'axis-0', 'axis-1', 'axis-2', 'class']
    """
    centers = _centers(coordinates)
    axes = {f"axis-{axis}": centers[:, axis] for axis in range(3)}
    columns = {"index": np.arange(len(centers)), **axes, **(features or {})}
    return _points(centers, columns, ".csv")


def make_copick_points(
    coordinates: ArrayLike,
    *,
    voxel_size_angstrom: float,
    object_name: str,
    run_name: str,
    user_id: str,
    session_id: str,
) -> ParticleTable:
    """Return points as copick has them, to be written as ``.json``.

    Parameters
    ----------
    coordinates : array-like of shape (n_points, 3)
        Centers z, y, x in voxels of one tomogram, counted from 0.
    voxel_size_angstrom : float
        Edge of a voxel; copick counts in angstrom from the first voxel.
    object_name, run_name, user_id, session_id : str
        What the points are of, the name of the tomogram, and who picked them, and when.

    Returns
    -------
    points : ParticleTable
        Particles in the form of copick.

    Raises
    ------
    ValueError
        If coordinates are no rows of three, or the voxel size is not positive.

    Examples
    --------
    >>> from sksubtomo.io import make_copick_points
    >>> points = make_copick_points([[10, 20, 30]], voxel_size_angstrom=5.0, object_name="ribosome",
    ...                             run_name="TS_01", user_id="me", session_id="1")
    >>> points.table[["x", "y", "z"]].iloc[0].tolist()
    [150.0, 100.0, 50.0]
    """
    centers = _centers(coordinates)
    if not 0 < voxel_size_angstrom < np.inf:
        raise ValueError(f"voxel_size_angstrom={voxel_size_angstrom!r} must be a positive number.")
    places = centers * voxel_size_angstrom
    columns: dict[str, Any] = {axis: places[:, 2 - i] for i, axis in enumerate("xyz")}
    columns |= {
        "pickable_object_name": object_name,
        "user_id": user_id,
        "session_id": session_id,
        "run_name": run_name,
        "voxel_spacing": float(voxel_size_angstrom),
        "unit": "angstrom",
    }
    return _points(centers, columns, ".json")


def _centers(coordinates: ArrayLike) -> NDArray[np.float64]:
    centers = np.asarray(coordinates, dtype=np.float64)
    if centers.ndim != 2 or centers.shape[1] != 3:
        raise ValueError(f"coordinates must have shape (n_points, 3), got {centers.shape}.")
    return centers


def _points(
    centers: NDArray[np.float64], columns: Mapping[str, Any], file_kind: str
) -> ParticleTable:
    """Return a table of just these columns."""
    table = make_particle_table(centers, columns=columns).table[list(columns)]
    return ParticleTable({"particles": table}, "particles", centers, file_kind=file_kind)
