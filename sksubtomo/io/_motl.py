"""Motive lists of TOM, AV3 and STOPGAP in EM files: a column of 20 numbers for each particle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_HEADER_BYTES = 512
_ITEMSIZE = {5: 4, 9: 8}
#: STOPGAP's names (sg_toolbox/sg_motl_av3_to_stopgap.m), and numbers for what it does not name.
COLUMNS = (
    *("score", "motl_2", "motl_3", "subtomo_num", "tomo_num", "object", "motl_7"),
    *("orig_x", "orig_y", "orig_z", "x_shift", "y_shift", "z_shift"),
    *("motl_14", "motl_15", "motl_16", "phi", "psi", "the", "class"),
)


def is_motl(path: Path) -> bool:
    """Tell whether a file is an EM file of 20 real numbers for each particle."""
    with open(path, "rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return False
    width, n_particles, depth = (
        int.from_bytes(header[start : start + 4], "little", signed=True) for start in (4, 8, 12)
    )
    n_bytes = _ITEMSIZE.get(header[3], 0) * width * n_particles
    return (
        (width, depth) == (len(COLUMNS), 1)
        and n_particles >= 0
        and path.stat().st_size == _HEADER_BYTES + n_bytes
    )


def read_motl(path: Path) -> pd.DataFrame:
    """Return a motive list, a row a particle.

    Raises
    ------
    ValueError
        If the file is no motive list.
    """
    import emfile
    import pandas as pd

    if not is_motl(path):
        raise ValueError("it is no EM file of 20 real numbers for each particle")
    _, values = emfile.read(path)
    return pd.DataFrame(values[0].astype(np.float64), columns=list(COLUMNS))


def check_motl(path: Path, table: pd.DataFrame) -> None:
    """Check that a table can be written as a motive list.

    Raises
    ------
    ValueError
        If it has other columns, or what is no 32-bit float.
    """
    if list(table.columns) != list(COLUMNS):
        extra = [str(label) for label in table if label not in COLUMNS][:5]
        raise ValueError(
            f"{path}: only a motive list can be written as one, which has no place for other "
            f"columns ({extra}); write a STAR file."
        )
    for label in COLUMNS:
        column = table[label]
        values = column.to_numpy(dtype=np.float64) if column.dtype.kind in "iuf" else None
        with np.errstate(over="ignore"):
            single = None if values is None else values.astype(np.float32)
        if single is None or not np.array_equal(single, column.to_numpy(), equal_nan=True):
            raise ValueError(f"{path}: {label} has what is no 32-bit float; write a STAR file.")


def write_motl(table: pd.DataFrame, path: Path) -> None:
    """Write a table that was checked."""
    import emfile

    values = table[list(COLUMNS)].to_numpy(dtype=np.float32)
    emfile.write(path, values[None], overwrite=True)
