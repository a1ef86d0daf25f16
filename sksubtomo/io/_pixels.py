"""How large the pixels of coordinates are, and how many of them are a voxel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._dialects import IMAGE_PIXEL, TILT_SERIES_PIXEL, Dialect
from sksubtomo.io._relion import as_table, check_plausible, positive_numbers

if TYPE_CHECKING:
    import pandas as pd

    from sksubtomo.io._frames import Frames

_Column = NDArray[np.float64]
# Of two pixel sizes or binnings that are the same but for rounding.
_TOLERANCE = 0.01
_GROUP = "rlnOpticsGroup"
_MICROGRAPH_PIXEL, _ORIGINAL_PIXEL = "rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"
_DETECTOR_PIXEL, _MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
# Each may be that of the coordinates, or that of boxes or micrographs of another binning.
_STATED = (
    TILT_SERIES_PIXEL,
    _MICROGRAPH_PIXEL,
    IMAGE_PIXEL,
    _ORIGINAL_PIXEL,
    "rlnPixelSize",
    _DETECTOR_PIXEL,
)
# RELION 3's pixel of a detector is in micrometers, which the magnification makes angstrom.
_ANGSTROM_PER_MICROMETER = 1e4


class Pixels(NamedTuple):
    """What is known of the pixels of coordinates.

    Parameters
    ----------
    size : ndarray of shape (n_particles,), optional
        In angstrom, where it is known for sure.
    source : str
        What says so.
    stated : dict of str to ndarray of shape (n_particles,)
        All pixel sizes in the file, by column; any may be that of the coordinates.
    is_given : bool
        Whether the caller says it.
    """

    size: _Column | None
    source: str
    stated: dict[str, _Column]
    is_given: bool


def find_pixels(
    path: Path,
    blocks: dict[str, Any],
    block: str,
    dialect: Dialect,
    given: float | None,
) -> Pixels:
    """Return what a file and the caller say of the pixels of the coordinates.

    Raises
    ------
    FileFormatError
        If they contradict each other, or it cannot be told which pixel size is whose.
    """
    stated = stated_pixels(path, blocks, block)
    said = stated.get(dialect.pixel) if dialect.pixel is not None else None
    if given is not None:
        size = np.full(len(blocks[block]), float(given))
        if said is None or not _agree(size, said):
            # Where a file states several sizes, the caller may say which it is.
            if said is not None and not any(_agree(size, one) for one in stated.values()):
                check_same(path, "pixel_size_angstrom", size, f"{dialect.pixel} of {path}", said)
            return Pixels(size, "pixel_size_angstrom", stated, True)
    return Pixels(said, f"{dialect.pixel} of {path}", stated, False)


def stated_pixels(path: Path, blocks: dict[str, Any], block: str) -> dict[str, _Column]:
    """Return all pixel sizes that a file states, in angstrom, one for each particle.

    Parameters
    ----------
    path : Path
        The file.
    blocks : dict of str to DataFrame or dict
        All blocks.
    block : str
        That of the particles.

    Raises
    ------
    FileFormatError
        If one is there and not a plausible number for each particle: who drops it cannot compare it
        with the tomograms.
    """
    found = {}
    for column in _STATED:
        values = _of_particles(path, blocks, block, column)
        if values is not None and column == _DETECTOR_PIXEL:
            values = values * _scale_of_detector(path, blocks, block)
        if values is not None:
            check_plausible(path, column, values)
            found[column] = values
    if _MICROGRAPH_PIXEL in found:
        # The original is that of the movies.
        found.pop(_ORIGINAL_PIXEL, None)
    return found


def describe(stated: dict[str, _Column]) -> str:
    """Return pixel sizes as text for a message."""
    return "; ".join(
        f"{column} {', '.join(f'{size:g}' for size in np.unique(values)[:3])}"
        for column, values in stated.items()
    )


def check_same(path: Path, name: str, one: _Column, other_name: str, other: _Column) -> None:
    """Check that two statements agree.

    Raises
    ------
    FileFormatError
        If they do not; the message names both.
    """
    differ = np.abs(one / other - 1) > _TOLERANCE
    if differ.any():
        row = int(np.argmax(differ))
        raise FileFormatError(
            f"{path} is ambiguous: {name} is {one.flat[row]:g}, but {other_name} is "
            f"{other.flat[row]:g}; "
            "correct one, or leave it out."
        )


def find_binning(path: Path, dialect: Dialect, pixels: Pixels, frames: Frames) -> _Column:
    """Return how many pixels of the coordinates are a voxel, where neither caller nor table says.

    Parameters
    ----------
    path : Path
        The table.
    dialect : Dialect
        Its program.
    pixels : Pixels
        Of the coordinates.
    frames : Frames
        Tomograms of the particles.

    Returns
    -------
    binning : ndarray of shape (n_particles,)
        1 where nothing is known; NaN where only a tomogram that is lost could say it.

    Raises
    ------
    FileFormatError
        If there is more than one reading.
    """
    voxels, files = frames.voxels, frames.files
    binning = np.ones(len(voxels))
    if pixels.size is None and not pixels.stated and dialect.pixel is None:
        return binning
    _check_cubes(path, voxels, files)
    if dialect.pixel is not None:
        _check_pixels_known(path, dialect, pixels, frames)
        binning[frames.lost] = np.nan
    voxels = voxels[:, 2]
    known = np.isfinite(voxels)
    if not known.any():
        return binning
    if pixels.size is not None:
        ratio = np.where(known, voxels / pixels.size, 1.0)
        other = np.abs(ratio - 1) > _TOLERANCE
        if other.any() and not (dialect.binned and not pixels.is_given):
            raise _ask_binning(path, pixels, voxels, files, int(other.argmax()))
        return np.where(other, ratio, binning)
    for values in pixels.stated.values():
        other = known & (np.abs(voxels / values - 1) > _TOLERANCE)
        if other.any():
            raise _ask_binning(path, pixels, voxels, files, int(other.argmax()))
    return binning


def ask_own_pixels(path: Path, dialect: Dialect) -> FileFormatError:
    """Return what to raise where a program's table does not say the size of its own pixels."""
    return FileFormatError(
        f"{path} counts in pixels of {dialect.pixel_of}, but does not say their size "
        f"({dialect.pixel}). Give it as pixel_size_angstrom, or the edge of a voxel in such pixels "
        "as binning=; it is 1 if coordinates are in voxels of the tomogram.",
        arguments=("pixel_size_angstrom", "binning"),
    )


