"""Tables of rows without STAR's blocks: CSV, and columns separated by white space."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sksubtomo._utils._messages import shorten
from sksubtomo.io._fields import (
    Quoted,
    as_table,
    check_fields,
    check_width,
    format_column,
    numbered_lines,
    transpose,
)

if TYPE_CHECKING:
    import pandas as pd

_FIELD = re.compile(r'[ \t]*"((?:[^"]|"")*)"[ \t]*(?=,|$)|([^",][^,]*)?(?=,|$)')
_NEEDS_QUOTES = re.compile(r'$|\s|.*[,"]|.*\s$|(?:nan|NaN|<NA>)$')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
#: Columns of TomoTwin's files, which have no line of labels.
COORDINATES = ("x", "y", "z")


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table of a CSV file, whose first line names the columns.

    Raises
    ------
    ValueError
        If a row has a field too many or too few, or a quote is not closed; the message names the
        line.
    """
    lines = numbered_lines(path)
    if not lines:
        raise ValueError("it is empty; the first line must name the columns")
    check_width(lines[0][1].count(",") + 1, lines[0][0])
    numbers = [number for number, _ in lines]
    rows = [_split(line, number) for number, line in lines]
    labels = rows.pop(0)
    if all(type(label) is Quoted for label in labels):
        # Where everything is in quotes, they say nothing.
        rows = [[str(field) for field in row] for row in rows]
    if len(set(labels)) < len(labels):
        raise ValueError(f"line {numbers[0]} names a column twice")
    names = list(map(str, labels))
    return as_table(names, transpose(rows, len(names), numbers[1:]))


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table that was checked."""
    _write(table, path, ",", quote_csv, _force_csv, header=True)


def read_spaced(path: Path, labels: list[str] | None = None) -> pd.DataFrame:
    """Return a table of columns separated by white space, without a line of labels.

    Parameters
    ----------
    path : Path
        The file.
    labels : list of str, optional
        Of the columns. By default, Dynamo's, as many as there are fields.

    Raises
    ------
    ValueError
        If a row has a field too many or too few; the message names the line.
    """
    lines = numbered_lines(path)
    numbers = [number for number, _ in lines]
    rows = [line.split() for _, line in lines]
    if rows:
        check_width(len(rows[0]), numbers[0])
    if labels is None:
        labels = _dynamo_labels(len(rows[0]) if rows else None)
    return as_table(labels, transpose(rows, len(labels), numbers))


def write_spaced(table: pd.DataFrame, path: Path) -> None:
    """Write a table that was checked."""
    _write(table, path, " ", _no_quotes, _no_quotes, header=False)


def check_separated(path: Path, table: pd.DataFrame) -> None:
    """Check that a table can be written so that the same is read again.

    Raises
    ------
    ValueError
        If the kind of file has no way to say a text.
    """
    if path.suffix.lower() == ".csv":
        labels = _names(table)
        check_fields(path, "(the name of a column)", labels, quote_csv, _force_csv)
        check_fields(path, "of the table", table, quote_csv, _force_csv)
    else:
        check_fields(path, "of the table", table, _no_quotes, _cannot)


def row_lines(path: Path) -> list[int]:
    """Return the number of the line of each row."""
    numbers = [number for number, _ in numbered_lines(path)]
    return numbers[1:] if path.suffix.lower() == ".csv" else numbers


def quote_csv(text: str) -> str:
    """Return text in quotes where it needs them.

    Raises
    ------
    ValueError
        If it has line breaks or other control characters.
    """
    return _force_csv(text) if _NEEDS_QUOTES.match(text) or _CONTROL.search(text) else text


def _force_csv(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"there is no way to say {shorten(repr(text), 80)} in a line")
    return '"' + text.replace('"', '""') + '"'


def _no_quotes(text: str) -> str:
    """Return text that needs no quotes."""
    if text.split() != [text] or _NEEDS_QUOTES.match(text) or _CONTROL.search(text):
        return _cannot(text)
    return text


def _cannot(text: str) -> str:
    raise ValueError(f"there is no way to say {shorten(repr(text), 80)} without quotes")


def _split(line: str, number: int) -> list[str]:
    if '"' not in line:
        return [field.strip() for field in line.split(",")]
    fields: list[str] = []
    place = 0
    while place <= len(line):
        field = _FIELD.match(line, place)
        if field is None:
            raise ValueError(f"line {number} has a quote that is not closed, or goes on after it")
        quoted, bare = field.groups()
        fields.append((bare or "").strip() if quoted is None else Quoted(quoted.replace('""', '"')))
        place = field.end() + 1
    return fields


def _write(table, path, separator, quote, force, *, header) -> None:  # type: ignore[no-untyped-def]
    columns = [format_column(str(label), table[label], quote, force) for label in table]
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        if header:
            file.write(separator.join(quote(str(label)) for label in table) + "\n")
        file.writelines(f"{line}\n" for line in map(separator.join, zip(*columns, strict=True)))


def _names(table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({str(label): [str(label)] for label in table})


def _dynamo_labels(n_columns: int | None) -> list[str]:
    from dynamotable.utils import COLUMN_NAMES

    known = list(COLUMN_NAMES)
    if n_columns is None:
        return known
    return known[:n_columns] + [f"column{number}" for number in range(43, n_columns + 1)]
