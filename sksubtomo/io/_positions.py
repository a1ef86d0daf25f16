"""Where particles are, whatever way their table says it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._mrc import read_mrc
from sksubtomo.io._relion import (
    TILT_SERIES_PIXEL,
    Tomogram,
    pixel_candidates,
    tilt_series_pixels,
)

if TYPE_CHECKING:
    import pandas as pd

_Columns = tuple[str, str, str]
_Column = NDArray[np.float64]
#: Of two pixel sizes or binnings that are the same but for rounding.
_TOLERANCE = 0.01


class Given(NamedTuple):
    """What the caller of :func:`read_particles` says beside the file."""

    shifts: str | None
    pixel_size_angstrom: float | None
    tomograms: Mapping[str, str | os.PathLike[str]] | Mapping[str, Tomogram] | None
    #: File of the table of tomograms, where `tomograms` are of one.
    tomograms_file: Path | None
    binning: float | None


class Convention(NamedTuple):
    """How a table says where particles are.

    Parameters
    ----------
    coordinates : (str, str, str)
        Columns of the coordinates, z, y, x.
    unit : {"voxel", "centred", "angstrom"}
        Voxels; angstrom from the centre of the tomogram; or angstrom from the first voxel.
    first_voxel : float
        Number of the first voxel.
    shifts : tuple of ((str, str, str), bool, int)
        Columns of shifts, whether they are in angstrom, and the sign with which they are added.
    """

    coordinates: _Columns
    unit: str
    first_voxel: float
    shifts: tuple[tuple[_Columns, bool, int], ...]


def _axes(name: str, ending: str = "") -> _Columns:
    return (f"{name}Z{ending}", f"{name}Y{ending}", f"{name}X{ending}")


# RELION's origin is where the centre of the reference lies: it is taken off the coordinate.
_RELION_SHIFTS = ((_axes("rlnOrigin"), False, -1), (_axes("rlnOrigin", "Angst"), True, -1))
_CONVENTIONS = (
    Convention(_axes("rlnCoordinate"), "voxel", 0.0, _RELION_SHIFTS),
    Convention(_axes("rlnCenteredCoordinate", "Angst"), "centred", 0.0, _RELION_SHIFTS),
    # STOPGAP is of MATLAB, whose first voxel is 1.
    Convention(
        ("orig_z", "orig_y", "orig_x"),
        "voxel",
        1.0,
        ((("z_shift", "y_shift", "x_shift"), False, 1),),
    ),
)
# By the ending of the file, where names of columns are too short to tell.
_BY_ENDING = {
    # Dynamo is of MATLAB, too.
    ".tbl": Convention(("z", "y", "x"), "voxel", 1.0, ((("dz", "dy", "dx"), False, 1),)),
    ".csv": Convention(("z", "y", "x"), "voxel", 0.0, ()),
    ".json": Convention(("z", "y", "x"), "angstrom", 0.0, ()),
}
#: All columns of coordinates, to be told in messages.
KNOWN = [" ".join(one.coordinates[::-1]) for one in (*_CONVENTIONS, _BY_ENDING[".csv"])]


def find_convention(columns: list[str], path: Path) -> Convention | None:
    """Return how a table with these columns says where particles are, or None if it does not.

    Raises
    ------
    FileFormatError
        If it says it in more than one way, which may mean different places.
    """
    if path.suffix.lower() in _BY_ENDING:
        convention = _BY_ENDING[path.suffix.lower()]
        return convention if set(convention.coordinates) <= set(columns) else None
    found = [one for one in _CONVENTIONS if set(one.coordinates) <= set(columns)]
    present = [one for one in _CONVENTIONS if set(one.coordinates) & set(columns)]
    if found and len(present) > 1:
        names = [one.coordinates[2] for one in present]
        raise FileFormatError(
            f"{path} has coordinates of several kinds, {names}, which may mean different places. "
            "Remove all but one."
        )
    return found[0] if found else None


def resolve_positions(
    path: Path,
    blocks: dict[str, Any],
    block: str,
    convention: Convention,
    names: NDArray | None,
    given: Given,
) -> NDArray[np.float64]:
    """Return centres z, y, x in voxels of the tomogram, from 0.

    Raises
    ------
    FileFormatError
        If the file does not say enough, or says something else than was given; the message names
        the argument.
    """
    table = blocks[block]
    positions = _numbers(path, table, convention.coordinates)
    voxel_sizes: NDArray[np.float64] | None = None
    binning = np.full((len(table), 1), given.binning or 1.0)
    if convention.unit == "centred" and given.tomograms_file is None:
        positions, voxel_sizes = _from_centre(path, positions, names, given)
    elif convention.unit == "angstrom":
        if given.pixel_size_angstrom is None:
            raise FileFormatError(
                f"{path} has coordinates in angstrom. Give the voxel size of the tomogram as "
                "pixel_size_angstrom."
            )
        positions = positions / (given.pixel_size_angstrom * binning)
    else:
        # Of RELION's tables only, whose pixels are those of the tilt series.
        tomograms = (
            _tomograms_of(path, names, given) if convention.shifts == _RELION_SHIFTS else None
        )
        pixels = _pixel_sizes(path, blocks, block, tomograms, given)
        binning = _binnings(path, tomograms, convention, len(table), given)
        if given.binning is None and given.tomograms_file is None and pixels is not None:
            _check_voxels(path, names, pixels, given)
        if convention.unit == "centred":
            positions = positions / pixels + _half_edges(tomograms or [], given)
        positions = (positions - convention.first_voxel) / binning
        voxel_sizes = None if pixels is None else pixels * binning
    return _shift(path, blocks, block, convention, positions, voxel_sizes, binning, given)


def _shift(
    path: Path,
    blocks: dict[str, Any],
    block: str,
    convention: Convention,
    positions: NDArray[np.float64],
    voxel_sizes: NDArray[np.float64] | None,
    binning: NDArray[np.float64],
    given: Given,
) -> NDArray[np.float64]:
    """Move positions by the shifts in the table, where that is wanted."""
    table = blocks[block]
    for columns, in_angstrom, sign in convention.shifts:
        present = [column for column in columns if column in table]
        values = np.zeros_like(positions)
        for column in present:
            values[:, columns.index(column)] = _numbers(path, table, (column,))[:, 0]
        if not values.any() or given.shifts == "ignore":
            continue
        if given.shifts is None:
            raise FileFormatError(
                f"{path} shifts the particles' centres by {', '.join(present)}. Say what to do: "
                "shifts='apply' moves the centres, shifts='ignore' leaves them."
            )
        if in_angstrom and voxel_sizes is None:
            found = pixel_candidates(blocks, block)
            said = f" The file says {found}, of which it may be one." if found else ""
            raise FileFormatError(
                f"{path} has shifts in angstrom ({', '.join(present)}), but coordinates in pixels. "
                f"Give the size of those pixels as pixel_size_angstrom.{said}"
            )
        scale = voxel_sizes if in_angstrom and voxel_sizes is not None else binning
        positions = positions + sign * values / scale
    return positions


def _tomograms_of(path: Path, names: NDArray | None, given: Given) -> list[Tomogram] | None:
    """Return the row of the table of tomograms of each particle, or None without a table."""
    if given.tomograms_file is None or given.tomograms is None:
        return None
    if names is None:
        raise FileFormatError(
            f"{path} does not say of which tomogram its particles are; add rlnTomoName."
        )
    missing = sorted({str(name) for name in names} - set(given.tomograms))
    if missing:
        raise FileFormatError(
            f"{path} has particles in {missing[:5]}, not among `tomograms` ({given.tomograms_file})"
            "; give a table with all of them."
        )
    rows = (given.tomograms[str(name)] for name in names)
    return [row for row in rows if isinstance(row, Tomogram)]


def _pixel_sizes(
    path: Path,
    blocks: dict[str, Any],
    block: str,
    tomograms: list[Tomogram] | None,
    given: Given,
) -> Any:
    """Return the edge (n, 1) of the pixels of coordinates in angstrom, or None if unknown."""
    said: list[tuple[str, _Column]] = []
    if given.pixel_size_angstrom is not None:
        size = np.full(len(blocks[block]), float(given.pixel_size_angstrom))
        said.append(("pixel_size_angstrom", size))
    if tomograms is not None:
        size = np.array([one.pixel_size_angstrom for one in tomograms])
        said.append((f"{TILT_SERIES_PIXEL} of {given.tomograms_file}", size))
    of_file = tilt_series_pixels(path, blocks, block)
    if of_file is not None:
        said.append((f"{TILT_SERIES_PIXEL} of {path}", of_file))
    for (name, size), (other_name, other) in pairwise(said):
        _check_same(path, name, size, other_name, other)
    return said[-1][1][:, None] if said else None


def _binnings(
    path: Path,
    tomograms: list[Tomogram] | None,
    convention: Convention,
    n_particles: int,
    given: Given,
) -> NDArray[np.float64]:
    """Return the edge (n, 1) of a voxel in pixels of the coordinates."""
    wanted = np.full(n_particles, given.binning or 1.0)
    known = [one.binning for one in tomograms or [] if one.binning is not None]
    if known:
        of_table = np.array(known)
        if given.binning is not None:
            table_name = f"rlnTomoTomogramBinning of {given.tomograms_file}"
            _check_same(path, "binning", wanted, table_name, of_table)
        return of_table[:, None]
    if convention.unit == "centred" and given.binning is None:
        raise FileFormatError(
            f"{path}: {given.tomograms_file} does not say rlnTomoTomogramBinning. Give the "
            "binning of the tomograms as binning."
        )
    return wanted[:, None]


def _check_same(path: Path, name: str, one: _Column, other_name: str, other: _Column) -> None:
    differ = np.abs(one / other - 1) > _TOLERANCE
    if differ.any():
        row = int(np.argmax(differ))
        raise FileFormatError(
            f"{path} is ambiguous: {name} is {one[row]:g}, but {other_name} is {other[row]:g}; "
            "correct one, or leave it out."
        )


def _check_voxels(path: Path, names: NDArray | None, pixels: _Column, given: Given) -> None:
    """Refuse tomograms whose voxels are not the pixels of the coordinates.

    Raises
    ------
    FileFormatError
        If there is one, since the binning was left open.
    """
    if names is None or given.tomograms is None:
        return
    for name in np.unique(names):
        file = given.tomograms.get(str(name))
        if file is None:
            continue
        try:
            sizes = read_mrc(Path(str(file)), mmap=True).voxel_size_angstrom
        except (FileFormatError, FileNotFoundError):
            # Whoever reads the tomogram will tell; others may be fine.
            continue
        pixel = pixels[names == name][0, 0]
        if sizes is not None and abs(sizes[2] / pixel - 1) > _TOLERANCE:
            raise FileFormatError(
                f"{path} counts in pixels of {pixel:g} A, but {file} has voxels of {sizes[2]:g} A. "
                f"Give the binning, such as binning={sizes[2] / pixel:.4g}."
            )


def _half_edges(tomograms: list[Tomogram], given: Given) -> NDArray[np.float64]:
    """Return the centres (n, 3) of the tomograms, in unbinned voxels from the first."""
    shapes = [one.shape for one in tomograms if one.shape is not None]
    if len(shapes) < len(tomograms):
        raise FileFormatError(
            f"{given.tomograms_file} does not say rlnTomoSizeX, Y and Z. Give the files of the "
            "tomograms as tomograms={name: path}."
        )
    for shape in dict.fromkeys(shapes):
        _warn_odd(given.tomograms_file, shape, stacklevel=5)
    return np.array(shapes) / 2


def _warn_odd(source: object, shape: tuple[float, ...], stacklevel: int) -> None:
    if any(edge % 2 for edge in shape):
        warnings.warn(
            f"{source} has an odd edge, {shape}: programs differ by half a voxel "
            "in where its centre is; here, it is half the edge, counted from the first voxel.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _from_centre(
    path: Path, centred: NDArray[np.float64], names: NDArray | None, given: Given
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return voxels, and the voxel size of each particle, from angstrom off the centre."""
    if given.tomograms is None or names is None:
        raise FileFormatError(
            f"{path} has coordinates in angstrom from the centre of the tomogram "
            "(rlnCenteredCoordinate...Angst), and rlnTomoName says of which. Give RELION's "
            "tomograms.star, or the files of the tomograms, as tomograms={name: path}."
        )
    if given.binning not in (None, 1):
        raise FileFormatError(
            f"{path} has coordinates in angstrom, and the files of the tomograms say their voxel "
            f"sizes; leave out binning={given.binning!r}."
        )
    missing = sorted({str(name) for name in names} - set(given.tomograms))
    if missing:
        raise FileFormatError(f"{path} has particles in {missing[:5]}, not among `tomograms`.")
    positions, sizes = np.empty_like(centred), np.empty((len(centred), 3))
    for name in np.unique(names):
        rows = names == name
        file = Path(str(given.tomograms[str(name)]))
        data, voxel_size = read_mrc(file, mmap=True)
        if voxel_size is None:
            raise FileFormatError(f"{file} does not say its voxel size.")
        _warn_odd(file, data.shape, stacklevel=5)
        sizes[rows] = voxel_size
        positions[rows] = centred[rows] / voxel_size + np.array(data.shape) / 2
    return positions, sizes


def _numbers(path: Path, table: pd.DataFrame, columns: tuple[str, ...]) -> NDArray[np.float64]:
    for column in columns:
        if table[column].dtype.kind not in "iuf":
            raise FileFormatError(f"{path} has text in the column {column}; it must be numbers.")
    values = table[list(columns)].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise FileFormatError(f"{path} has coordinates that are missing or not finite.")
    return values
