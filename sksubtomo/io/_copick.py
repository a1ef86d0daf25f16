"""Points of copick as a flat table, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._messages import shorten

if TYPE_CHECKING:
    import pandas as pd

_AXES = ("x", "y", "z")
# Said once for all points of a file; in the table, in every row.
_OF_FILE = (
    "pickable_object_name",
    "user_id",
    "session_id",
    "run_name",
    "voxel_spacing",
    "unit",
    "trust_orientation",
)
_OF_POINT = ("instance_id", "score")
_TRANSFORMATION = [f"transformation_{row}{column}" for row in range(4) for column in range(4)]
# Written as null where the table lacks them.
_NULLABLE = ("run_name", "voxel_spacing")
# Where a table keeps what its file says of all points.
_SAID = "copick"


def read_copick(path: Path) -> pd.DataFrame:
    """Return the points of a copick file, a row each, with all that the file says.

    Raises
    ------
    ValueError
        If it is no file of points, the unit is not angstrom, or the file has parts that are not
        known here, which would be lost.
    """
    import pandas as pd

    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply for a list of points") from error
    if not isinstance(content, dict) or not isinstance(content.get("points"), list):
        raise ValueError("it has no list of points")
    points = content.pop("points")
    if content.get("unit", "angstrom") != "angstrom":
        raise ValueError(f"its unit is {content['unit']!r}, not angstrom")
    _check_known(content, _OF_FILE)
    rows = [_flat(point, number) for number, point in enumerate(points, start=1)]
    table = pd.DataFrame(rows, columns=None if rows else list(_AXES))
    said = {name: content[name] for name in _OF_FILE if content.get(name) is not None}
    for name, value in said.items():
        table[name] = value
    # For a file without points.
    table.attrs[_SAID] = said
    return table


def check_copick(path: Path, table: pd.DataFrame) -> None:
    """Check that a table can be written as points of copick.

    Raises
    ------
    ValueError
        If it is of another program, or has columns that copick has no place for.
    """
    if not {*_AXES, "pickable_object_name"} <= set(table):
        raise ValueError(f"{path}: only points of copick can be written as such; write STAR.")
    extra = set(table) - {*_AXES, *_OF_FILE, *_OF_POINT, *_TRANSFORMATION}
    if extra:
        raise ValueError(
            f"{path}: copick files have no place for classes and probabilities, nor for other "
            f"columns ({sorted(map(str, extra))[:5]}); write a STAR file."
        )
    for name in _OF_FILE:
        if name in table and table[name].nunique(dropna=False) > 1:
            raise ValueError(f"{path}: a copick file has one {name}; write one file for each.")


def write_copick(table: pd.DataFrame, path: Path) -> None:
    """Write a table that was checked."""
    said = table.attrs.get(_SAID, {})
    if len(table):
        said = {name: _plain(table[name].iloc[0]) for name in _OF_FILE if name in table}
    written = [name for name in _OF_FILE if name in said or name in _NULLABLE]
    content: dict[str, Any] = {name: said.get(name) for name in written}
    content["points"] = [_nested(row) for row in table.to_dict("records")]
    path.write_text(json.dumps(content, indent=4) + "\n")


def _flat(point: dict[str, Any], number: int) -> dict[str, Any]:
    try:
        _check_known(point, ("location", "transformation_", *_OF_POINT))
        row = {axis: float(point["location"][axis]) for axis in _AXES}
        row |= {name: np.nan if point[name] is None else point[name] for name in _given(point)}
        matrix = point.get("transformation_")
        if matrix is not None:
            values = [float(value) for line in matrix for value in line]
            row |= dict(zip(_TRANSFORMATION, values, strict=True))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"point {number}: {shorten(repr(error), 200)}") from error
    return row


def _given(point: Mapping[str, Any]) -> list[str]:
    return [name for name in _OF_POINT if name in point]


def _nested(row: Mapping[Any, Any]) -> dict[str, Any]:
    values = {name: _plain(value) for name, value in row.items()}
    point: dict[str, Any] = {"location": {axis: values[axis] for axis in _AXES}}
    matrix = [values.get(name) for name in _TRANSFORMATION]
    if all(value is not None for value in matrix):
        point["transformation_"] = [matrix[start : start + 4] for start in range(0, 16, 4)]
    if values.get("instance_id") is not None:
        # A float where another point has none.
        values["instance_id"] = int(values["instance_id"])
    return point | {name: values[name] for name in _given(values)}


def _check_known(content: dict[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise ValueError(f"it has {unknown}, which would be lost")


def _plain(value: Any) -> Any:
    """Return a value of numpy as one of Python, which JSON knows, and a missing one as None."""
    value = value.item() if hasattr(value, "item") else value
    return value if value == value else None
