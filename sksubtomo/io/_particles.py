"""Particles in STAR files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._files import atomic_path
from sksubtomo.exceptions import FileFormatError

if TYPE_CHECKING:
    import pandas as pd

_COORDINATES = ("rlnCoordinateZ", "rlnCoordinateY", "rlnCoordinateX")
_TOMOGRAMS = ("rlnTomoName", "rlnMicrographName")
_CLASS = "rlnClassNumber"
_CONFIDENCE = "rlnMaxValueProbDistribution"


@dataclass(frozen=True)
class ParticleTable:
    """Particles of one or more tomograms, with all that their file says.

    Parameters
    ----------
    blocks : dict of str to DataFrame or dict
        All blocks of the file.
    block : str
        Name of the block of particles.
    """

    blocks: dict[str, Any]
    block: str

    @property
    def table(self) -> pd.DataFrame:
        """The block of particles, a row a particle, all columns."""
        return self.blocks[self.block]

    @property
    def coordinates(self) -> NDArray[np.float64]:
        """Centres (n_particles, 3), z, y, x in voxels, counted from 0."""
        return self.table[list(_COORDINATES)].to_numpy(dtype=np.float64)

    @property
    def tomogram_names(self) -> NDArray | None:
        """Name of the tomogram of every particle, or None where the file does not say."""
        for column in _TOMOGRAMS:
            if column in self.table:
                return self.table[column].to_numpy(dtype=str)
        return None

    @property
    def class_numbers(self) -> NDArray[np.int64] | None:
        """Class of every particle, counted from 1, or None where the file does not say."""
        if _CLASS not in self.table:
            return None
        return self.table[_CLASS].to_numpy(dtype=np.int64)

    def subset(self, rows: ArrayLike) -> ParticleTable:
        """Return some of the particles, with all columns and the other blocks.

        Parameters
        ----------
        rows : array-like of int or bool
            Row numbers, or a mask.

        Returns
        -------
        particles : ParticleTable
            The particles in the order of `rows`.
        """
        chosen = self.table.iloc[np.asarray(rows)].reset_index(drop=True)
        return ParticleTable({**self.blocks, self.block: chosen}, self.block)

    def __len__(self) -> int:
        return len(self.table)


def read_particles(path: str | os.PathLike[str]) -> ParticleTable:
    """Read particles from a simple STAR file, as RELION 3 writes it.

    Coordinates are those of ``rlnCoordinateX``, ``rlnCoordinateY`` and ``rlnCoordinateZ``, taken
    as voxels counted from 0. Files that say otherwise, by shifts of the origin or
    centred coordinates in angstrom, are refused.

    Parameters
    ----------
    path : path-like
        The STAR file.

    Returns
    -------
    particles : ParticleTable
        Coordinates, tomogram names and class numbers, and the file's blocks.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not a STAR file, has no particles, has coordinates in several blocks, in none, or
        in another convention, or has text where there should be numbers.
    ImportError
        If starfile is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    blocks = _read_blocks(path)
    particles = ParticleTable(blocks, _particle_block(path, blocks))
    _check_table(path, particles.table)
    return particles


def write_particles(
    path: str | os.PathLike[str],
    particles: ParticleTable,
    *,
    class_numbers: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
    overwrite: bool = False,
) -> None:
    """Write particles to a STAR file with their classes, whole or not at all.

    All blocks, columns and the order of the rows stay.

    Parameters
    ----------
    path : path-like
        The STAR file.
    particles : ParticleTable
        The particles, as read.
    class_numbers : array-like of shape (n_particles,), optional
        Whole numbers from 1 (RELION counts so; 0 is unclassified), for ``rlnClassNumber``.
    probabilities : array-like of shape (n_particles, n_classes), optional
        Class probabilities; the largest of each row becomes ``rlnMaxValueProbDistribution``.
    overwrite : bool, default=False
        Whether to replace an existing file.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ValueError
        If the numbers do not suit the particles.
    ImportError
        If starfile is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    starfile = _import_starfile()
    table = particles.table.copy()
    if class_numbers is not None:
        table[_CLASS] = _check_classes(class_numbers, len(table))
    if probabilities is not None:
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or len(values) != len(table):
            raise ValueError(
                f"probabilities of shape {values.shape} do not suit {len(table)} particles."
            )
        table[_CONFIDENCE] = values.max(axis=1)
    with atomic_path(path, overwrite=overwrite) as temporary:
        starfile.write({**particles.blocks, particles.block: table}, temporary)


def _import_starfile() -> Any:
    try:
        import starfile
    except ImportError as error:
        raise ImportError(
            "STAR files need the package starfile: pip install 'sksubtomo[data]'"
        ) from error
    return starfile


def _read_blocks(path: Path) -> dict[str, Any]:
    starfile = _import_starfile()
    try:
        blocks = starfile.read(path, always_dict=True)
    except Exception as error:  # starfile lets through whatever its parsing meets
        raise FileFormatError(f"{path} cannot be read as a STAR file: {error!r}") from error
    if not blocks:
        raise FileFormatError(f"{path} is not a STAR file: it has no data block.")
    return blocks


def _particle_block(path: Path, blocks: dict[str, Any]) -> str:
    with_coordinates = [
        name for name, block in blocks.items() if set(_COORDINATES) <= set(_columns(block))
    ]
    if len(with_coordinates) == 1:
        return with_coordinates[0]
    if with_coordinates:
        raise FileFormatError(
            f"{path} has coordinates in several blocks, {with_coordinates}. Keep one."
        )
    found = {name: sorted(_columns(block))[:8] for name, block in blocks.items()}
    raise FileFormatError(
        f"{path} has no particle coordinates: no block has the columns rlnCoordinateX, "
        f"rlnCoordinateY and rlnCoordinateZ. There are {found}."
    )


def _columns(block: Any) -> list[str]:
    return [str(column) for column in (block.columns if hasattr(block, "columns") else block)]


def _check_table(path: Path, table: Any) -> None:
    if not hasattr(table, "columns") or not len(table):
        raise FileFormatError(f"{path} has no particles: its table of coordinates has no rows.")
    for column in (*_COORDINATES, _CLASS):
        if column in table and table[column].dtype.kind not in "iuf":
            raise FileFormatError(f"{path} has text in the column {column}; it must be numbers.")
    if not np.isfinite(table[list(_COORDINATES)].to_numpy(dtype=float)).all():
        raise FileFormatError(f"{path} has coordinates that are missing or not finite.")
    if _CLASS in table and not (table[_CLASS] % 1 == 0).all():
        raise FileFormatError(f"{path} has {_CLASS} that are not whole numbers.")
    for column in table.columns:
        if column.startswith("rlnOrigin") and (table[column] != 0).any():
            raise FileFormatError(
                f"{path} shifts the particles' centres by {column}. Apply the shifts to the "
                "coordinates and set them to 0 first."
            )
        if column.startswith("rlnCenteredCoordinate"):
            raise FileFormatError(
                f"{path} has centred coordinates ({column}) besides those in voxels, which may "
                "mean another place. Remove one of the two."
            )


def _check_classes(class_numbers: ArrayLike, n_particles: int) -> NDArray[np.int64]:
    numbers = np.asarray(class_numbers)
    if numbers.shape != (n_particles,):
        raise ValueError(
            f"class_numbers of shape {numbers.shape} do not suit {n_particles} particles."
        )
    if numbers.dtype.kind not in "iu" or (numbers < 0).any():
        raise ValueError(
            "class_numbers must be whole numbers from 1, or 0 for unclassified; got "
            f"{numbers[:5].tolist()}... of type {numbers.dtype}."
        )
    return numbers.astype(np.int64)
