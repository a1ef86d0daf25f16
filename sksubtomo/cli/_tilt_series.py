"""Tilts of each tomogram, from the tables of its tilt series."""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed

if TYPE_CHECKING:
    from sksubtomo.fourier import Imaging


def add_tilt_series(group: argparse._ActionsContainer) -> None:
    """Add the option that names tables of tilts."""
    group.add_argument(
        "--tilt-series",
        type=Path,
        nargs="+",
        metavar="TABLE",
        help="of references: RELION's tomograms.star with rlnTomoTiltSeriesStarFile, or Warp's "
        ".tomostar files, which say the lowest and the highest tilt of each tomogram",
    )


def check_tilt_series(options: argparse.Namespace, names: NDArray) -> None:
    """Read the tables, before any work, and check that they have all tomograms.

    Parameters
    ----------
    options : Namespace
        Of :func:`add_tilt_series`.
    names : ndarray of str
        Tomogram of each particle.

    Raises
    ------
    FileNotFoundError, FileFormatError
        If a table cannot be read.
    ValueError
        If a tomogram is in none, or in two that differ.
    """
    if options.tilt_series is None:
        return
    if getattr(options, "tilt_range", None) is not None:
        raise ValueError("Give --tilt-series or --tilt-range, but not both.")
    ranges = _ranges(tuple(options.tilt_series))
    missing = sorted(set(names.tolist()) - set(ranges))
    if missing:
        raise ValueError(
            f"--tilt-series has no tilts of {listed(missing)}; it has those of "
            f"{listed(sorted(ranges))}. Names must be those of the particles' tomograms."
        )


def imaging_of(options: argparse.Namespace, names: NDArray) -> Imaging | None:
    """Return how particles were imaged, by the tomogram of each; None where no table says it."""
    if getattr(options, "tilt_series", None) is None or not len(names):
        return None
    from sksubtomo.fourier import Imaging

    ranges = _ranges(tuple(options.tilt_series))
    return Imaging(np.array([ranges[name] for name in names.tolist()]))


@lru_cache(maxsize=4)
def _ranges(paths: tuple[Path, ...]) -> dict[str, tuple[float, float]]:
    """Return lowest and highest tilt by the name of the tomogram."""
    from sksubtomo.io import read_tilt_series

    found: dict[str, tuple[float, float]] = {}
    for path in paths:
        for name, series in read_tilt_series(path).items():
            if found.setdefault(name, series.tilt_range_deg) != series.tilt_range_deg:
                raise ValueError(
                    f"--tilt-series: two tables have tilts of {listed([name])}, and they differ. "
                    "Leave one out."
                )
    return found
