"""Tables of several programs as data frames, and back."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._copick import check_copick, read_copick, write_copick
from sksubtomo.io._kinds import check_is_text

if TYPE_CHECKING:
    import pandas as pd

_DYNAMO_FIRST_COLUMNS = ["tag", "aligned_value", "averaged_value", "dx", "dy", "dz"]
# Endings of the labels whose values are text, even 1 or 1e5.
_TEXT = ("Name", "File", "Tomogram")
# A number with leading zeros is a name; one of so many digits is no float64 or int64.
_NAME_OF_DIGITS = "^[+-]?(?:0[0-9]+|[0-9]{19,})$"
# What starfile takes for a missing value in a table.
_MISSING = ("nan", "NaN", "<NA>")


def read_blocks(path: Path) -> dict[str, Any]:
    """Return the blocks of a file; all but STAR files have one.

    Raises
    ------
    FileFormatError
        If the file cannot be read, or has no block.
    ImportError
        If the package for this kind of file is not installed.
    """
    check_is_text(path, "a table of particles")
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
        raise FileFormatError(
            f"{path} cannot be read as a {kind}: {shorten(repr(error), 300)}"
        ) from error
    if not blocks:
        raise FileFormatError(f"{path} is not a STAR file: it has no data block.")
    return blocks


def check_writable(path: Path, blocks: dict[str, Any], table: pd.DataFrame) -> None:
    """Check that a table, one of the blocks, can be written to a file with this ending.

    Raises
    ------
    ValueError
        If the kind of file has no place for what is in the table.
    """
    ending = path.suffix.lower()
    if ending == ".json":
        check_copick(path, table)
    if ending in _KINDS and len(blocks) > 1:
        raise ValueError(f"{path} can hold one block only, not {list(blocks)}; write a STAR file.")
    if ending == ".tbl" and list(table.columns[:6]) != _DYNAMO_FIRST_COLUMNS:
        raise ValueError(
            f"{path}: only a table of Dynamo can be written as one; write a STAR file."
        )
    if ending == ".tbl" and "rlnMaxValueProbDistribution" in table:
        raise ValueError(f"{path}: tables of Dynamo have no column of probabilities.")
    if ending not in _KINDS:
        for name, block in blocks.items():
            _check_text(path, name, block)


def write_blocks(blocks: dict[str, Any], path: Path) -> None:
    """Write blocks in the form of the ending.

    Raises
    ------
    ImportError
        If starfile is not installed.
    """
    if path.suffix.lower() in _KINDS:
        (table,) = blocks.values()
        if path.suffix.lower() == ".json":
            write_copick(table, path)
            return
        dynamo = path.suffix.lower() == ".tbl"
        table.to_csv(path, sep=" " if dynamo else ",", header=not dynamo, index=False)
        return
    try:
        import starfile
    except ImportError as error:
        raise ImportError(
            f"STAR files need the package {error.name}: pip install 'sksubtomo[data]'"
        ) from error
    # Without a format, a float is written with the fewest digits that say the same float64.
    starfile.write({name: _quote(block) for name, block in blocks.items()}, path, float_format=None)


def _check_text(path: Path, name: str, block: Any) -> None:
    """Refuse what would not be the same when read again."""
    table = hasattr(block, "columns")
    for label in block:
        if not str(label).isprintable() or " " in str(label) or not label:
            raise ValueError(f"{path}: the column {label!r} has white space in it; rename it.")
        if table and block[label].dtype.kind != "O":
            continue
        for value in block[label].dropna().unique() if table else [block[label]]:
            if isinstance(value, str) and not _survives(value, table):
                raise ValueError(
                    f"{path}: STAR files have no way to say {value!r}, in {label} of the block "
                    f"{name!r}; remove quotes and white space other than single spaces."
                )


def _survives(value: str, in_table: bool) -> bool:
    if not value.isprintable() or "'" in value:
        return False
    if not in_table:
        return not set('"\\') & set(value)
    bare = " " not in value and _quote_text(value) == value
    return value not in _MISSING and ('"' not in value or (bare and value[0] != '"'))


def _quote(block: Any) -> Any:
    """Put quotes where a reader would take text for something else, and starfile does not."""
    if not hasattr(block, "columns"):
        return {label: _quote_text(value) for label, value in block.items()}
    text = [label for label in block if block[label].dtype.kind == "O"]
    return block.assign(**{label: block[label].map(_quote_text) for label in text})


def _quote_text(value: Any) -> Any:
    # starfile itself puts quotes round text that is empty or has spaces.
    if not isinstance(value, str) or not value or " " in value:
        return value
    special = "#" in value or value.startswith(("_", "data_", "loop_"))
    return f'"{value}"' if special else value


def _read_star(path: Path) -> dict[str, Any]:
    """Return the blocks of a STAR file, values as they are written."""
    import starfile

    # starfile keeps the lines of a file that it failed to read, and would read them again.
    linecache.clearcache()
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    labels = dict.fromkeys(line.split()[0][1:] for line in lines if line.startswith("_"))
    blocks = starfile.read(path, always_dict=True, parse_as_string=list(labels))
    # starfile joins an empty block to the next, and drops the loop of a block with single values.
    names = [line[5:] for line in lines if line.startswith("data_")]
    n_tables = sum(hasattr(block, "columns") for block in blocks.values())
    if names != list(blocks) or n_tables != sum(line.startswith("loop_") for line in lines):
        raise ValueError(
            "it has an empty block, two blocks of one name, or single values beside a loop"
        )
    return {name: _with_numbers(block) for name, block in blocks.items()}


def _with_numbers(block: Any) -> Any:
    """Turn text into numbers where nothing is lost by it."""
    if not hasattr(block, "columns"):
        return {label: _value(label, text) for label, text in block.items()}
    columns = {label: _column(str(label), block[label]) for label in block}
    return block.assign(**columns) if len(block) else block


def _value(label: str, text: str) -> str | int | float:
    if label.endswith(_TEXT):
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    if number.is_integer() and text.lstrip("+-").isdecimal():
        return int(text) if str(int(text)) == text else text
    return number if "_" not in text and number == number else text


def _column(label: str, text: pd.Series) -> pd.Series:
    """Return a column of text as numbers, or as it is.

    pandas' own reading of numbers is off by the last bit at times; Python's is exact.
    """
    import pandas as pd

    if label.endswith(_TEXT) or text.dtype.kind != "O" or (text == "").any():
        return text
    values = text.to_numpy(dtype=object)
    try:
        numbers = pd.to_numeric(values)
    except (ValueError, TypeError):
        return text
    if numbers.dtype.kind not in "iuf" or text.str.contains(_NAME_OF_DIGITS, na=False).any():
        return text
    if numbers.dtype.kind == "f":
        numbers = np.array([float(value) for value in values])
    return pd.Series(numbers, index=text.index)


def _read_dynamo(path: Path) -> dict[str, Any]:
    import dynamotable

    return {"dynamo": dynamotable.read(path)}


def _read_csv(path: Path) -> dict[str, Any]:
    import pandas as pd

    # Of text as of numbers, an empty field is a missing one: the two look the same.
    text = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=["", *_MISSING])
    return {"particles": _with_numbers(text)}


def _read_copick_block(path: Path) -> dict[str, Any]:
    return {"copick": read_copick(path)}


_READERS = {".tbl": _read_dynamo, ".csv": _read_csv, ".json": _read_copick_block}
_KINDS = {".tbl": "table of Dynamo", ".csv": "CSV file", ".json": "copick file"}
