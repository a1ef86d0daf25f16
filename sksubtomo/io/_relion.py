"""What RELION writes beside the particles: optimisation sets, tomograms and optics groups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import check_is_file
from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._dialects import TILT_SERIES_PIXEL
from sksubtomo.io._scale import LARGEST, SMALLEST
from sksubtomo.io._tables import read_blocks

if TYPE_CHECKING:
    import pandas as pd

_NAME = "rlnTomoName"
_PARTICLES_FILE, _TOMOGRAMS_FILE = "rlnTomoParticlesFile", "rlnTomoTomogramsFile"
_SIZES = ("rlnTomoSizeZ", "rlnTomoSizeY", "rlnTomoSizeX")
_BINNING, _RECONSTRUCTION = "rlnTomoTomogramBinning", "rlnTomoReconstructedTomogram"


class Tomogram(NamedTuple):
    """A row of a table of tomograms.

    Parameters
    ----------
    shape : (float, float, float) or None
        Edges z, y, x in voxels of the unbinned tilt series.
    pixel_size_angstrom : float
        Of the unbinned tilt series.
    binning : float or None
        Edge of a voxel of the reconstruction in pixels of the unbinned tilt series.
    file : Path or None
        The reconstruction.
    """

    shape: tuple[float, float, float] | None
    pixel_size_angstrom: float
    binning: float | None
    file: Path | None


def find_file(name: str, star: Path) -> Path | None:
    """Return where a file named in a STAR file is, or None if it is nowhere.

    RELION counts from the folder of the project, which is some parent of most of its files.
    """
    # Not by `Path.exists`, which raises an error for names that are too long.
    return next((place for place in _places(name, star) if os.path.exists(place)), None)


def read_set(path: Path, blocks: dict[str, Any]) -> tuple[Path, str | None] | None:
    """Return the files of an optimisation set, or None if the blocks are no such set.

    Returns
    -------
    files : (Path, str or None)
        The file of particles, and the name of that of tomograms as the set says it.

    Raises
    ------
    FileFormatError
        If the file of particles is not found, or there are several.
    """
    tables = [block for block in map(as_table, blocks.values()) if _PARTICLES_FILE in block]
    if not tables:
        return None
    if len(tables) > 1 or len(tables[0]) != 1:
        raise FileFormatError(
            f"{path} must name exactly one file of particles, but names {len(tables[0])} in "
            f"{len(tables)} blocks. Read the tables one by one."
        )
    row = tables[0].iloc[0]
    tomograms = row.get(_TOMOGRAMS_FILE)
    given = isinstance(tomograms, str) and tomograms != ""
    return require_file(str(row[_PARTICLES_FILE]), path), tomograms if given else None


def require_file(name: str, star: Path) -> Path:
    """Return where a file named in a STAR file is.

    Raises
    ------
    FileFormatError
        If it is nowhere.
    """
    found = find_file(name, star)
    if found is None or not found.is_file():
        places = [shorten(place, 200) for place in _places(name, star)]
        shown = ", ".join(places[:4]) + (" and above" if len(places) > 4 else "")
        raise FileFormatError(
            f"{star} names the file {shorten(name, 100)!r}, which is not found; run from the "
            f"folder of the project, or put it where it was looked for: {shown}."
        )
    return found


def read_tomograms(path: Path) -> dict[str, Tomogram]:
    """Return the tomograms of a table of RELION, by name.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is no table of tomograms.
    """
    check_is_file(path)
    tables = [
        table
        for table in map(as_table, read_blocks(path).values())
        if {_NAME, TILT_SERIES_PIXEL} <= set(table)
    ]
    if len(tables) != 1:
        raise FileFormatError(
            f"{path} is not a table of tomograms: {len(tables)} blocks, not one, have the columns "
            f"{_NAME} and {TILT_SERIES_PIXEL}; give RELION's tomograms.star."
        )
    (table,) = tables
    names = table[_NAME].to_numpy(dtype=str).tolist()
    if len(set(names)) != len(names):
        raise FileFormatError(f"{path} has several tomograms of the same {_NAME}; rename them.")
    pixels = positive_numbers(path, table, TILT_SERIES_PIXEL)
    check_plausible(path, TILT_SERIES_PIXEL, pixels)
    sizes = [positive_numbers(path, table, one) for one in _SIZES if one in table]
    binnings = positive_numbers(path, table, _BINNING) if _BINNING in table else None
    files = _reconstructions(path, table)
    return {
        name: Tomogram(
            (float(sizes[0][row]), float(sizes[1][row]), float(sizes[2][row]))
            if len(sizes) == 3
            else None,
            float(pixels[row]),
            None if binnings is None else float(binnings[row]),
            files[row],
        )
        for row, name in enumerate(names)
    }


def positive_numbers(path: Path, table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column of positive numbers.

    Raises
    ------
    FileFormatError
        If it has anything else.
    """
    values = table[column]
    if values.dtype.kind not in "iuf" or not ((values > 0) & np.isfinite(values)).all():
        raise FileFormatError(f"{path} must have positive numbers in the column {column}.")
    return values.to_numpy(dtype=np.float64)


def check_plausible(path: Path, column: str, sizes: NDArray[np.float64]) -> None:
    """Check that sizes of pixels are such as a microscope can have.

    Raises
    ------
    FileFormatError
        If one is not.
    """
    odd = ~((sizes >= SMALLEST) & (sizes <= LARGEST))
    if odd.any():
        raise FileFormatError(
            f"{path} has pixels of {sizes[odd.argmax()]:g} A by {column}, which is not from "
            f"{SMALLEST:g} to {LARGEST:g}. Correct it, or remove the column."
        )


def as_table(block: Any) -> pd.DataFrame:
    """Return a block as a table; one of single values has one row."""
    import pandas as pd

    return block if isinstance(block, pd.DataFrame) else pd.DataFrame([block])


def _reconstructions(path: Path, table: pd.DataFrame) -> list[Path | None]:
    if _RECONSTRUCTION not in table:
        return [None] * len(table)
    names = [name if isinstance(name, str) else "" for name in table[_RECONSTRUCTION]]
    return [(find_file(name, path) or Path(name)) if name else None for name in names]


def _places(name: str, star: Path) -> list[Path]:
    if Path(name).is_absolute():
        return [Path(name)]
    # As text, so that a link to a STAR file is looked at from where it lies.
    folders = [*Path(os.path.abspath(star)).parents, Path.cwd()]
    return [folder / name for folder in dict.fromkeys(folders)]
