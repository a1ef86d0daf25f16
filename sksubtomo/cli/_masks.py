"""Masks of tomograms, such as of the lamella, outside of which particles are left out."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.cli._options import logger
from sksubtomo.exceptions import FileFormatError

# Rows and tomograms that a message names.
_MOST_NAMED = 20


def add_mask(parser: argparse._ActionsContainer) -> None:
    """Add --mask."""
    parser.add_argument(
        "--mask",
        nargs="+",
        metavar="[TOMOGRAM=]FILE",
        help="volume of the shape of the tomogram, above 0 where particles can be, such as the "
        "lamella: for all tomograms, or as TS_1=FILE for each; those outside are left out and "
        "named",
    )


def outside_mask(
    options: argparse.Namespace,
    names: NDArray,
    coordinates: NDArray[np.float64],
    files: Mapping[str, Path],
) -> NDArray[np.bool_]:
    """Return which particles are outside of the mask of their tomogram, and tell how many.

    Parameters
    ----------
    options : Namespace
        Has ``mask``, None for no mask.
    names : ndarray of shape (n_particles,) of str
        Tomogram of each particle.
    coordinates : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels; those outside of the tomogram are told elsewhere.
    files : mapping of str to Path
        Tomograms by name.

    Raises
    ------
    FileNotFoundError, FileFormatError
        If a mask cannot be read.
    ValueError
        If a mask is of no tomogram, has another shape, or covers nothing; or all particles are
        outside.
    """
    outside = np.zeros(len(names), dtype=bool)
    if options.mask is None:
        return outside
    for name, path in _masks_of(options.mask, files).items():
        rows = np.flatnonzero((names == name) & np.isfinite(coordinates).all(axis=1))
        mask = _read(path, files[name], several=len(options.mask) < len(files))
        if mask is None:
            continue
        nearest = np.floor(coordinates[rows] + 0.5).astype(int)
        inside = ((nearest >= 0) & (nearest < mask.shape)).all(axis=1)
        rows, nearest = rows[inside], nearest[inside]
        outside[rows] = ~mask[tuple(nearest.T)]
    found = np.flatnonzero(outside)
    if len(found) == len(names):
        raise ValueError("--mask: all particles are outside. Check its shape and its contrast.")
    if len(found):
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        shown = ", ".join(str(row + 1) for row in found[:_MOST_NAMED])
        logger.info(
            "%d of %s %s outside of --mask and left out: rows %s%s.",
            *(len(found), plural(len(names), "particle"), "is" if len(found) == 1 else "are"),
            *(shown, more),
        )
    return outside


def _masks_of(given: list[str], files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the mask of each tomogram that has one."""
    from sksubtomo.io import find_tomograms

    # A path may have an equals sign in it.
    pairs = [("", "", text) if os.path.exists(text) else text.partition("=") for text in given]
    if len(given) == 1 and not pairs[0][1]:
        return dict.fromkeys(files, Path(given[0]))
    masks: dict[str, Path] = {}
    for text, (said, equals, path) in zip(given, pairs, strict=True):
        # The table may spell the name of a tomogram in another way.
        found = find_tomograms([said], files, missing="ignore") if said and equals else {}
        name = next((name for name, file in files.items() if file in found.values()), None)
        if name is None or name in masks:
            known = ", ".join(sorted(files)[:_MOST_NAMED])
            raise ValueError(
                f"--mask {shorten(text, 200)}: give one mask for all tomograms, or one for each as "
                f"NAME=FILE; tomograms are {shorten(known, 300)}."
            )
        masks[name] = Path(path)
    return masks


def _read(path: Path, tomogram: Path, *, several: bool) -> NDArray[np.bool_] | None:
    """Return where a mask is above 0; None where the tomogram cannot be read, as is told later."""
    from sksubtomo.io import open_volume, read_volume

    found = tuple(open_volume(path).shape)
    try:
        shape = tuple(open_volume(tomogram).shape)
    except (FileFormatError, OSError):
        return None
    if found != shape:
        more = ", or give one mask for each tomogram, as NAME=FILE" if several else ""
        raise ValueError(
            f"--mask {path} has the shape {found} (z, y, x), but {tomogram} has {shape}. Bin or "
            f"crop it to that of the tomogram{more}."
        )
    data = np.asarray(read_volume(path).data)
    # Programs that know no signed bytes write 255 in the place of -1.
    mask = data != 0 if data.dtype == np.int8 else data > 0
    if not mask.any():
        raise ValueError(f"--mask {path} is nowhere above 0: it covers nothing.")
    return mask
