"""The tomogram of each particle: its shape and its voxels."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed, plural
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._pixels import check_same
from sksubtomo.io._relion import Tomogram
from sksubtomo.io._volume import read_frame

_Columns = NDArray[np.float64]
# Of a tomogram that a table of them lacks.
_NOT_GIVEN = Tomogram(None, math.nan, None, None)


class Given(NamedTuple):
    """What the caller of :func:`read_particles` says beside the file."""

    shifts: str | None
    pixel_size_angstrom: float | None
    tomograms: Mapping[str, str | os.PathLike[str]] | Mapping[str, Tomogram] | None
    #: File of the table of tomograms, where `tomograms` are of one.
    tomograms_file: Path | None
    binning: float | None
    shift_pixel_size_angstrom: float | None = None


class TomogramTable(NamedTuple):
    """What a table of tomograms says for each particle; NaN where it says nothing.

    Parameters
    ----------
    pixels : ndarray of shape (n_particles,)
        Of the unbinned tilt series, in angstrom.
    edges : ndarray of shape (n_particles, 3)
        Edges z, y, x in such pixels.
    binnings : ndarray of shape (n_particles,)
        Edge of a voxel in such pixels, by the table or else by the header of the file.
    """

    pixels: _Columns
    edges: _Columns
    binnings: _Columns


class Frames(NamedTuple):
    """What is known of the tomogram of each particle; NaN where it is not.

    Parameters
    ----------
    shapes : ndarray of shape (n_particles, 3)
        Edges z, y, x in voxels, as the file or a table of tomograms says.
    file_shapes : ndarray of shape (n_particles, 3)
        The same, as the file says.
    voxels : ndarray of shape (n_particles, 3)
        Edges z, y, x of a voxel in angstrom.
    files : ndarray of shape (n_particles,) of object
        The files, or the table of tomograms; None where there is none.
    unreadable : ndarray of shape (n_particles,) of bool
        Whether the file is there and cannot be read; who cuts boxes tells so.
    absent : ndarray of shape (n_particles,) of bool
        Whether tomograms are given, and not that of the particle; who cuts boxes tells so, too.
    error : Exception, optional
        What is wrong with the first of these files.
    table : TomogramTable, optional
        Where a table of tomograms is given.
    """

    shapes: _Columns
    file_shapes: _Columns
    voxels: _Columns
    files: NDArray
    unreadable: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    error: Exception | None = None
    table: TomogramTable | None = None

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Which particles have no tomogram that can be read, though tomograms are given."""
        return self.unreadable | self.absent


def find_frames(
    path: Path,
    names: NDArray | None,
    n_particles: int,
    given: Given,
    pixels: _Columns | None = None,
) -> Frames:
    """Return what is known of the tomogram of each particle.

    Parameters
    ----------
    path : Path
        The table of particles.
    names : ndarray of shape (n_particles,) of str, optional
        Tomogram of each.
    n_particles : int
        Number of particles.
    given : Given
        With tomograms by the names in the table.
    pixels : ndarray of shape (n_particles,), optional
        Size in angstrom of the pixels that a given binning counts in, where these are not those of
        the tilt series.

    Raises
    ------
    FileFormatError
        If a table of tomograms lacks those of most particles, or contradicts the header of a
        file.
    """
    if given.tomograms is None or n_particles == 0:
        return _unknown(n_particles)
    if given.tomograms_file is None:
        return _of_files(names, n_particles, given.tomograms)
    return _of_table(path, names, given.tomograms, given, pixels)


def check_found(path: Path, frames: Frames, names: NDArray | None, given: Given) -> None:
    """Check that tomograms are given for most particles.

    Raises
    ------
    FileFormatError
        If they are not: something else is wrong then. The others cost their own particles.
    """
    n_absent = int(frames.absent.sum())
    if 2 * n_absent <= len(frames.absent):
        return
    if names is None:
        raise FileFormatError(
            f"{path} does not say which tomogram a particle is in (rlnTomoName), and of "
            "`tomograms` there is not one only. Add that column.",
        )
    missing = dict.fromkeys(names[frames.absent].tolist())
    file = "" if given.tomograms_file is None else f" ({given.tomograms_file})"
    raise FileFormatError(
        f"{path} has particles in [{listed(missing)}], not among `tomograms`{file}: {n_absent} of "
        f"{plural(len(names), 'particle')}, which is most. Give those tomograms, too.",
        arguments=("tomograms",),
    )


def check_known(
    path: Path, frames: Frames, names: NDArray | None, values: NDArray[np.float64], given: Given
) -> None:
    """Check that shapes or voxels are known, but of some tomograms that are lost.

    Raises
    ------
    FileFormatError
        If a tomogram does not say its voxel size, or if none can be read, or most are not given.
    """
    check_found(path, frames, names, given)
    if frames.error is not None and frames.lost.all():
        raise frames.error
    unknown = ~np.isfinite(values).all(axis=1) & ~frames.lost
    if unknown.any():
        file = frames.files[int(unknown.argmax())]
        raise FileFormatError(
            f"{file} does not say its voxel size. Give it as pixel_size_angstrom.",
            arguments=("pixel_size_angstrom",),
        )