def ask_voxels(path: Path, dialect: Dialect, pixels: Pixels) -> str:
    """Return what to ask where no tomogram says how many pixels are a voxel."""
    return (
        f"{path} counts in pixels{_of_size(pixels)}, those of {dialect.pixel_of}, and it is not "
        "known how many of them are a voxel. Read it with tomograms={name: path}, or give the edge "
        "of a voxel in such pixels as binning=; it is 1 if coordinates are in voxels of the "
        "tomogram."
    )


def _check_cubes(path: Path, voxels: _Column, files: NDArray) -> None:
    with np.errstate(invalid="ignore"):
        odd = (np.abs(voxels / voxels[:, 2:] - 1) > _TOLERANCE).any(axis=1)
    if odd.any():
        row = int(odd.argmax())
        shown = " x ".join(f"{edge:g}" for edge in voxels[row])
        raise FileFormatError(
            f"{files[row]} has voxels of {shown} A (z, y, x), but the pixels of {path} have one "
            "size. Correct the header, or give the edge of a voxel in pixels of the coordinates "
            "as binning=.",
            arguments=("binning",),
        )


def _check_pixels_known(path: Path, dialect: Dialect, pixels: Pixels, frames: Frames) -> None:
    """Refuse pixels of a program in given tomograms, where the size of one is not known."""
    unknown = np.array([file is not None for file in frames.files], dtype=bool) & ~frames.lost
    if pixels.size is None:
        if unknown.any():
            raise ask_own_pixels(path, dialect)
        return
    unknown &= np.isnan(frames.voxels[:, 2])
    if unknown.any():
        raise FileFormatError(
            f"{path} counts in pixels{_of_size(pixels)}, those of {dialect.pixel_of}, but "
            f"{frames.files[int(unknown.argmax())]} does not say its voxel size. Give the edge of "
            "a voxel in pixels of the coordinates as binning=; it is 1 if coordinates are in "
            "voxels of the tomogram.",
            arguments=("binning",),
        )


def _of_size(pixels: Pixels) -> str:
    return "" if pixels.size is None else f" of {pixels.size[0]:g} A"


def _ask_binning(
    path: Path, pixels: Pixels, voxels: _Column, files: NDArray, row: int
) -> FileFormatError:
    voxel = f"{files[row]} has voxels of {voxels[row]:g} A"
    stated = {column: values[[row]] for column, values in pixels.stated.items()}
    several = not all(_agree(one, two) for one in stated.values() for two in stated.values())
    if pixels.size is not None and (pixels.is_given or not several):
        size = pixels.size[row]
        message = (
            f"{path} counts in pixels of {size:g} A, but {voxel}. "
            f"Give the binning, such as binning={voxels[row] / size:.4g}."
        )
    else:
        message = (
            f"{path} does not say for sure in which pixels it counts: it states "
            f"{describe(stated)}, and {voxel}. Give the edge of a voxel in pixels of the "
            "coordinates as binning=; it is 1 if coordinates are in voxels of the tomogram."
        )
    return FileFormatError(message, arguments=("binning",))


def _agree(one: _Column, other: _Column) -> bool:
    return bool((np.abs(one / other - 1) <= _TOLERANCE).all())


def _of_particles(path: Path, blocks: dict[str, Any], block: str, column: str) -> _Column | None:
    """Return a column of particles, or that of their optics groups, for each particle."""
    particles = blocks[block]
    # A column without any value says nothing.
    if column in particles and not particles[column].isna().all():
        return positive_numbers(path, particles, column)
    optics = as_table(blocks["optics"]) if "optics" in blocks else None
    if optics is None or column not in optics or optics[column].isna().all():
        return None
    values = positive_numbers(path, optics, column)
    if len(values) and (values == values[0]).all():
        return np.full(len(particles), values[0])
    return values[_rows_of_groups(path, particles, optics, column)]


def _rows_of_groups(
    path: Path, particles: pd.DataFrame, optics: pd.DataFrame, column: str
) -> NDArray[np.intp]:
    import pandas as pd

    if _GROUP not in particles or _GROUP not in optics:
        raise FileFormatError(
            f"{path} has several {column} and no {_GROUP} to tell which is whose; add that column."
        )
    rows = pd.Index(optics[_GROUP])
    if not rows.is_unique:
        raise FileFormatError(f"{path} has a {_GROUP} twice in its block of optics.")
    found = rows.get_indexer(particles[_GROUP])
    if (found < 0).any():
        missing = particles[_GROUP][found < 0].unique()
        raise FileFormatError(
            f"{path} has particles of {_GROUP} [{listed(sorted(map(str, missing)))}], which its "
            "block of optics lacks; add them."
        )
    return found


def _scale_of_detector(path: Path, blocks: dict[str, Any], block: str) -> _Column | float:
    magnification = _of_particles(path, blocks, block, _MAGNIFICATION)
    return 1.0 if magnification is None else _ANGSTROM_PER_MICROMETER / magnification
