"""Tables of particles, and where the particles are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._files import atomic_path
from sksubtomo._utils._messages import listed
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._classes import (
    check_class_column,
    check_new_classes,
    class_column,
    class_numbers,
)
from sksubtomo.io._dialects import Dialect, find_dialect, known_columns
from sksubtomo.io._frames import Given
from sksubtomo.io._names import find_tomograms
from sksubtomo.io._positions import resolve_positions
from sksubtomo.io._relion import Tomogram, read_set, read_tomograms, require_file
from sksubtomo.io._tables import check_writable, kind_of, read_blocks, row_name, write_blocks
from sksubtomo.io._tomogram_column import check_one_tomogram, tomogram_column
from sksubtomo.io._voxels import Voxels
from sksubtomo.io._written import written_table

if TYPE_CHECKING:
    import pandas as pd

_COORDINATES = ("rlnCoordinateZ", "rlnCoordinateY", "rlnCoordinateX")
_CONFIDENCE = "rlnMaxValueProbDistribution"
# RELION has a place for the largest only.
_PROBABILITY = "sksubtomoProbability"


@dataclass(frozen=True)
class ParticleTable:
    """Particles of one or more tomograms, with all that their file says.

    Parameters
    ----------
    blocks : dict of str to DataFrame or dict
        All blocks of the file.
    block : str
        Name of the block of particles.
    positions : ndarray of shape (n_particles, 3), optional
        Centres z, y, x in voxels, from 0. By default, what ``rlnCoordinateZ``, ``Y`` and ``X``
        say.
    tomogram_files : dict of str to Path, optional
        File of each tomogram, by name, as far as it was said on reading; it may be elsewhere.
    voxels : Voxels, optional
        What is known of the voxels of positions; they are compared with tomograms that are cut.
    file_kind : str, optional
        Ending that tells the kind of file that they were read from, such as ``.star``.
    """

    blocks: dict[str, Any]
    block: str
    positions: NDArray[np.float64] | None = None
    tomogram_files: dict[str, Path] | None = None
    voxels: Voxels | None = None
    file_kind: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The block of particles, a row a particle, all columns."""
        return self.blocks[self.block]

    @property
    def coordinates(self) -> NDArray[np.float64]:
        """Centres (n_particles, 3), z, y, x in voxels, counted from 0."""
        if self.positions is not None:
            return self.positions
        return self.table[list(_COORDINATES)].to_numpy(dtype=np.float64)

    @property
    def tomogram_names(self) -> NDArray | None:
        """Name of the tomogram of every particle, or None where the file does not say."""
        column = _tomogram_column(self.table)
        if column is None:
            return None
        values = self.table[column]
        if values.dtype.kind == "f" and (np.trunc(values) == values).all():
            # Numbers of tomograms in a file of floats.
            return np.array([f"{value:.0f}" for value in values])
        return values.to_numpy(dtype=str)

    @property
    def class_numbers(self) -> NDArray[np.int64] | None:
        """Class of every particle, from 1, 0 without one, or None where the file does not say."""
        return class_numbers(self.table)

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
        rows = np.asarray(rows)
        chosen = self.table.iloc[rows].reset_index(drop=True)
        positions = None if self.positions is None else self.positions[rows]
        blocks = {**self.blocks, self.block: chosen}
        voxels = None if self.voxels is None else self.voxels.subset(rows)
        return replace(self, blocks=blocks, positions=positions, voxels=voxels)

    def __len__(self) -> int:
        return len(self.table)