def _unknown(n_particles: int) -> Frames:
    shapes, voxels = np.full((2, n_particles, 3), np.nan)
    files = np.full(n_particles, None, dtype=object)
    unreadable, absent = np.zeros((2, n_particles), dtype=bool)
    return Frames(shapes, shapes, voxels, files, unreadable, absent)


def _of_files(names: NDArray | None, n_particles: int, tomograms: Mapping) -> Frames:
    frames = _unknown(n_particles)
    frames.absent[:] = True
    for file, rows in _files_of(names, n_particles, tomograms):
        frames.files[rows], frames.absent[rows] = str(file), False
        try:
            frames.shapes[rows], frames.voxels[rows] = _frame(file)
        except (FileFormatError, OSError) as error:
            frames.unreadable[rows] = True
            frames = frames._replace(error=frames.error or error)
    return frames


def _frame(file: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    shape, sizes = read_frame(file)
    return shape, (np.nan,) * 3 if sizes is None else sizes


def _files_of(
    names: NDArray | None, n_particles: int, tomograms: Mapping
) -> list[tuple[Path, NDArray[np.bool_]]]:
    """Return the files, and which particles are in each."""
    if names is None:
        # Without a name, only one tomogram can be meant.
        distinct = list({Path(file) for file in tomograms.values()})
        return [(distinct[0], np.ones(n_particles, dtype=bool))] if len(distinct) == 1 else []
    labels, codes = factorize(names)
    found = [(code, tomograms.get(str(name))) for code, name in enumerate(labels)]
    return [(Path(file), codes == code) for code, file in found if file is not None]


def _of_table(
    path: Path, names: NDArray | None, tomograms: Mapping, given: Given, own: _Columns | None
) -> Frames:
    """Return what a table of tomograms says, by the binning that was given where it has none."""
    if names is None:
        raise FileFormatError(
            f"{path} does not say of which tomogram its particles are; add rlnTomoName."
        )
    labels, codes = factorize(names)
    rows = [tomograms.get(str(label), _NOT_GIVEN) for label in labels]
    nothing = (np.nan,) * 3
    pixels = np.array([row.pixel_size_angstrom for row in rows])
    edges = np.array([row.shape or nothing for row in rows], dtype=np.float64)
    binnings = np.array([row.binning or np.nan for row in rows], dtype=np.float64)
    voxels = np.repeat((pixels * binnings)[:, None], 3, axis=1)
    if given.binning is not None:
        first = np.unique(codes, return_index=True)[1]
        counted = pixels if own is None else own[first]
        voxels = np.where(np.isnan(voxels), given.binning * counted[:, None], voxels)
    found = [_checked_file(path, *one, given) for one in zip(rows, voxels, strict=True)]
    measured, sizes, unreadable = (np.array(values) for values in zip(*found, strict=True))
    # Where the table does not say the binning, the header of the file does.
    voxels = np.where(np.isnan(voxels), sizes, voxels)
    binning = voxels[:, 2] / pixels
    frames = Frames(
        (edges / binning[:, None])[codes],
        measured[codes],
        voxels[codes],
        np.full(len(names), str(given.tomograms_file), dtype=object),
        unreadable[codes],
        np.array([row is _NOT_GIVEN for row in rows])[codes],
        table=TomogramTable(pixels[codes], edges[codes], binning[codes]),
    )
    check_found(path, frames, names, given)
    return frames


def factorize(names: NDArray) -> tuple[NDArray, NDArray[np.intp]]:
    """Return each name once, and which of them is at each place."""
    import pandas as pd

    codes, labels = pd.factorize(names)
    return labels, codes


def _checked_file(
    path: Path, row: Tomogram, voxel: _Columns, given: Given
) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """Return shape and voxels of a reconstruction, and whether it cannot be read.

    Its voxels must be those that its table says.
    """
    nothing = (np.nan,) * 3
    if row.file is None or not os.path.exists(row.file):
        return nothing, nothing, False
    try:
        shape, sizes = _frame(row.file)
    except (FileFormatError, OSError):
        return nothing, nothing, True
    said = "rlnTomoTomogramBinning"
    if row.binning is None:
        said = f"binning={given.binning!r} and the pixel size"
    says = f"the voxel size by {said} of {given.tomograms_file}"
    check_same(path, says, voxel, f"that of {row.file}", np.array(sizes))
    return shape, sizes, False


def warn_odd(frames: Frames, stacklevel: int) -> None:
    """Warn of tomograms whose center lies between two voxels."""
    odd = (frames.shapes % 2 == 1).any(axis=1)
    if odd.any():
        row = int(odd.argmax())
        warnings.warn(
            f"{frames.files[row]} has an odd edge, {tuple(frames.shapes[row].tolist())}: programs "
            "differ by half a voxel in where its center is; here, it is half the edge, counted "
            "from the first voxel.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
