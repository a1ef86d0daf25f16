"""Data sets as files that other programs read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sksubtomo._utils._docs import documented
from sksubtomo._utils._files import atomic_folder
from sksubtomo.io import (
    make_particle_table,
    relion_angle_columns,
    write_mrc,
    write_particles,
)

_TABLE = "particles.star"


@documented
def save_subtomograms(folder: str | os.PathLike[str], data: Bunch) -> Path:
    """Write subtomograms to MRC files, and a STAR file that lists them.

    Parameters
    ----------
    folder : path-like
        A new folder: ``particles.star`` and ``subtomograms/000000.mrc`` and so on.
    data : Bunch
        As :func:`make_subtomograms` returns it.

    Returns
    -------
    path : Path
        The STAR file: class numbers from 1, orientations as RELION's Euler angles, and where the
        particle lies in its box (voxels from 0), with ``rlnImageName`` relative to the folder.

    %(new_folder)s
    """
    names = [f"subtomograms/{row:06d}.mrc" for row in range(len(data.X))]
    centers = data.X.shape[1] // 2 + np.asarray(data.shifts)
    with atomic_folder(folder) as temporary:
        (temporary / "subtomograms").mkdir()
        for name, volume in zip(names, data.X, strict=True):
            write_mrc(temporary / name, volume, data.voxel_size_angstrom)
        _write_table(temporary, centers, data, {"rlnImageName": names})
    return Path(folder) / _TABLE


@documented
def save_tomogram(folder: str | os.PathLike[str], data: Bunch, *, name: str = "tomogram") -> Path:
    """Write a simulated tomogram, its tilt series and a STAR file of its particles.

    Parameters
    ----------
    folder : path-like
        A new folder: ``particles.star``, ``<name>.mrc``, ``<name>_clean.mrc`` (without noise),
        ``<name>_tilts.mrc`` (a slice a tilt) and ``<name>.tlt`` (the tilts in degrees).
    data : Bunch
        As :func:`make_tomogram` returns it.
    name : str, default="tomogram"
        Name of the tomogram.

    Returns
    -------
    path : Path
        The STAR file: ``rlnTomoName``, coordinates (voxels from 0), class numbers from 1 and
        orientations as RELION's Euler angles.

    %(new_folder)s
    """
    volumes = {"": data.tomogram, "_clean": data.clean, "_tilts": data.tilt_series}
    tilts = "".join(f"{tilt:.2f}\n" for tilt in data.scheme.tilts_deg)
    with atomic_folder(folder) as temporary:
        for suffix, volume in volumes.items():
            write_mrc(temporary / f"{name}{suffix}.mrc", volume, data.voxel_size_angstrom)
        (temporary / f"{name}.tlt").write_text(tilts)
        _write_table(temporary, data.coordinates, data, {"rlnTomoName": name})
    return Path(folder) / _TABLE


def _write_table(
    folder: Path, coordinates: NDArray, data: Bunch, columns: dict[str, object]
) -> None:
    edge = float(data.voxel_size_angstrom)
    particles = make_particle_table(
        coordinates,
        columns={**columns, **relion_angle_columns(data.orientations), "rlnPixelSize": edge},
    )
    write_particles(folder / _TABLE, particles, class_numbers=np.asarray(data.y) + 1)
