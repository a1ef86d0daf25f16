"""Where particles are in voxels of their tomograms, whatever way their table says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._dialects import TILT_SERIES_PIXEL, Dialect
from sksubtomo.io._extent import check_extent
from sksubtomo.io._frames import (
    Frames,
    Given,
    TomogramTable,
    check_found,
    check_known,
    factorize,
    find_frames,
    warn_odd,
)
from sksubtomo.io._numbers import read_numbers
from sksubtomo.io._pixels import (
    Pixels,
    ask_own_pixels,
    ask_voxels,
    check_same,
    find_binning,
    find_pixels,
)
from sksubtomo.io._shifts import shift_positions
from sksubtomo.io._voxels import ROUNDED_VOXELS, Voxels

_Columns = NDArray[np.float64]
_BINNING = "rlnTomoTomogramBinning"
_STEP_OF_WHOLE = 1e-3
_READ_WITH = "what it was read with"
# How far fractions of edges may be beyond the edges, and the share of a tomogram's particles from
# which they are a sign of fractions.
_BEYOND, _FEW_FRACTIONS = 0.1, 0.1


def resolve_positions(
    path: Path,
    blocks: dict[str, Any],
    block: str,
    dialect: Dialect,
    names: NDArray | None,
    given: Given,
) -> tuple[_Columns | None, Voxels | None]:
    """Return centers z, y, x in voxels of the tomogram, from 0, and what these voxels are.

    Centers are NaN where the tomogram is lost that would say it, and None where no tomogram is
    given that could.

    Raises
    ------
    FileFormatError
        If the file does not say enough, or says something else than was given; the message names
        the argument.
    """
    table = blocks[block]
    if not len(table):
        return np.empty((0, 3)), None
    coordinates = read_numbers(path, table, block, dialect.coordinates)
    pixels = find_pixels(path, blocks, block, dialect, given.pixel_size_angstrom)
    own_pixels = None
    if dialect.binned:
        own_pixels = np.full(len(table), np.nan) if pixels.size is None else pixels.size
    frames = find_frames(path, names, len(table), given, own_pixels)
    is_certain = given.binning is not None or pixels.size is not None or bool(pixels.stated)
    binning = np.ones((len(table), 1))
    if dialect.unit == "fraction":
        positions, voxels = _from_fractions(path, coordinates, frames, names, given), frames.voxels
    elif dialect.is_centered:
        positions, voxels = _from_center(path, coordinates, dialect, pixels, frames, names, given)
    elif dialect.unit == "angstrom":
        voxels = _voxels_of_angstrom(path, pixels, frames, names, given)
        positions = coordinates / voxels
    else:
        _check_no_fractions(path, coordinates, names, given)
        pixels, binning = _pixels_and_binning(path, dialect, pixels, frames, names, given)
        positions = (coordinates - dialect.first_voxel) / binning
        voxels = frames.voxels if pixels.size is None else pixels.size[:, None] * binning
    scale = binning if dialect.unit == "pixel" else None
    positions = shift_positions(
        path, table, block, dialect, positions, voxels, scale, pixels, frames, given
    )
    is_certain = is_certain or dialect.unit != "pixel"
    # A pixel size in the table may be that of anything.
    sized = pixels.size is not None and bool(np.isfinite(frames.voxels).any())
    is_scaled = given.binning is not None or dialect.unit != "pixel" or sized
    check_extent(path, positions, frames.file_shapes, is_certain=is_certain, is_scaled=is_scaled)
    if dialect.unit != "pixel":
        needs_shape = dialect.is_centered or dialect.unit == "fraction"
        return positions, Voxels(
            {_READ_WITH: voxels}, shapes=frames.shapes if needs_shape else None
        )
    found = _voxels_of_pixels(path, dialect, pixels, frames, given)
    if found is not None and found.question is not None:
        return None, found._replace(places=positions)
    return positions, found


def _voxels_of_pixels(
    path: Path, dialect: Dialect, pixels: Pixels, frames: Frames, given: Given
) -> Voxels | None:
    """Return what is known of the voxels that coordinates in pixels were brought to."""
    is_said = given.binning is not None or frames.table is not None
    if np.isfinite(frames.voxels).any():
        is_said = is_said or pixels.size is not None or bool(pixels.stated)
        return Voxels({_READ_WITH: frames.voxels}, is_assumed=not is_said)
    if is_said:
        return None
    sizes = pixels.stated if pixels.size is None else {pixels.source: pixels.size}
    if dialect.pixel is None or given.tomograms is not None:
        return Voxels(sizes, is_assumed=True)
    return Voxels(sizes, question=ask_voxels(path, dialect, pixels))


def _from_fractions(
    path: Path, fractions: _Columns, frames: Frames, names: NDArray | None, given: Given
) -> _Columns:
    if given.binning is not None:
        raise FileFormatError(
            f"{path} has coordinates that are all in [0, 1]: fractions of the edges of the "
            f"tomogram, which have no binning. Leave out binning={given.binning!r}, or give "
            "binning=1 if they are voxels.",
            arguments=("binning",),
        )
    if not (frames.lost.any() or np.isfinite(frames.shapes).any()):
        raise FileFormatError(
            f"{path} has coordinates that are all in [0, 1], as Warp's template matching writes "
            "them: fractions of the edges of the tomogram. Give the files of the tomograms as "
            "tomograms={name: path}; if they are voxels nonetheless, give binning=1.",
            arguments=("tomograms", "binning"),
        )
    check_known(path, frames, names, frames.shapes, given)
    return fractions * frames.shapes


def _check_no_fractions(
    path: Path, coordinates: _Columns, names: NDArray | None, given: Given
) -> None:
    """Refuse pixels that look like fractions of the edges, in any of the tomograms.

    Some may be a little beyond the edges; and pixels that are all so near to the first corner
    have no box. Whole numbers are pixels.
    """
    if given.binning == 1:
        return
    near = np.logical_and.reduce((coordinates >= -_BEYOND) & (coordinates <= 1 + _BEYOND), axis=1)
    broken = near & (coordinates % 1 != 0).any(axis=1)
    codes = np.zeros(len(near), dtype=np.intp) if names is None else factorize(names)[1]
    n_particles, n_near, n_broken = (np.bincount(codes, one) for one in (None, near, broken))
    wrong = (n_broken > 0) & (n_near > _FEW_FRACTIONS * n_particles)
    if wrong.any():
        first = int(wrong.argmax())
        row = int((broken & (codes == first)).argmax())
        where = "" if names is None else f" of tomogram {shorten(str(names[row]), 80)}"
        what = "all" if near.all() else f"{n_near[first]:.0f} of {n_particles[first]:.0f}{where}"
        raise FileFormatError(
            f"{path} has coordinates that are {what} in [0, 1] or nearly: fractions of the edges "
            "of the tomogram, or voxels in its corner. Multiply fractions by the edges, or leave "
            "out those beyond the edges; if they are voxels, give binning=1.",
            arguments=("binning",),
        )


def _voxels_of_angstrom(
    path: Path, pixels: Pixels, frames: Frames, names: NDArray | None, given: Given
) -> _Columns:
    """Return the edges of a voxel in angstrom, for coordinates in angstrom."""
    voxels = frames.voxels
    if pixels.is_given and pixels.size is not None:
        # Of the voxel, or of the pixels of which `binning` are a voxel.
        size = pixels.size * (given.binning or 1.0)
        known = np.isfinite(voxels[:, 2])
        if known.any():
            of_file = f"the voxel size of {frames.files[int(known.argmax())]}"
            sizes = np.repeat(size[known, None], 3, axis=1)
            check_same(path, "pixel_size_angstrom", sizes, of_file, voxels[known])
        return np.where(known[:, None], voxels, size[:, None])
    if not (frames.lost.any() or np.isfinite(voxels).any()):
        raise FileFormatError(
            f"{path} has coordinates in angstrom. Give the voxel size of the tomogram as "
            "pixel_size_angstrom, or tomograms that say it as tomograms={name: path}.",
            arguments=("pixel_size_angstrom", "tomograms"),
        )
    if given.binning not in (None, 1) and frames.table is None:
        raise _needless_binning(path, given)
    check_known(path, frames, names, voxels, given)
    return voxels


def _needless_binning(path: Path, given: Given) -> FileFormatError:
    return FileFormatError(
        f"{path} has coordinates in angstrom, and the files of the tomograms say their voxel "
        f"sizes; leave out binning={given.binning!r}.",
        arguments=("binning",),
    )


def _pixels_and_binning(
    path: Path,
    dialect: Dialect,
    pixels: Pixels,
    frames: Frames,
    names: NDArray | None,
    given: Given,
) -> tuple[Pixels, _Columns]:
    """Return the pixels of coordinates in pixels, and how many of them (n, 1) are a voxel."""
    n_particles = len(frames.shapes)
    wanted = np.full(n_particles, given.binning or 1.0)
    # A table of tomograms is RELION's, and its pixels are those of the tilt series.
    if frames.table is None or not dialect.coordinates[2].startswith("rln"):
        if given.binning is None:
            if dialect.pixel is not None:
                check_found(path, frames, names, given)
            wanted = find_binning(path, dialect, pixels, frames)
        return pixels, wanted[:, None]
    if dialect.binned and pixels.size is None:
        if given.binning is None:
            raise ask_own_pixels(path, dialect)
        return pixels, wanted[:, None]
    tilt_series = frames.table.pixels
    of_table = f"{TILT_SERIES_PIXEL} of {given.tomograms_file}"
    if pixels.is_given and pixels.size is not None and not dialect.binned:
        check_same(path, pixels.source, pixels.size, of_table, tilt_series)
    if TILT_SERIES_PIXEL in pixels.stated:
        stated = pixels.stated[TILT_SERIES_PIXEL]
        check_same(path, of_table, tilt_series, f"{TILT_SERIES_PIXEL} of {path}", stated)
    if pixels.size is None:
        pixels = pixels._replace(size=tilt_series, source=of_table)
    binning = frames.table.binnings
    if (np.isnan(binning) & ~frames.lost).any():
        raise FileFormatError(
            f"{path} counts in pixels of {dialect.pixel_of or 'the tilt series'}, and "
            f"{given.tomograms_file} does not say {_BINNING}. Give the binning of the tomograms as "
            "binning=, or their files.",
            arguments=("binning",),
        )
    if dialect.binned and pixels.size is not None:
        binning = binning * tilt_series / pixels.size
    if given.binning is not None:
        check_same(path, "binning", wanted, f"{_BINNING} of {given.tomograms_file}", binning)
    return pixels, binning[:, None]


def _from_center(
    path: Path,
    centered: _Columns,
    dialect: Dialect,
    pixels: Pixels,
    frames: Frames,
    names: NDArray | None,
    given: Given,
) -> tuple[_Columns, _Columns]:
    """Return voxels, and the edges of a voxel in angstrom, from angstrom off the center."""
    if given.tomograms is None or (names is None and frames.files[0] is None):
        raise FileFormatError(
            f"{path} has coordinates in angstrom from the center of the tomogram "
            "(rlnCenteredCoordinate...Angst), and rlnTomoName says of which. Give RELION's "
            "tomograms.star, or the files of the tomograms, as tomograms={name: path}.",
            arguments=("tomograms",),
        )
    if frames.table is not None:
        table = frames.table
        _check_shapes(path, frames, names, given)
        return _from_center_of_table(path, centered, dialect, pixels, frames, table, given)
    voxels = frames.voxels
    unsaid = np.isnan(voxels) & ~np.isnan(frames.shapes)
    if pixels.is_given and pixels.size is not None and unsaid.any():
        # Only of files that say nothing, such as EM; headers go before what is given.
        size = np.repeat(pixels.size[:, None] * (given.binning or 1.0), 3, axis=1)
        check_same(path, "pixel_size_angstrom", size, "the voxel size of other tomograms", voxels)
        voxels = np.where(unsaid, size, voxels)
    elif given.binning not in (None, 1):
        raise _needless_binning(path, given)
    check_known(path, frames, names, voxels, given)
    positions = centered / voxels + frames.shapes / 2
    picked = None if dialect.recognized is None else _from_pytom(positions)
    if picked is not None:
        return picked, voxels
    warn_odd(frames, stacklevel=5)
    return positions, voxels


def _check_shapes(path: Path, frames: Frames, names: NDArray | None, given: Given) -> None:
    """Refuse files of other edges than the table of tomograms says, as they have other centers."""
    with np.errstate(invalid="ignore"):
        other = (np.abs(frames.shapes - frames.file_shapes) > ROUNDED_VOXELS).any(axis=1)
    if names is not None and other.any():
        row = int(other.argmax())
        says, has = (
            ", ".join(f"{edge:.4g}" for edge in shapes[row])
            for shapes in (frames.shapes, frames.file_shapes)
        )
        raise FileFormatError(
            f"{path} counts from the center of tomograms: by {given.tomograms_file}, "
            f"{shorten(str(names[row]), 80)} has edges of ({says}) voxels (z, y, x), but its file "
            f"has ({has}). Correct rlnTomoSizeX, Y and Z, or give the file as "
            "tomograms={name: path}.",
            arguments=("tomograms",),
        )


def _from_center_of_table(
    path: Path,
    centered: _Columns,
    dialect: Dialect,
    pixels: Pixels,
    frames: Frames,
    table: TomogramTable,
    given: Given,
) -> tuple[_Columns, _Columns]:
    """Return voxels as RELION does, from what its table of tomograms says."""
    if (np.isnan(frames.voxels).any(axis=1) & ~frames.lost).any():
        raise FileFormatError(
            f"{path}: {given.tomograms_file} does not say {_BINNING}. Give the binning of the "
            "tomograms as binning=, or their files.",
            arguments=("binning",),
        )
    if np.isnan(table.edges[~frames.absent]).any():
        raise FileFormatError(
            f"{given.tomograms_file} does not say rlnTomoSizeX, Y and Z. Give the files of the "
            "tomograms as tomograms={name: path}.",
            arguments=("tomograms",),
        )
    if given.binning is not None:
        wanted = np.full(len(centered), given.binning)
        check_same(path, "binning", wanted, f"{_BINNING} of {given.tomograms_file}", table.binnings)
    _check_tilt_series(path, pixels, table, frames, given)
    size, edges = table.pixels[:, None], table.edges
    binning = frames.voxels[:, 2:] / size
    if dialect.recognized is not None:
        picked = _from_pytom(centered / frames.voxels + np.rint(edges / binning) / 2)
        if picked is not None:
            return picked, frames.voxels
    warn_odd(frames._replace(shapes=edges), stacklevel=6)
    return (centered / size + edges / 2) / binning, frames.voxels


def _check_tilt_series(
    path: Path, pixels: Pixels, table: TomogramTable, frames: Frames, given: Given
) -> None:
    """Refuse a table of other data than that of tomograms.

    Coordinates in angstrom do not need the pixel size of the tilt series, for which
    pytom-match-pick writes that of the tomogram.
    """
    of_table = f"{TILT_SERIES_PIXEL} of {given.tomograms_file}"
    stated = pixels.stated.get(TILT_SERIES_PIXEL)
    known = ~frames.absent
    if stated is not None and not np.allclose(stated[known], frames.voxels[known, 2], rtol=0.01):
        check_same(path, of_table, table.pixels, f"{TILT_SERIES_PIXEL} of {path}", stated)
    if pixels.is_given and pixels.size is not None:
        check_same(path, pixels.source, pixels.size, of_table, table.pixels)


def _from_pytom(positions: _Columns) -> _Columns | None:
    """Return the voxels that pytom-match-pick picked, or None if they are not whole.

    By its release, it counts from half of the edges of the tomogram, or from there less a pixel of
    the tilt series, which is the same part of a voxel for all particles and axes.
    """
    voxels = np.floor(positions + _STEP_OF_WHOLE)
    parts = (positions - voxels)[np.isfinite(positions)]
    return voxels if len(parts) and np.ptp(parts) < _STEP_OF_WHOLE else None
