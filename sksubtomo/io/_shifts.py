"""Shifts that a refinement leaves beside coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._dialects import SUBTOMOGRAM_ANGLES, Dialect, Shift
from sksubtomo.io._euler import relion_rotations
from sksubtomo.io._frames import Frames, Given
from sksubtomo.io._numbers import read_numbers
from sksubtomo.io._pixels import Pixels, describe
from sksubtomo.io._poses import FOUND_IN_VOXELS

if TYPE_CHECKING:
    import pandas as pd

_Columns = NDArray[np.float64]
# Of two columns for one shift: tables are rounded.
_ABSOLUTE_ANGSTROM, _RELATIVE = 0.01, 0.005
_OWN_SIZE = "Give their size as shift_pixel_size_angstrom=, or leave them out by shifts='ignore'."
_ARGUMENTS = ("shift_pixel_size_angstrom", "shifts")


@documented
def shift_positions(
    path: Path,
    table: pd.DataFrame,
    block: str,
    dialect: Dialect,
    positions: _Columns,
    voxels: _Columns,
    binning: _Columns | None,
    pixels: Pixels,
    frames: Frames,
    given: Given,
) -> _Columns:
    """Move positions by the shifts in the table, where that is wanted.

    Shifts that this package found are applied unless the caller says otherwise.

    RELION's rule is position = coordinate - A shift, where A is the inverse of the rotation of
    the axes by ``rlnTomoSubtomogramRot``, ``Tilt`` and ``Psi``.

    %(table_of_particles)s
    dialect : Dialect
        Its program.
    positions : ndarray of shape (n_particles, 3)
        Without shifts, in voxels.
    voxels : ndarray of shape (n_particles, 3) or (n_particles, 1)
        Edges of a voxel in angstrom; NaN where unknown.
    binning : ndarray of shape (n_particles, 1), optional
        Pixels of the coordinates in a voxel; None where coordinates are not in pixels.
    pixels : Pixels
        Of the coordinates.
    frames : Frames
        Tomograms of the particles.
    given : Given
        What to do.

    References
    ----------
    RELION 5, src/jaz/tomography/particle_set.cpp, ``ParticleSet::getPosition``.
    """
    found = _find_shifts(path, table, block, dialect)
    if not found or given.shifts == "ignore":
        return positions
    if FOUND_IN_VOXELS in table:
        found_in = _found_in(path, table, block)
        # Binned, voxels may be those or others, which has to be said.
        if binning is None or (binning == 1).all():
            voxels = np.where(np.isfinite(voxels), voxels, found_in)
    elif given.shifts is None:
        present = [column for shift in found for column in shift.columns if column in table]
        raise FileFormatError(
            f"{path} shifts the particles' centers by {', '.join(present)}. Say what to do: "
            "shifts='apply' moves the centers, shifts='ignore' leaves them.",
            arguments=("shifts",),
        )
    own_size = given.shift_pixel_size_angstrom
    sizes = _candidates(pixels, voxels, binning)
    if own_size is not None:
        sizes = {"shift_pixel_size_angstrom": np.full(len(table), own_size)}
    shift, values = _choose(path, found, sizes)
    values = _to_tomogram(path, table, block, shift, values)
    if own_size is not None and shift.unit == "pixel":
        values = values * own_size
    elif shift.unit == "pixel":
        if binning is None:
            raise FileFormatError(
                f"{path} has shifts in pixels ({shift.columns[2]}), but coordinates that are not "
                f"in pixels. {_OWN_SIZE}",
                arguments=_ARGUMENTS,
            )
        if not dialect.binned:
            _check_one_pixel(path, shift, sizes)
        return positions + shift.sign * values / binning
    _check_voxels_known(path, shift, values, voxels, pixels, frames)
    return positions + shift.sign * values / voxels


def _found_in(path: Path, table: pd.DataFrame, block: str) -> _Columns:
    sizes = read_numbers(path, table, block, (FOUND_IN_VOXELS,))
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        row = int(np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)).all(axis=1))[0])
        raise FileFormatError(
            f"{path}: {FOUND_IN_VOXELS} of particle {row + 1} is {sizes[row, 0]:g}, but the size "
            "of a voxel is positive."
        )
    return sizes


def _check_voxels_known(
    path: Path, shift: Shift, values: _Columns, voxels: _Columns, pixels: Pixels, frames: Frames
) -> None:
    unknown = ~np.isfinite(voxels).all(axis=1) & values.any(axis=1) & ~frames.lost
    if unknown.any():
        stated = describe(pixels.stated)
        said = f" The file says {stated}, of which it may be one." if stated else ""
        raise FileFormatError(
            f"{path} has shifts in angstrom ({shift.columns[2]}), but coordinates in pixels. "
            f"Give the size of those pixels as pixel_size_angstrom.{said}",
            arguments=("pixel_size_angstrom",),
        )


def _find_shifts(
    path: Path, table: pd.DataFrame, block: str, dialect: Dialect
) -> dict[Shift, _Columns]:
    """Return the shifts of a table, or none where all are 0."""
    found = {}
    for shift in dialect.shifts:
        if not set(shift.columns) & set(table):
            continue
        values = np.zeros((len(table), 3))
        for axis, column in enumerate(shift.columns):
            if column not in table:
                # Of a shift of 0, it does not matter.
                values[:, axis] = np.nan
            elif shift.may_miss and table[column].isna().any():
                filled = table.fillna({column: 0.0})
                values[:, axis] = read_numbers(path, filled, block, (column,))[:, 0]
            else:
                values[:, axis] = read_numbers(path, table, block, (column,))[:, 0]
        found[shift] = values
    return found if any(np.nan_to_num(values).any() for values in found.values()) else {}


def _candidates(
    pixels: Pixels, voxels: _Columns, binning: _Columns | None
) -> dict[str, NDArray[np.float64]]:
    """Return all sizes, by what says so, that pixels of shifts may have."""
    sizes = dict(pixels.stated)
    if pixels.size is not None:
        sizes[pixels.source] = pixels.size
    if binning is not None and np.isfinite(voxels).all():
        sizes["coordinates"] = voxels[:, -1] / binning[:, 0]
    return sizes


def _check_one_pixel(path: Path, shift: Shift, sizes: dict[str, NDArray[np.float64]]) -> None:
    """Refuse shifts in pixels that may be of several sizes."""
    same = all(
        np.allclose(one, other, rtol=0.01) for one in sizes.values() for other in sizes.values()
    )
    if not same:
        raise FileFormatError(
            f"{path} has shifts in pixels ({shift.columns[2]}), which may be those of "
            f"{describe(sizes)} angstrom. {_OWN_SIZE}",
            arguments=_ARGUMENTS,
        )


def _choose(
    path: Path, found: dict[Shift, _Columns], sizes: dict[str, NDArray[np.float64]]
) -> tuple[Shift, _Columns]:
    """Return the one shift that two columns may say in two units.

    Raises
    ------
    FileFormatError
        If they say different shifts by every pixel size that is known.
    """
    for shift, values in found.items():
        lacking = [
            column
            for column, one in zip(shift.columns, values.T, strict=True)
            if np.isnan(one).any()
        ]
        if lacking:
            raise FileFormatError(
                f"{path} shifts the particles' centers, but has no {', '.join(lacking)}. Add it, "
                "with 0 where there is no such shift, or give shifts='ignore'.",
                arguments=("shifts",),
            )
    if len(found) == 1:
        return next(iter(found.items()))
    by_unit = {shift.unit: (shift, values) for shift, values in found.items()}
    angstrom, in_pixels = by_unit["angstrom"], by_unit["pixel"]
    for size in sizes.values():
        if np.allclose(
            in_pixels[1] * size[:, None], angstrom[1], rtol=_RELATIVE, atol=_ABSOLUTE_ANGSTROM
        ):
            return angstrom
    known = f"with pixels of {describe(sizes)}" if sizes else "whose pixels are not known"
    raise FileFormatError(
        f"{path} has two shifts for each particle: {', '.join(in_pixels[0].columns[::-1])} in "
        f"pixels, and {', '.join(angstrom[0].columns[::-1])} in angstrom. They are not the same, "
        f"{known}. Remove the columns that do not hold, or give the size of those pixels as "
        "shift_pixel_size_angstrom=.",
        arguments=("shift_pixel_size_angstrom",),
    )


def _to_tomogram(
    path: Path, table: pd.DataFrame, block: str, shift: Shift, values: _Columns
) -> _Columns:
    """Return shifts along the axes of the tomogram."""
    present = [column for column in SUBTOMOGRAM_ANGLES if column in table]
    if shift.frame == "tomogram" or not present:
        return values
    if len(present) < len(SUBTOMOGRAM_ANGLES):
        raise FileFormatError(
            f"{path} has {', '.join(present)} only of {', '.join(SUBTOMOGRAM_ANGLES)}, which turn "
            "shifts. Add the others."
        )
    angles = read_numbers(path, table, block, SUBTOMOGRAM_ANGLES)
    # Rotations are of vectors x, y, z.
    return relion_rotations(angles).apply(values[:, ::-1])[:, ::-1]
