"""Tables of several programs as data frames, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sksubtomo.exceptions import FileFormatError

if TYPE_CHECKING:
    import pandas as pd

_DYNAMO_FIRST_COLUMNS = ["tag", "aligned_value", "averaged_value", "dx", "dy", "dz"]


def read_blocks(path: Path) -> dict[str, Any]:
    """Return the blocks of a file; all but STAR files have one.

    Raises
    ------
    FileFormatError
        If the file cannot be read, or has no block.
    ImportError
        If the package for this kind of file is not installed.
    """
    reader = _READERS.get(path.suffix.lower(), _read_star)
    try:
        blocks = reader(path)
    except ImportError as error:
        raise ImportError(
            f"Tables of particles need the package {error.name}: pip install 'sksubtomo[data]'"
        ) from error
    # The parsers let through whatever they meet.
    except Exception as error:
        kind = _KINDS.get(path.suffix.lower(), "STAR file")
        raise FileFormatError(f"{path} cannot be read as a {kind}: {error!r}") from error
    if not blocks:
        raise FileFormatError(f"{path} is not a STAR file: it has no data block.")
    return blocks


def check_writable(path: Path, blocks: dict[str, Any], table: pd.DataFrame) -> None:
    """Check that a table can be written to a file with this ending.

    Raises
    ------
    ValueError
        If the kind of file has no place for what is in the table.
    """
    ending = path.suffix.lower()
    if ending == ".json":
        raise ValueError(f"{path}: copick files have no place for classes; write a STAR file.")
    if ending in _KINDS and len(blocks) > 1:
        raise ValueError(f"{path} can hold one block only, not {list(blocks)}; write a STAR file.")
    if ending == ".tbl" and list(table.columns[:6]) != _DYNAMO_FIRST_COLUMNS:
        raise ValueError(
            f"{path}: only a table of Dynamo can be written as one; write a STAR file."
        )
    if ending == ".tbl" and "rlnMaxValueProbDistribution" in table:
        raise ValueError(f"{path}: tables of Dynamo have no column of probabilities.")


def write_blocks(blocks: dict[str, Any], path: Path) -> None:
    """Write blocks in the form of the ending.

    Raises
    ------
    ImportError
        If starfile is not installed.
    """
    if path.suffix.lower() in _KINDS:
        (table,) = blocks.values()
        dynamo = path.suffix.lower() == ".tbl"
        table.to_csv(path, sep=" " if dynamo else ",", header=not dynamo, index=False)
        return
    try:
        import starfile
    except ImportError as error:
        raise ImportError(
            f"STAR files need the package {error.name}: pip install 'sksubtomo[data]'"
        ) from error
    starfile.write(blocks, path)


def _read_star(path: Path) -> dict[str, Any]:
    import starfile

    return starfile.read(path, always_dict=True)


def _read_dynamo(path: Path) -> dict[str, Any]:
    import dynamotable

    return {"dynamo": dynamotable.read(path)}


def _read_csv(path: Path) -> dict[str, Any]:
    import pandas as pd

    return {"particles": pd.read_csv(path)}


def _read_copick(path: Path) -> dict[str, Any]:
    """Return the points of a copick file as a table."""
    import pandas as pd

    content = json.loads(path.read_text())
    if content.get("unit", "angstrom") != "angstrom":
        raise ValueError(f"its unit is {content['unit']!r}, not angstrom")
    rows = [{axis: float(point["location"][axis]) for axis in "xyz"} for point in content["points"]]
    table = pd.DataFrame(rows, columns=["x", "y", "z"])
    if content.get("run_name") is not None:
        table["run_name"] = content["run_name"]
    table["pickable_object_name"] = content.get("pickable_object_name", "")
    return {"copick": table}


_READERS = {".tbl": _read_dynamo, ".csv": _read_csv, ".json": _read_copick}
_KINDS = {".tbl": "table of Dynamo", ".csv": "CSV file", ".json": "copick file"}
