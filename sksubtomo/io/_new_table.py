"""Tables of particles from arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sksubtomo.io._particle_table import ParticleTable


def make_particle_table(
    coordinates: ArrayLike,
    *,
    tomogram_names: ArrayLike | None = None,
    columns: Mapping[str, Any] | None = None,
) -> ParticleTable:
    """Return a table of particles, to be written by :func:`write_particles`.

    Parameters
    ----------
    coordinates : array-like of shape (n_particles, 3)
        Centers z, y, x in voxels, counted from 0.
    tomogram_names : array-like of shape (n_particles,) of str, optional
        Tomogram of each particle, for ``rlnTomoName``.
    columns : mapping of str to array-like of shape (n_particles,), optional
        More columns, by RELION's labels; a single value is for all particles.

    Returns
    -------
    particles : ParticleTable
        With one block, ``particles``.

    Raises
    ------
    ValueError
        If coordinates are no rows of three, or lengths differ.
    ImportError
        If pandas is not installed; it comes with ``pip install 'sksubtomo[data]'``.

    Examples
    --------
    >>> from sksubtomo.io import make_particle_table
    >>> particles = make_particle_table([[10, 20, 30]], tomogram_names=["TS_01"])
    >>> particles.table["rlnCoordinateX"].tolist()
    [30.0]
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "Tables of particles need the package pandas: pip install 'sksubtomo[data]'"
        ) from error
    centers = np.asarray(coordinates, dtype=np.float64)
    if centers.ndim != 2 or centers.shape[1] != 3:
        raise ValueError(f"coordinates must have shape (n_particles, 3), got {centers.shape}.")
    table: dict[str, Any] = {}
    if tomogram_names is not None:
        table["rlnTomoName"] = np.asarray(tomogram_names, dtype=str)
    table |= {f"rlnCoordinate{axis}": centers[:, 2 - i] for i, axis in enumerate("XYZ")}
    table |= columns or {}
    return ParticleTable(
        {"particles": pd.DataFrame(table, index=range(len(centers)))}, "particles", centers
    )
