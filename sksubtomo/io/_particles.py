"""Reading tables of particles, and where the particles are."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import check_is_file
from sksubtomo._utils._messages import listed
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._classes import check_class_column
from sksubtomo.io._dialects import Dialect, find_dialect, known_columns
from sksubtomo.io._frames import Given
from sksubtomo.io._names import find_tomograms
from sksubtomo.io._particle_table import ParticleTable
from sksubtomo.io._positions import resolve_positions
from sksubtomo.io._relion import Tomogram, read_set, read_tomograms, require_file
from sksubtomo.io._tables import kind_of, read_blocks, row_name
from sksubtomo.io._tomogram_column import check_one_tomogram, tomogram_column, tomogram_names

_Tomograms = Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None


def read_particles(
    path: str | os.PathLike[str],
    *,
    shifts: str | None = None,
    pixel_size_angstrom: float | None = None,
    tomograms: Mapping[str, str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
    binning: float | None = None,
    tomogram_files: Mapping[str, str | os.PathLike[str]] | None = None,
    shift_pixel_size_angstrom: float | None = None,
) -> ParticleTable:
    """Read particles of RELION 3 to 5, Warp, M, STOPGAP, Dynamo, copick, napari and others.

    STAR files, and by their ending ``.tbl`` (Dynamo), ``.em`` (motive lists), ``.json`` (copick),
    ``.coords`` (TomoTwin) and ``.csv`` (napari, or columns x, y and z). Coordinates are brought to
    voxels of the tomogram, counted from 0. What each program means by coordinates and shifts is
    in the table of :ref:`io`; in short:

    - ``rlnCoordinateX`` (and Y, Z): pixels, counted from 0, divided by `binning`. Those of Warp's
      tables are of the pixel size that the table states, and are scaled to the voxels of
      `tomograms`; those of its template matching are fractions of the tomogram's edges. Of Warp's
      tables and RELION 4's, which count in pixels of their own, ``coordinates`` is an error where
      neither `tomograms` nor `binning` says how many of them are a voxel.
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
        table. Particles whose tomogram is not among them, or cannot be read, have coordinates NaN
        where it has to say them; if most particles are such, it is an error.
    binning : float, optional
        Edge of a voxel of the tomogram in pixels of the coordinates. The first voxel stays the
        first, as in Fourier cropping. By default, for RELION's coordinates what
        ``rlnTomoTomogramBinning`` of `tomograms` says, otherwise 1. Beside RELION's
        ``tomograms.star``, it must be what that and the headers of its files say.
    tomogram_files : dict of str to path-like, optional
        Files to be used in place of those that RELION's ``tomograms.star`` names. Their voxels
        must be those that it says; where it does not say the binning, their headers do.
    shift_pixel_size_angstrom : float, optional
        Of the pixels that shifts in pixels (``rlnOriginX``, ``x_shift``, ``dx``) are in. By
        default, those of the coordinates, which is asked about where the file states other sizes.

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
        in which pixels they are. Its ``arguments`` name those that answer what is left open.
    ValueError
        If an argument is out of range, or `tomogram_files` is given without ``tomograms.star``.
    ImportError
        If pandas is not installed; it comes with ``pip install 'sksubtomo[data]'``.
    """
    path = Path(path)
    check_is_file(path)
    if shifts not in (None, "apply", "ignore"):
        raise ValueError(f"shifts={shifts!r} must be 'apply' or 'ignore', or left out.")
    for name, value in (
        ("pixel_size_angstrom", pixel_size_angstrom),
        ("binning", binning),
        ("shift_pixel_size_angstrom", shift_pixel_size_angstrom),
    ):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name}={value!r} must be a positive number.")
    path, tomograms, blocks, found = _locate(path, tomograms, are_pixels=binning == 1)
    given = _given(shifts, pixel_size_angstrom, tomograms, binning, shift_pixel_size_angstrom)
    if tomogram_files is not None and given.tomograms_file is None:
        raise ValueError("tomogram_files need a tomograms.star; give files alone as tomograms.")
    block, dialect = found
    _check_table(path, blocks[block], block, tomograms is not None)
    names = tomogram_names(blocks[block])
    given = _by_names_of_table(path, names, given, tomogram_files)
    positions, voxels = resolve_positions(path, blocks, block, dialect, names, given)
    return ParticleTable(blocks, block, positions, _tomogram_files(given), voxels, kind_of(path))


def _locate(
    path: Path, tomograms: _Tomograms, *, are_pixels: bool
) -> tuple[Path, _Tomograms, dict[str, Any], tuple[str, Dialect]]:
    """Return the file of particles, that of tomograms, all blocks, and that of particles.

    An optimisation set is followed to both files.
    """
    blocks = read_blocks(path)
    found = _find_block(path, blocks, are_pixels)
    files = read_set(path, blocks) if found is None else None
    if files is not None:
        set_file, (path, named) = path, files
        if tomograms is None and named is not None:
            tomograms = require_file(named, set_file)
        blocks = read_blocks(path)
        found = _find_block(path, blocks, are_pixels)
    if found is None:
        columns = [f"{listed([name])}: {listed(block)}" for name, block in list(blocks.items())[:3]]
        raise FileFormatError(
            f"{path} has no particle coordinates: no block has the columns "
            f"{'; or '.join(known_columns())}. There are {'; '.join(columns)}."
        )
    return path, tomograms, blocks, found


def _find_block(path: Path, blocks: dict[str, Any], are_pixels: bool) -> tuple[str, Dialect] | None:
    """Return the block of particles and what it means, or None if there is none."""
    known = {}
    for name, block in blocks.items():
        dialect = find_dialect(path, blocks, block, are_pixels=are_pixels)
        if dialect is not None:
            known[name] = dialect
    if len(known) > 1:
        raise FileFormatError(
            f"{path} has coordinates in several blocks, [{listed(known)}]. Keep one."
        )
    return next(iter(known.items()), None)


def _given(
    shifts: str | None,
    pixel_size_angstrom: float | None,
    tomograms: _Tomograms,
    binning: float | None,
    shift_pixel_size_angstrom: float | None,
) -> Given:
    table = None
    known: Mapping[str, Any] | None
    if tomograms is None or isinstance(tomograms, Mapping):
        known = tomograms
    else:
        table = Path(tomograms)
        known = read_tomograms(table)
    return Given(shifts, pixel_size_angstrom, known, table, binning, shift_pixel_size_angstrom)


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


def _check_table(path: Path, table: Any, block: str, is_cut: bool) -> None:
    if not hasattr(table, "columns"):
        raise FileFormatError(f"{path} has no particles: its coordinates are no table of rows.")
    column = tomogram_column(map(str, table))
    if column is None and is_cut:
        check_one_tomogram(path, table)
    missing: Any = [] if column is None else np.flatnonzero(table[column].isna())
    if len(missing):
        raise FileFormatError(
            f"{path} does not say in which tomogram {len(missing)} of its particles are: "
            f"{row_name(path, block, int(missing[0]))} has no {column}. Add it."
        )
    check_class_column(path, table, block)
