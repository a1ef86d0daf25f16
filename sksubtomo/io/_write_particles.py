"""Writing tables of particles with classes and probabilities."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sksubtomo._utils._docs import documented
from sksubtomo._utils._files import atomic_path
from sksubtomo.io._classes import check_new_classes, class_column
from sksubtomo.io._particle_table import ParticleTable
from sksubtomo.io._poses import belongs_to, with_poses
from sksubtomo.io._tables import check_writable, write_blocks
from sksubtomo.io._written import written_table

if TYPE_CHECKING:
    import pandas as pd
    from scipy.spatial.transform import Rotation

_CONFIDENCE = "rlnMaxValueProbDistribution"
# RELION has a place for the largest only.
_PROBABILITY = "sksubtomoProbability"


@documented
def write_particles(
    path: str | os.PathLike[str],
    particles: ParticleTable,
    *,
    class_numbers: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
    probability_classes: ArrayLike | None = None,
    rotations: Rotation | None = None,
    shifts_angstrom: ArrayLike | None = None,
    voxel_size_angstrom: float | None = None,
    overwrite: bool = False,
) -> None:
    """Write particles with their classes, whole or not at all.

    All blocks, columns and the order of the rows stay. In a STAR or CSV file in which the columns
    of coordinates would not be read, or would be taken for those of another program (such as a
    table of Dynamo as STAR or CSV), the coordinates are written as ``rlnCoordinateX``, ``Y`` and
    ``Z`` in voxels, the tomogram as ``rlnTomoName`` and the class as ``rlnClassNumber``; columns
    that would be read as other coordinates, or as shifts, are left out.

    Parameters
    ----------
    path : path-like
        A STAR or CSV file; or one of the kind that the particles are from.
    particles : ParticleTable
        The particles, as read.
    class_numbers : array-like of shape (n_particles,), optional
        Whole numbers from 1 (RELION counts so; 0 is unclassified), for ``rlnClassNumber``.
    probabilities : array-like of shape (n_particles, n_classes), optional
        Class probabilities, for columns ``sksubtomoProbability1`` and so on, in place of all such
        columns of an earlier run; the largest of each row becomes
        ``rlnMaxValueProbDistribution``.
    probability_classes : array-like of shape (n_classes,), optional
        Class number of each column of `probabilities`; by default, 1 to n_classes.
    rotations : scipy.spatial.transform.Rotation, optional
        Orientation of each particle, which takes the reference to the tomogram: for
        ``rlnAngleRot``, ``Tilt`` and ``Psi``.
    shifts_angstrom : array-like of shape (n_particles, 3), optional
        With `rotations`: z, y, x from the coordinates that the file has to the centers of the
        particles. ``rlnOriginXAngst`` and so on are minus this: RELION subtracts origins. They are
        in the frame of ``rlnTomoSubtomogramRot``, ``Tilt`` and ``Psi`` if there are any.
    voxel_size_angstrom : float, optional
        With `rotations`: of the tomograms. It becomes ``sksubtomoVoxelSize``, by which
        :func:`read_particles` knows that the shifts are to be applied.
    %(overwrite)s
    ValueError
        If the numbers do not suit the particles, or the kind of file has no place for them, for
        poses (:func:`takes_poses`) or for text among the particles.
    ImportError
        If pandas is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    table = writable_table(Path(path), particles)
    if class_numbers is not None:
        table[class_column(table)] = check_new_classes(class_numbers, len(table))
    if probabilities is not None:
        table = _with_probabilities(table, probabilities, probability_classes)
    elif probability_classes is not None:
        raise ValueError("probability_classes are of no use without probabilities.")
    if rotations is not None:
        blocks = {**particles.blocks, particles.block: table}
        if not belongs_to(Path(path), blocks, table):
            raise ValueError(f"{path} has no place for poses. Write a STAR file of RELION.")
        if shifts_angstrom is None or voxel_size_angstrom is None:
            raise ValueError("rotations need shifts_angstrom and voxel_size_angstrom.")
        table = with_poses(
            Path(path), table, particles.block, rotations, shifts_angstrom, voxel_size_angstrom
        )
    elif shifts_angstrom is not None or voxel_size_angstrom is not None:
        raise ValueError("shifts_angstrom and voxel_size_angstrom are of no use without rotations.")
    blocks = {**particles.blocks, particles.block: table}
    check_writable(Path(path), blocks, table)
    with atomic_path(path, overwrite=overwrite) as temporary:
        write_blocks(blocks, temporary)


def takes_poses(path: str | os.PathLike[str], particles: ParticleTable) -> bool:
    """Tell whether a file of particles has a place for poses: orientations and shifts of RELION.

    Parameters
    ----------
    path : path-like
        The file to be written.
    particles : ParticleTable
        The particles.

    Returns
    -------
    takes : bool
        True of STAR and CSV files with coordinates of RELION; those of tables of Dynamo and others
        become such when they are written as STAR. False of tables of M, STOPGAP and others, whose
        own angles would contradict RELION's.

    Raises
    ------
    ValueError
        If the particles cannot be written to such a file.
    """
    table = writable_table(Path(path), particles)
    return belongs_to(Path(path), {**particles.blocks, particles.block: table}, table)


def writable_table(path: Path, particles: ParticleTable) -> pd.DataFrame:
    """Return a copy of the table as it is to be written to a file, after checking that it can be.

    Parameters
    ----------
    path : Path
        File to write; its ending says the format.
    particles : ParticleTable
        Particles of the table.

    Returns
    -------
    table : DataFrame
        A row for each particle.

    Raises
    ------
    ValueError
        If the kind of file has no place for it, or would say other coordinates.
    """
    check_writable(path, particles.blocks, particles.table)
    voxels = particles.voxels
    # Pixels of the table's own are written as they are, or not at all.
    is_open = voxels is not None and voxels.question is not None
    table = written_table(
        path,
        particles.blocks,
        particles.block,
        kind=particles.file_kind,
        positions=voxels.places if voxels is not None and is_open else particles.positions,
        names=particles.tomogram_names,
    )
    return table.copy()


def _with_probabilities(
    table: pd.DataFrame, probabilities: ArrayLike, classes: ArrayLike | None
) -> pd.DataFrame:
    """Return the table with columns of probabilities instead of those of an earlier run."""
    import pandas as pd

    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(table) or not values.shape[1]:
        raise ValueError(
            f"probabilities of shape {values.shape} do not suit {len(table)} particles."
        )
    n_classes = values.shape[1]
    numbers = np.arange(1, n_classes + 1) if classes is None else np.asarray(classes)
    if (
        numbers.shape != (n_classes,)
        or numbers.dtype.kind not in "iu"
        or (numbers < 0).any()
        or len(set(numbers.tolist())) != n_classes
    ):
        raise ValueError(
            f"probability_classes must be {n_classes} different whole numbers, a column of "
            f"probabilities each; got {numbers.tolist()}."
        )
    stale = [name for name in table if re.fullmatch(rf"{_PROBABILITY}[0-9]+", str(name))]
    table = table.drop(columns=stale).reset_index(drop=True)
    table[_CONFIDENCE] = values.max(axis=1)
    columns = [f"{_PROBABILITY}{number}" for number in numbers.tolist()]
    return pd.concat([table, pd.DataFrame(values, columns=columns)], axis=1)
