"""Data sets as files that other programs read."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch

from sksubtomo._utils._files import atomic_folder
from sksubtomo.io import make_particle_table, write_mrc, write_particles

_TABLE = "particles.star"


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

    Raises
    ------
    FileExistsError
        If the folder exists.
    ImportError
        If starfile is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    names = [f"subtomograms/{row:06d}.mrc" for row in range(len(data.X))]
    centres = data.X.shape[1] // 2 + np.asarray(data.shifts)
    with atomic_folder(folder) as temporary:
        (temporary / "subtomograms").mkdir()
        for name, volume in zip(names, data.X, strict=True):
            write_mrc(temporary / name, volume, data.voxel_size_angstrom)
        _write_table(temporary, centres, data, {"rlnImageName": names})
    return Path(folder) / _TABLE


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

    Raises
    ------
    FileExistsError
        If the folder exists.
    ImportError
        If starfile is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    volumes = {"": data.tomogram, "_clean": data.clean, "_tilts": data.tilt_series}
    tilts = "".join(f"{tilt:.2f}\n" for tilt in data.scheme.tilts_deg)
    with atomic_folder(folder) as temporary:
        for suffix, volume in volumes.items():
            write_mrc(temporary / f"{name}{suffix}.mrc", volume, data.voxel_size_angstrom)
        (temporary / f"{name}.tlt").write_text(tilts)
        _write_table(temporary, data.coordinates, data, {"rlnTomoName": name})
    return Path(folder) / _TABLE


def relion_angles_deg(orientations: ArrayLike) -> NDArray[np.float64]:
    """Return RELION's Euler angles of orientations.

    Rot, tilt and psi turn the coordinate axes, about z, the new y and the new z, until the
    reference looks like the particle: the inverse of turning the reference.

    Parameters
    ----------
    orientations : array-like of shape (n, 4)
        Unit quaternions x, y, z, w of the rotations that take the complex to the tomogram.

    Returns
    -------
    angles : ndarray of shape (n, 3)
        Rot, tilt and psi in degrees.

    References
    ----------
    Heymann, Chagoyen & Belnap, "Common conventions for interchange and archiving of
    three-dimensional electron microscopy information in structural biology", Journal of Structural
    Biology 151, 2005.
    """
    rotations = Rotation.from_quat(orientations).inv()
    with warnings.catch_warnings():
        # At a tilt of 0 or 180 degrees only rot + psi or rot - psi is defined; SciPy then sets the
        # third angle to 0, which is what we want, and warns. `suppress_warnings=` needs SciPy 1.17.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        return rotations.as_euler("ZYZ", degrees=True)


def _write_table(
    folder: Path, coordinates: NDArray, data: Bunch, columns: dict[str, object]
) -> None:
    edge = float(data.voxel_size_angstrom)
    particles = make_particle_table(
        coordinates,
        columns={**columns, **relion_angle_columns(data.orientations), "rlnPixelSize": edge},
    )
    write_particles(folder / _TABLE, particles, class_numbers=np.asarray(data.y) + 1)


def relion_angle_columns(orientations: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return RELION's Euler angles by their labels; see :func:`relion_angles_deg`."""
    angles = relion_angles_deg(orientations)
    return {f"rlnAngle{name}": angles[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
