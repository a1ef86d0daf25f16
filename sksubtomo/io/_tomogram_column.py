"""The column of a table that names the tomogram of each particle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed
from sksubtomo.exceptions import FileFormatError

if TYPE_CHECKING:
    import pandas as pd

# Of programs, which mean it.
_OF_PROGRAMS = ("rlnTomoName", "rlnMicrographName", "wrpSourceName", "tomo_num", "tomo", "run_name")
# Usual in tables without a program, in any case; "experiment" is that of copick's challenge.
_USUAL = (
    *("tomo_name", "tomogram", "tomogram_name", "tomo_id", "tomogram_id", "tomo_file"),
    *("tomogram_file", "tilt_series", "tiltseries", "tilt_series_id", "ts_name", "run", "run_id"),
    *("experiment", "micrograph", "micrograph_name", "source_name"),
)
# Text that says nothing of places; other columns of RELION and M are known.
_OTHER = frozenset(
    {"class", "label", "labels", "type", "name", "object", "pickable_object_name", "class_name"}
    | {"particle_type", "comment", "comments", "note", "user", "user_id", "color", "shape_type"}
)


def tomogram_column(labels: Iterable[str]) -> str | None:
    """Return which of the labels of a table is that of tomograms, or None."""
    labels = list(labels)
    for name in _OF_PROGRAMS:
        if name in labels:
            return name
    plain = {_plain(label): label for label in reversed(labels)}
    return next((plain[name] for name in _USUAL if name in plain), None)


def tomogram_names(table: pd.DataFrame) -> NDArray | None:
    """Return the name of the tomogram of every particle, or None where the table does not say."""
    column = tomogram_column(map(str, table))
    if column is None:
        return None
    values = table[column]
    if values.dtype.kind == "f" and (np.trunc(values) == values).all():
        # Numbers of tomograms in a file of floats.
        return np.array([f"{value:.0f}" for value in values])
    return values.to_numpy(dtype=str)


def check_one_tomogram(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table that may be of several tomograms, by a column that is not known.

    Raises
    ------
    FileFormatError
        If a column of text differs within the table.
    """
    odd = [
        str(label)
        for label in table
        if not str(label).startswith(("rln", "wrp", "sksubtomo"))
        and _plain(str(label)) not in _OTHER
        and table[label].dtype.kind not in "biufc"
        and table[label].nunique(dropna=False) > 1
    ]
    if odd:
        raise FileFormatError(
            f"{path} does not say which tomogram a particle is in, unless it is by one of the "
            f"columns [{listed(odd)}], which differ among particles. Rename that column to "
            "rlnTomoName; if all particles are in one tomogram, remove the columns."
        )


def _plain(label: str) -> str:
    return label.strip().lower().replace("-", "_").replace(" ", "_")
