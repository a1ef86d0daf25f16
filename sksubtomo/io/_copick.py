"""Points of copick as a flat table, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def read_copick(path: Path) -> pd.DataFrame:
    """Return the points of a copick file, a row each, with all that the file says.

    Raises
    ------
    ValueError
        If the unit is not angstrom, or the file has parts that are not known here, which would be
        lost.
    KeyError, TypeError
        If it is no file of points.
    """
    import pandas as pd

    content = json.loads(path.read_text())
    points = content.pop("points")
    if content.get("unit", "angstrom") != "angstrom":
        raise ValueError(f"its unit is {content['unit']!r}, not angstrom")
    _check_known(content, _OF_FILE)
    rows = [_flat(point) for point in points]
    table = pd.DataFrame(rows, columns=None if rows else list(_AXES))
    for name, value in content.items():
        if value is not None:
            table[name] = value
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
    content = dict.fromkeys(_NULLABLE)
    content |= {name: _plain(table[name].iloc[0]) for name in _OF_FILE if name in table}
    content["points"] = [_nested(row) for row in table.to_dict("records")]
    path.write_text(json.dumps(content, indent=4) + "\n")


def _flat(point: dict[str, Any]) -> dict[str, Any]:
    _check_known(point, ("location", "transformation_", *_OF_POINT))
    row = {axis: float(point["location"][axis]) for axis in _AXES}
    row |= {name: point[name] for name in _OF_POINT if point.get(name) is not None}
    matrix = point.get("transformation_")
    if matrix is not None:
        values = [float(value) for line in matrix for value in line]
        row |= dict(zip(_TRANSFORMATION, values, strict=True))
    return row


def _nested(row: Mapping[Any, Any]) -> dict[str, Any]:
    values = {name: _plain(value) for name, value in row.items() if value == value}
    point: dict[str, Any] = {"location": {axis: values[axis] for axis in _AXES}}
    if all(name in values for name in _TRANSFORMATION):
        entries = [values[name] for name in _TRANSFORMATION]
        point["transformation_"] = [entries[start : start + 4] for start in range(0, 16, 4)]
    return point | {name: values[name] for name in _OF_POINT if name in values}


def _check_known(content: dict[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise ValueError(f"it has {unknown}, which would be lost")


def _plain(value: Any) -> Any:
    """Return a number of numpy as one of Python, which JSON knows."""
    return value.item() if hasattr(value, "item") else value