def read_particles(
    path: str | os.PathLike[str],
    *,
    shifts: str | None = None,
    pixel_size_angstrom: float | None = None,
    tomograms: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
    binning: float | None = None,
    tomogram_files: Mapping[str, str | os.PathLike[str]] | None = None,
) -> ParticleTable:
    """Read particles of RELION 3 to 5, Warp, M, STOPGAP, Dynamo, copick, napari and others.

    STAR files, and by their ending ``.tbl`` (Dynamo), ``.em`` (motive lists), ``.json`` (copick),
    ``.coords`` (TomoTwin) and ``.csv`` (napari, or columns x, y and z). Coordinates are brought to
    voxels of the tomogram, counted from 0. What each program means by coordinates and shifts is
    in the table of :ref:`io`; in short:

    - ``rlnCoordinateX`` (and Y, Z): pixels, counted from 0, divided by `binning`. Those of Warp's
      tables are of the pixel size that the table states, and are scaled to the voxels of
      `tomograms`; those of its template matching are fractions of the tomogram's edges.
    - ``rlnCenteredCoordinateXAngst``, of RELION 5: angstrom from the center of the tomogram, half
      of each edge counted from the first voxel; size and voxel size are those of `tomograms`.
    - ``wrpCoordinateX1``, of M, and copick's: angstrom from the first voxel, divided by the voxel
      size of `tomograms`, or `pixel_size_angstrom`.
    - ``orig_x``, of STOPGAP and motive lists, and Dynamo's: voxels, counted from 1, divided by
      `binning`.
    - ``axis-2`` of napari, and ``x`` of plain ``.csv`` and of ``.coords`` files: voxels, counted
      from 0, divided by `binning`.

    An optimisation set of RELION is followed to its particles and its table of tomograms. Files
    that it and the table name are looked for from the folder of the naming file, each of its
    parents, and the current folder.

    What the file leaves open is asked for, not guessed.

    Parameters
    ----------
    path : path-like
        The file.
    shifts : {"apply", "ignore"}, optional
        What to do about shifts of the centers that are not 0 (``rlnOriginX``, ``rlnOriginXAngst``,
        ``x_shift``, ``dx``). Without it, such a file is an error. RELION's are turned by
        ``rlnTomoSubtomogramRot``, ``Tilt`` and ``Psi`` and subtracted, STOPGAP's and Dynamo's are
        added.
    pixel_size_angstrom : float, optional
        Of the pixels that coordinates are in; needed for coordinates and for shifts in angstrom
        unless the file or `tomograms` says it. Where a file states several pixel sizes, it says
        which is meant.
    tomograms : dict of str to path-like, or path-like, optional
        File of each tomogram, or RELION's ``tomograms.star``; needed for coordinates in
        angstrom and for fractions, unless `path` is an optimisation set. Names are compared as by
        :func:`find_tomograms`. What the files say of their voxels and edges is compared with the
        table.
    binning : float, optional
        Edge of a voxel of the tomogram in pixels of the coordinates. The first voxel stays the
        first, as in Fourier cropping. By default, for RELION's coordinates what
        ``rlnTomoTomogramBinning`` of `tomograms` says, otherwise 1.
    tomogram_files : dict of str to path-like, optional
        Files to be used in place of those that RELION's ``tomograms.star`` names. Their voxels
        must be those that it says; where it does not say the binning, their headers do.

    Returns
    -------
    particles : ParticleTable
        Coordinates, tomogram names and class numbers, and the file's blocks.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it cannot be read, a row has a field too many or too few, there are coordinates in
        several blocks, in none, or of several kinds; if something is left open that was not given,
        or contradicts what was given; if a file is not found, or something is no number that must
        be one; if most particles are outside their tomogram, or more than a few where nothing says
        in which pixels they are.
    ValueError
        If an argument is out of range, or `tomogram_files` is given without ``tomograms.star``.
    ImportError
        If pandas is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if shifts not in (None, "apply", "ignore"):
        raise ValueError(f"shifts={shifts!r} must be 'apply' or 'ignore', or left out.")
    for name, value in (("pixel_size_angstrom", pixel_size_angstrom), ("binning", binning)):
        if value is not None and not value > 0:
            raise ValueError(f"{name}={value!r} must be positive.")
    blocks = read_blocks(path)
    files = None if _has_particles(path, blocks) else read_set(path, blocks)
    if files is not None:
        set_file, (path, named) = path, files
        if tomograms is None and named is not None:
            tomograms = require_file(named, set_file)
        blocks = read_blocks(path)
    given = _given(shifts, pixel_size_angstrom, tomograms, binning)
    if tomogram_files is not None and given.tomograms_file is None:
        raise ValueError("tomogram_files need a tomograms.star; give files alone as tomograms.")
    block, dialect = _particle_block(path, blocks, given)
    particles = ParticleTable(blocks, block)
    _check_table(path, particles.table, block, tomograms is not None)
    names = particles.tomogram_names
    given = _by_names_of_table(path, names, given, tomogram_files)
    positions, voxels = resolve_positions(path, blocks, block, dialect, names, given)
    known_files = _tomogram_files(given)
    return ParticleTable(blocks, block, positions, known_files, voxels, kind_of(path))


def write_particles(
    path: str | os.PathLike[str],
    particles: ParticleTable,
    *,
    class_numbers: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
    probability_classes: ArrayLike | None = None,
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
    overwrite : bool, default=False
        Whether to replace an existing file.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ValueError
        If the numbers do not suit the particles, or the kind of file has no place for them or for
        text among the particles.
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
    blocks = {**particles.blocks, particles.block: table}
    check_writable(Path(path), blocks, table)
    with atomic_path(path, overwrite=overwrite) as temporary:
        write_blocks(blocks, temporary)


def writable_table(path: Path, particles: ParticleTable) -> pd.DataFrame:
    """Return a copy of the table as it is to be written to a file, after checking that it can be.

    Raises
    ------
    ValueError
        If the kind of file has no place for it, or would say other coordinates.
    """
    check_writable(path, particles.blocks, particles.table)
    table = written_table(
        path,
        particles.blocks,
        particles.block,
        kind=particles.file_kind,
        positions=particles.positions,
        names=particles.tomogram_names,
    )
    return table.copy()


def _given(
    shifts: str | None,
    pixel_size_angstrom: float | None,
    tomograms: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None,
    binning: float | None,
) -> Given:
    if tomograms is None or isinstance(tomograms, Mapping):
        return Given(shifts, pixel_size_angstrom, tomograms, None, binning)
    table = Path(tomograms)
    return Given(shifts, pixel_size_angstrom, read_tomograms(table), table, binning)


def _by_names_of_table(
    path: Path,
    names: NDArray | None,
    given: Given,
    files: Mapping[str, str | os.PathLike[str]] | None,
) -> Given:
    """Return what was given with the tomograms by the names that the table has for them."""
    if names is None or given.tomograms is None:
        return given
    try:
        found = find_tomograms(names, given.tomograms, missing="ignore")
        chosen = find_tomograms(names, files or {}, missing="ignore")
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from error
    for name, file in chosen.items():
        if name in found:
            found[name] = found[name]._replace(file=Path(file))
    return given._replace(tomograms=found)


def _tomogram_files(given: Given) -> dict[str, Path] | None:
    files = {
        name: one.file if isinstance(one, Tomogram) else Path(one)
        for name, one in (given.tomograms or {}).items()
    }
    return {name: file for name, file in files.items() if file is not None} or None


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


def _has_particles(path: Path, blocks: dict[str, Any]) -> bool:
    return any(find_dialect(path, blocks, block) for block in blocks.values())


def _particle_block(path: Path, blocks: dict[str, Any], given: Given) -> tuple[str, Dialect]:
    found = {
        name: find_dialect(path, blocks, block, are_pixels=given.binning == 1)
        for name, block in blocks.items()
    }
    known = {name: dialect for name, dialect in found.items() if dialect is not None}
    if len(known) == 1:
        return next(iter(known.items()))
    if known:
        raise FileFormatError(
            f"{path} has coordinates in several blocks, [{listed(known)}]. Keep one."
        )
    columns = "; ".join(f"{name!r}: {listed(block)}" for name, block in list(blocks.items())[:3])
    raise FileFormatError(
        f"{path} has no particle coordinates: no block has the columns "
        f"{'; or '.join(known_columns())}. There are {columns}."
    )


def _tomogram_column(table: pd.DataFrame) -> str | None:
    return tomogram_column(map(str, table))


def _check_table(path: Path, table: Any, block: str, is_cut: bool) -> None:
    if not hasattr(table, "columns"):
        raise FileFormatError(f"{path} has no particles: its coordinates are no table of rows.")
    column = _tomogram_column(table)
    if column is None and is_cut:
        check_one_tomogram(path, table)
    missing: Any = [] if column is None else np.flatnonzero(table[column].isna())
    if len(missing):
        raise FileFormatError(
            f"{path} does not say in which tomogram {len(missing)} of its particles are: "
            f"{row_name(path, block, int(missing[0]))} has no {column}. Add it."
        )
    check_class_column(path, table, block)
