"""Poses of particles as RELION's tables say them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from sksubtomo._utils._messages import plural
from sksubtomo.io._dialects import SUBTOMOGRAM_ANGLES, find_dialect
from sksubtomo.io._euler import relion_angle_columns, relion_rotations
from sksubtomo.io._numbers import read_numbers

if TYPE_CHECKING:
    import pandas as pd

ORIGINS = ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst")
_ORIGINS_IN_PIXELS = ("rlnOriginX", "rlnOriginY", "rlnOriginZ")
#: Voxel size of the tomograms in which this package found the poses of a table. Such shifts are
#: known to be corrections of the centers, which need no question.
FOUND_IN_VOXELS = "sksubtomoVoxelSize"


def belongs_to(path: Path, blocks: dict[str, Any], table: pd.DataFrame) -> bool:
    """Tell whether RELION's columns of poses belong to a table."""
    dialect = find_dialect(path, blocks, table)
    return dialect is not None and any(
        set(ORIGINS) == set(shift.columns) for shift in dialect.shifts
    )


def with_poses(
    path: Path,
    table: pd.DataFrame,
    block: str,
    rotations: Rotation,
    shifts_angstrom: ArrayLike,
    voxel_size_angstrom: float,
) -> pd.DataFrame:
    """Return a table with RELION's columns of orientations and shifts.

    RELION's rule is position = coordinate - A origin, with orientations and origins in the frame of
    the subtomogram. A, the matrix of ``rlnTomoSubtomogramRot``, ``Tilt`` and ``Psi``, turns that
    into the frame of the tomogram.

    Parameters
    ----------
    path : Path
        For messages.
    table : DataFrame
        Of particles.
    block : str
        Its name.
    rotations : Rotation
        One of each particle; it takes the reference to the tomogram.
    shifts_angstrom : array-like of shape (n_particles, 3)
        z, y, x, from the coordinates in the table to the centers of the particles.
    voxel_size_angstrom : float
        Of the tomograms.

    Raises
    ------
    ValueError
        If there is not one pose of finite numbers for each particle.
    """
    shifts: NDArray[np.float64] = np.asarray(shifts_angstrom, dtype=np.float64)
    if rotations.single or len(rotations) != len(table) or shifts.shape != (len(table), 3):
        raise ValueError(
            f"{'One rotation' if rotations.single else plural(len(rotations), 'rotation')} and "
            f"shifts of shape {shifts.shape} do not suit {plural(len(table), 'particle')}; there "
            "must be one rotation and one shift z, y, x for each."
        )
    if not np.isfinite(shifts).all() or not 0 < voxel_size_angstrom < np.inf:
        raise ValueError("shifts_angstrom must be finite, and voxel_size_angstrom positive.")
    vectors = shifts[:, ::-1]
    if set(SUBTOMOGRAM_ANGLES) <= set(table):
        frame = relion_rotations(read_numbers(path, table, block, SUBTOMOGRAM_ANGLES)).inv()
        rotations, vectors = frame * rotations, frame.apply(vectors)
    table = table.drop(columns=[name for name in _ORIGINS_IN_PIXELS if name in table])
    return table.assign(
        **relion_angle_columns(rotations.as_quat()),
        # Adding 0 makes -0 a plain 0.
        **{name: 0.0 - vectors[:, axis] for axis, name in enumerate(ORIGINS)},
        **{FOUND_IN_VOXELS: float(voxel_size_angstrom)},
    )
