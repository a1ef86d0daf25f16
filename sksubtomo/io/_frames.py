"""The tomogram of each particle: its shape and its voxels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._mrc import read_header
from sksubtomo.io._pixels import check_same
from sksubtomo.io._relion import Tomogram
from sksubtomo.io._volume import open_volume

_Columns = NDArray[np.float64]


class Given(NamedTuple):
    """What the caller of :func:`read_particles` says beside the file."""

    shifts: str | None
    pixel_size_angstrom: float | None
    tomograms: Mapping[str, str | os.PathLike[str]] | Mapping[str, Tomogram] | None
    #: File of the table of tomograms, where `tomograms` are of one.
    tomograms_file: Path | None
    binning: float | None


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
    error: Exception | None = None
    table: TomogramTable | None = None


def find_frames(path: Path, names: NDArray | None, n_particles: int, given: Given) -> Frames:
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

    Raises
    ------
    FileFormatError
        If a table of tomograms lacks one, or contradicts the header of its file.
    """
    if given.tomograms is None or n_particles == 0:
        return _unknown(n_particles)
    if given.tomograms_file is None:
        return _of_files(names, n_particles, given.tomograms)
    return _of_table(path, names, given.tomograms, given)


def check_known(
    path: Path, frames: Frames, names: NDArray | None, values: NDArray[np.float64]
) -> None:
    """Check that shapes or voxels are known, but for some files that cannot be read.

    Raises
    ------
    FileFormatError
        If a tomogram is not given, or does not say its voxel size, or if none can be read.
    """
    if frames.error is not None and frames.unreadable.all():
        raise frames.error
    unknown = ~np.isfinite(values).all(axis=1) & ~frames.unreadable
    if not unknown.any():
        return
    file = frames.files[int(unknown.argmax())]
    if file is not None:
        raise FileFormatError(
            f"{file} does not say its voxel size. Give it as pixel_size_angstrom."
        )
    missing = [] if names is None else sorted(set(names[unknown].tolist()))
    raise FileFormatError(f"{path} has particles in [{listed(missing)}], not among `tomograms`.")


def _unknown(n_particles: int) -> Frames:
    shapes, voxels = np.full((2, n_particles, 3), np.nan)
    files = np.full(n_particles, None, dtype=object)
    return Frames(shapes, shapes, voxels, files, np.zeros(n_particles, dtype=bool))


def _of_files(names: NDArray | None, n_particles: int, tomograms: Mapping) -> Frames:
    frames = _unknown(n_particles)
    for file, rows in _files_of(names, n_particles, tomograms):
        frames.files[rows] = str(file)
        try:
            frames.shapes[rows], frames.voxels[rows] = _header(file)
        except (FileFormatError, OSError) as error:
            frames.unreadable[rows] = True
            frames = frames._replace(error=frames.error or error)
    return frames


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


def _header(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if path.suffix.lower() in (".em", ".zarr"):
        volume = open_volume(path)
        shape, sizes = volume.shape, volume.voxel_size_angstrom
    else:
        header = read_header(path)
        shape = tuple(header.layout.shape[axis] for axis in header.layout.order)
        sizes = header.voxel_size_angstrom
    return shape, (np.nan,) * 3 if sizes is None else sizes


def _of_table(path: Path, names: NDArray | None, tomograms: Mapping, given: Given) -> Frames:
    """Return what a table of tomograms says, by the binning that was given where it has none."""
    if names is None:
        raise FileFormatError(
            f"{path} does not say of which tomogram its particles are; add rlnTomoName."
        )
    labels, codes = factorize(names)
    missing = [str(name) for name in labels if str(name) not in tomograms]
    if missing:
        raise FileFormatError(
            f"{path} has particles in [{listed(missing)}], not among `tomograms` "
            f"({given.tomograms_file}); give a table with all of them."
        )
    rows = [row for row in map(tomograms.get, map(str, labels)) if isinstance(row, Tomogram)]
    nothing = (np.nan,) * 3
    pixels = np.array([row.pixel_size_angstrom for row in rows])
    edges = np.array([row.shape or nothing for row in rows], dtype=np.float64)
    binnings = np.array([row.binning or np.nan for row in rows], dtype=np.float64)
    binning = binnings if given.binning is None else np.where(binnings > 0, binnings, given.binning)
    voxels = np.repeat((pixels * binning)[:, None], 3, axis=1)
    found = [_checked_file(path, *one, given) for one in zip(rows, voxels, strict=True)]
    measured, sizes, unreadable = (np.array(values) for values in zip(*found, strict=True))
    # Where the table does not say the binning, the header of the file does.
    voxels = np.where(np.isnan(voxels), sizes, voxels)
    binning = voxels[:, 2] / pixels
    return Frames(
        (edges / binning[:, None])[codes],
        measured[codes],
        voxels[codes],
        np.full(len(names), str(given.tomograms_file), dtype=object),
        unreadable[codes],
        table=TomogramTable(pixels[codes], edges[codes], binning[codes]),
    )


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
    if row.file is None or not row.file.exists():
        return nothing, nothing, False
    try:
        shape, sizes = _header(row.file)
    except (FileFormatError, OSError):
        return nothing, nothing, True
    if given.binning is None:
        says = f"the voxel size by rlnTomoTomogramBinning of {given.tomograms_file}"
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
