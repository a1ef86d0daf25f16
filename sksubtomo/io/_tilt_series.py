"""Tilts, exposures and defocus of tilt series, from the tables of RELION and Warp."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._relion import as_table, require_file
from sksubtomo.io._tables import read_blocks

if TYPE_CHECKING:
    import pandas as pd

_NAME, _FILE = "rlnTomoName", "rlnTomoTiltSeriesStarFile"
# Refined angles before those that the stage was set to.
_ANGLES = ("rlnTomoYTilt", "rlnTomoNominalStageTiltAngle", "wrpAngleTilt")
_EXPOSURES = ("rlnMicrographPreExposure", "wrpDose")
_DEFOCUS = ("rlnDefocusU", "rlnDefocusV")


class TiltSeries(NamedTuple):
    """What a table says of the tilts of a tomogram, in the order of the table.

    Parameters
    ----------
    tilts_deg : ndarray of shape (n_tilts,)
        Angles.
    exposures : ndarray of shape (n_tilts,) or None
        Electrons per square angstrom until each tilt.
    defocus_um : float or None
        Mean underfocus.
    """

    tilts_deg: NDArray[np.float64]
    exposures: NDArray[np.float64] | None
    defocus_um: float | None

    @property
    def tilt_range_deg(self) -> tuple[float, float]:
        """Lowest and highest tilt."""
        return float(self.tilts_deg.min()), float(self.tilts_deg.max())


def read_tilt_series(path: str | os.PathLike[str]) -> dict[str, TiltSeries]:
    """Read the tilts of the series that tomograms were reconstructed from.

    Parameters
    ----------
    path : path-like
        RELION's ``tomograms.star``, which names a table for each tomogram
        (``rlnTomoTiltSeriesStarFile``) or, of RELION 4, has it as a block of the same name; or a
        ``.tomostar`` of Warp, whose name is that of the tomogram.

    Returns
    -------
    series : dict of str to TiltSeries
        By ``rlnTomoName``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the tilts of a tomogram are not said, or are no angles between -90 and 90 degrees.
    ImportError
        If pandas is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    blocks = {name: as_table(block) for name, block in read_blocks(path).items()}
    lists = [table for table in blocks.values() if _NAME in table]
    if not lists:
        own = [table for table in blocks.values() if any(one in table for one in _ANGLES)]
        if len(own) != 1:
            raise FileFormatError(
                f"{path} has neither tomograms ({_NAME}) nor one table of tilts "
                f"({' or '.join(_ANGLES)}). Give RELION's tomograms.star, or Warp's .tomostar."
            )
        return {path.stem: _series(path, own[0])}
    series = {}
    for row in lists[0].to_dict("records"):
        name = str(row[_NAME])
        if _FILE in row:
            file = require_file(str(row[_FILE]), path)
            tables = [as_table(block) for block in read_blocks(file).values()]
        else:
            file, tables = path, [blocks[name]] if name in blocks else []
        tables = [table for table in tables if any(one in table for one in _ANGLES)]
        if len(tables) != 1:
            raise FileFormatError(
                f"{file} has {len(tables)} tables of tilts of the tomogram {listed([name])}, with "
                f"{' or '.join(_ANGLES)}; it must have one."
            )
        series[name] = _series(file, tables[0])
    return series


def _series(path: Path, table: pd.DataFrame) -> TiltSeries:
    angles = next(one for one in _ANGLES if one in table)
    tilts = _numbers(path, table, angles)
    if not len(tilts) or not (np.abs(tilts) <= 90).all():
        raise FileFormatError(
            f"{path} must have tilts between -90 and 90 degrees in {angles}, but has "
            f"{tilts[:5].tolist()}."
        )
    dose = next((one for one in _EXPOSURES if one in table), None)
    defocus = [_numbers(path, table, one) for one in _DEFOCUS if one in table]
    return TiltSeries(
        tilts,
        None if dose is None else _numbers(path, table, dose),
        # Tables count in angstrom.
        float(np.mean(defocus)) / 1e4 if defocus else None,
    )


def _numbers(path: Path, table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    try:
        values = table[column].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if not np.isfinite(values).all():
        raise FileFormatError(f"{path} has values that are no numbers in {column}.")
    return values
