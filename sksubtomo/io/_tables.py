"""Tables of several programs as data frames, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sksubtomo._utils._messages import listed, shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import _copick, _motl, _separated, _star
from sksubtomo.io._kinds import check_is_text

if TYPE_CHECKING:
    import pandas as pd

_DYNAMO_FIRST_COLUMNS = ["tag", "aligned_value", "averaged_value", "dx", "dy", "dz"]


class _Kind(NamedTuple):
    """A kind of file that holds one table."""

    name: str
    block: str
    read: Callable[[Path], pd.DataFrame]
    write: Callable[[pd.DataFrame, Path], None]
    check: Callable[[Path, pd.DataFrame], None]
    lines: Callable[[Path], list[int]] | None


def _check_dynamo(path: Path, table: pd.DataFrame) -> None:
    if list(table.columns[:6]) != _DYNAMO_FIRST_COLUMNS:
        raise ValueError(
            f"{path}: only a table of Dynamo can be written as one; write a STAR file."
        )
    _separated.check_separated(path, table)


def _check_coordinates(path: Path, table: pd.DataFrame) -> None:
    if tuple(table.columns) != _separated.COORDINATES:
        raise ValueError(
            f"{path}: files of TomoTwin hold x, y and z only, no classes and no other columns "
            f"({listed(table.columns)}); write a STAR file."
        )
    _separated.check_separated(path, table)


def _read_coordinates(path: Path) -> pd.DataFrame:
    return _separated.read_spaced(path, list(_separated.COORDINATES))


_KINDS = {
    ".tbl": _Kind(
        name="table of Dynamo",
        block="dynamo",
        read=_separated.read_spaced,
        write=_separated.write_spaced,
        check=_check_dynamo,
        lines=_separated.row_lines,
    ),
    ".csv": _Kind(
        name="CSV file",
        block="particles",
        read=_separated.read_csv,
        write=_separated.write_csv,
        check=_separated.check_separated,
        lines=_separated.row_lines,
    ),
    ".coords": _Kind(
        name="file of TomoTwin",
        block="particles",
        read=_read_coordinates,
        write=_separated.write_spaced,
        check=_check_coordinates,
        lines=_separated.row_lines,
    ),
    ".json": _Kind(
        name="copick file",
        block="copick",
        read=_copick.read_copick,
        write=_copick.write_copick,
        check=_copick.check_copick,
        lines=None,
    ),
    ".em": _Kind(
        name="motive list",
        block="motl",
        read=_motl.read_motl,
        write=_motl.write_motl,
        check=_motl.check_motl,
        lines=None,
    ),
}


def kind_of(path: Path) -> str:
    """Return the ending by which a file of a table is read: that of its kind, or ``.star``."""
    ending = path.suffix.lower()
    if ending not in _KINDS and path.is_file() and _motl.is_motl(path):
        return ".em"
    return ending if ending in _KINDS else ".star"


def read_blocks(path: Path) -> dict[str, Any]:
    """Return the blocks of a file; all but STAR files have one.

    Raises
    ------
    FileFormatError
        If the file cannot be read, or has no block.
    ImportError
        If the package for this kind of file is not installed.
    """
    kind = _KINDS.get(kind_of(path))
    if kind is None or kind.name != "motive list":
        check_is_text(path, "a table")
    try:
        blocks = _star.read_star(path) if kind is None else {kind.block: kind.read(path)}
    except ImportError as error:
        raise ImportError(
            f"Tables of particles need the package {error.name}: pip install 'sksubtomo[data]'"
        ) from error
    except MemoryError:
        raise
    # The parsers let through whatever they meet.
    except Exception as error:
        name = "STAR file" if kind is None else kind.name
        said = str(error) if isinstance(error, ValueError) else repr(error)
        raise FileFormatError(
            f"{path} cannot be read as a {name}: {shorten(said, 400)}."
        ) from error
    if not blocks:
        raise FileFormatError(f"{path} is not a STAR file: it has no data block.")
    return blocks


def row_name(path: Path, block: str, row: int) -> str:
    """Return the name of a row of a block for messages: its number, and its line in the file."""
    kind = _KINDS.get(kind_of(path))
    find = None if kind is None else kind.lines
    if kind is not None and find is None:
        return f"row {row + 1}"
    lines = _star.row_lines(path, block) if find is None else find(path)
    return f"row {row + 1} (line {lines[row]})"


def check_writable(path: Path, blocks: dict[str, Any], table: pd.DataFrame) -> None:
    """Check that a table, one of the blocks, can be written to a file with this ending.

    Raises
    ------
    ValueError
        If the kind of file has no place for what is in the table.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        _star.check_star(path, blocks)
        return
    if len(blocks) > 1:
        raise ValueError(f"{path} can hold one block only, not {list(blocks)}; write a STAR file.")
    if "rlnMaxValueProbDistribution" in table and path.suffix.lower() == ".tbl":
        raise ValueError(f"{path}: tables of Dynamo have no column of probabilities.")
    kind.check(path, table)


def write_blocks(blocks: dict[str, Any], path: Path) -> None:
    """Write blocks that were checked, in the form of the ending."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        _star.write_star(blocks, path)
        return
    (table,) = blocks.values()
    kind.write(table, path)
