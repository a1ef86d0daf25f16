"""Class numbers in tables of particles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._numbers import as_numbers
from sksubtomo.io._tables import row_name

if TYPE_CHECKING:
    import pandas as pd

_CLASS = "rlnClassNumber"
# Of STOPGAP, motive lists and Dynamo; and what a points layer of napari may have.
_OTHER_CLASS = "class"
UNCLASSIFIED = 0
# As scikit-learn has it, for unlabeled.
_SMALLEST = -1
# More classes than any classification has.
_LARGEST = 100_000


def class_column(table: pd.DataFrame) -> str:
    """Return the column of class numbers that a table has, or is to get."""
    return _OTHER_CLASS if _OTHER_CLASS in table and _CLASS not in table else _CLASS


def class_numbers(table: pd.DataFrame) -> NDArray[np.int64] | None:
    """Return the class of every particle, 0 where it is missing, or None without a column."""
    column = class_column(table)
    if column not in table:
        return None
    values = table[column].astype(np.float64).to_numpy()
    return np.nan_to_num(values, nan=UNCLASSIFIED).astype(np.int64)


def check_class_column(path: Path, table: pd.DataFrame, block: str) -> None:
    """Check that the classes of a table that was read are numbers of classes, or missing.

    Raises
    ------
    FileFormatError
        If one is not; the message names the row.
    """
    column = class_column(table)
    if column not in table or not len(table):
        return
    values = as_numbers(path, table, block, column)
    fine = (np.trunc(values) == values) & (values >= _SMALLEST) & (values <= _LARGEST)
    wrong = ~(fine | np.isnan(values))
    if wrong.any():
        row = int(wrong.argmax())
        more = f"; so do {wrong.sum() - 1} more rows" if wrong.sum() > 1 else ""
        raise FileFormatError(
            f"{path} has {column} that are not whole numbers from {_SMALLEST} to {_LARGEST}: "
            f"{row_name(path, block, row)} has {values[row]:g}{more}. Write 0 or nan for a "
            "particle without a class."
        )


def check_new_classes(numbers: ArrayLike, n_particles: int) -> NDArray[np.int64]:
    """Return class numbers to be written, after checking them.

    Parameters
    ----------
    numbers : array-like of shape (n_particles,)
        Class numbers.
    n_particles : int
        Particles of the table.

    Returns
    -------
    numbers : ndarray of shape (n_particles,) of int64
        The same.

    Raises
    ------
    ValueError
        If they do not suit the particles, or are not whole numbers from 0.
    """
    values = np.asarray(numbers)
    if values.shape != (n_particles,):
        raise ValueError(
            f"class_numbers of shape {values.shape} do not suit {n_particles} particles."
        )
    if values.dtype.kind not in "iu" or (values < 0).any() or (values > _LARGEST).any():
        raise ValueError(
            "class_numbers must be whole numbers from 1, or 0 for unclassified; got "
            f"{shorten(values[:5].tolist(), 100)}... of type {values.dtype}."
        )
    return values.astype(np.int64)
