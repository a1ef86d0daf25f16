"""Columns of numbers of a table of particles, checked row by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._fields import is_number
from sksubtomo.io._tables import row_name

if TYPE_CHECKING:
    import pandas as pd

# Of coordinates and shifts in pixels or angstrom: no tomogram is as large.
_LARGEST = 1e7
# Files without a line that names the columns.
_HEADLESS = (".coords", ".tbl")


@documented
def read_numbers(
    path: Path, table: pd.DataFrame, block: str, columns: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return columns of finite numbers.

    %(table_of_particles)s
    columns : tuple of str
        Which.

    Returns
    -------
    values : ndarray of shape (n_particles, n_columns)

    Raises
    ------
    FileFormatError
        If there is anything else; the message names the first row.
    """
    values = np.stack([as_numbers(path, table, block, column) for column in columns], axis=1)
    wrong = ~(np.abs(values) <= _LARGEST).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        found = zip(columns, values[row], strict=True)
        more = f"; so do {wrong.sum() - 1} more rows" if wrong.sum() > 1 else ""
        raise FileFormatError(
            f"{path} has numbers that are missing or not finite, or larger than {_LARGEST:g}: "
            f"{row_name(path, block, row)} has "
            f"{', '.join(f'{column} {value:g}' for column, value in found)}{more}. "
            "Correct or remove them."
        )
    return values


def as_numbers(path: Path, table: pd.DataFrame, block: str, column: str) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where they are missing.

    Numbers in quotes, with leading zeros or of many digits are text in the table, and numbers here.

    Raises
    ------
    FileFormatError
        If it has text; the message names the first row.
    """
    values = table[column]
    if values.dtype.kind in "iuf":
        return values.to_numpy(dtype=np.float64)
    missing = values.isna().to_numpy(dtype=bool)
    fields = [np.nan if gone else one for one, gone in zip(values, missing, strict=True)]
    row = next((row for row, one in enumerate(fields) if not is_number(one)), None)
    if row is None:
        return np.array([float(one) for one in fields], dtype=np.float64)
    heading = " Remove the line of headings." if row == 0 and path.suffix in _HEADLESS else ""
    raise FileFormatError(
        f"{path} has text in the column {column}; it must be numbers. "
        f"{row_name(path, block, row)} has {shorten(repr(fields[row]), 60)}.{heading}"
    )
