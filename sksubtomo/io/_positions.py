"""Where particles are, whatever way their table says it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._mrc import read_mrc

if TYPE_CHECKING:
    import pandas as pd

_Columns = tuple[str, str, str]


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
    table: pd.DataFrame,
    convention: Convention,
    names: NDArray | None,
    *,
    shifts: str | None,
    pixel_size_angstrom: float | None,
    tomograms: Mapping[str, str | os.PathLike[str]] | None,
    binning: float,
) -> NDArray[np.float64]:
    """Return centres z, y, x in voxels of the tomogram, from 0.

    The parameters are those of :func:`read_particles`.

    Raises
    ------
    FileFormatError
        If the file does not say enough; the message names the argument that would.
    """
    positions = _numbers(path, table, convention.coordinates)
    voxel_sizes: NDArray[np.float64] | None = None
    if convention.unit == "centred":
        positions, voxel_sizes = _from_centre(path, positions, names, tomograms)
    elif convention.unit == "angstrom":
        if pixel_size_angstrom is None:
            raise FileFormatError(
                f"{path} has coordinates in angstrom. Give the voxel size of the tomogram as "
                "pixel_size_angstrom."
            )
        positions = positions / (pixel_size_angstrom * binning)
    else:
        positions = (positions - convention.first_voxel) / binning
        if pixel_size_angstrom is not None:
            voxel_sizes = np.full((len(positions), 1), pixel_size_angstrom * binning)
    for columns, in_angstrom, sign in convention.shifts:
        present = [column for column in columns if column in table]
        values = np.zeros_like(positions)
        for column in present:
            values[:, columns.index(column)] = _numbers(path, table, (column,))[:, 0]
        if not values.any() or shifts == "ignore":
            continue
        if shifts is None:
            raise FileFormatError(
                f"{path} shifts the particles' centres by {', '.join(present)}. Say what to do: "
                "shifts='apply' moves the centres, shifts='ignore' leaves them."
            )
        if in_angstrom and voxel_sizes is None:
            raise FileFormatError(
                f"{path} has shifts in angstrom ({', '.join(present)}), but coordinates in pixels. "
                "Give the size of those pixels as pixel_size_angstrom."
            )
        scale = voxel_sizes if in_angstrom and voxel_sizes is not None else np.array(binning)
        positions = positions + sign * values / scale
    return positions


def _from_centre(
    path: Path,
    centred: NDArray[np.float64],
    names: NDArray | None,
    tomograms: Mapping[str, str | os.PathLike[str]] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return voxels, and the voxel size of each particle, from angstrom off the centre."""
    if tomograms is None or names is None:
        raise FileFormatError(
            f"{path} has coordinates in angstrom from the centre of the tomogram "
            "(rlnCenteredCoordinate...Angst), and rlnTomoName says of which. Give the files of the "
            "tomograms, which have size and voxel size, as tomograms={name: path}."
        )
    missing = sorted({str(name) for name in names} - set(tomograms))
    if missing:
        raise FileFormatError(f"{path} has particles in {missing[:5]}, not among `tomograms`.")
    positions, sizes = np.empty_like(centred), np.empty((len(centred), 3))
    for name in np.unique(names):
        rows = names == name
        data, voxel_size = read_mrc(tomograms[name], mmap=True)
        if voxel_size is None:
            raise FileFormatError(f"{tomograms[name]} does not say its voxel size.")
        if any(edge % 2 for edge in data.shape):
            warnings.warn(
                f"{tomograms[name]} has an odd edge, {data.shape}: programs differ by half a voxel "
                "in where its centre is; here, it is half the edge, counted from the first voxel.",
                UserWarning,
                stacklevel=4,
            )
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
