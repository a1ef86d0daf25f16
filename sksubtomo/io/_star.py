"""STAR files, a row a line, as RELION reads them.

The rules of fields and quotes are those of RELION's ``nextTokenInSTAR`` (src/strings.cpp) and of
S. R. Hall, "The STAR file: a new format for electronic data transfer and archiving", Journal of
Chemical Information and Computer Sciences 31, 1991. Text of several lines is not supported, as it
is not by RELION.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sksubtomo._utils._messages import shorten
from sksubtomo.io._fields import (
    MOST_COLUMNS,
    Quoted,
    as_table,
    check_fields,
    format_column,
    format_value,
    parse_value,
    read_text,
    transpose,
)
from sksubtomo.io._quick import parse_spaced

_SPACE = " \t\r\f\v"
# In quotes, a quote goes on where no white space follows. A # begins a comment, but not in a field.
_FIELD = re.compile(
    rf"""[{_SPACE}]*(?:
    (?P<comment>\#.*) |
    "(?P<double>(?:[^"]|"(?=[^{_SPACE}]))*)"(?=[{_SPACE}]|$) |
    '(?P<single>(?:[^']|'(?=[^{_SPACE}]))*)'(?=[{_SPACE}]|$) |
    (?P<bare>[^{_SPACE}"'][^{_SPACE}]*)
    )""",
    re.VERBOSE,
)
# Text that a reader would take for something else.
_NEEDS_QUOTES = re.compile(r"$|[\"'_;]|.*[\s#]|(?:data|loop|save|stop|global)_|(?:nan|NaN|<NA>)$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# RELION 4 has one block for each tomogram; no program has a hundred columns.
_MOST_BLOCKS = _MOST_LABELS = MOST_COLUMNS
_MANY_BLOCKS, _FEW_CHARACTERS = 100, 2000

_LOST = "it has an empty block, two blocks of one name, or single values or a loop beside a loop"


class _Block(NamedTuple):
    """A block of a file, whose rows are not split yet."""

    name: str
    labels: list[str]
    #: Of single values, a line for each label; of a loop, the text of its rows.
    body: list[str] | str
    #: Number of the first line of the body.
    line: int


def read_star(path: Path) -> dict[str, Any]:
    """Return the blocks of a STAR file: tables, and dicts of single values.

    Raises
    ------
    ValueError
        If it is no STAR file, a row has a field too many or too few, or it has parts that would
        be lost; the message names the line.
    """
    blocks = list(_blocks(read_text(path)))
    # Of a few rows, the quick way is the longer one, which thousands of blocks would tell.
    few = _FEW_CHARACTERS if len(blocks) > _MANY_BLOCKS else 0
    return {block.name: _parse(block, few) for block in blocks}


def row_lines(path: Path, name: str) -> list[int]:
    """Return the number of the line of each row of a loop."""
    found = next(block for block in _blocks(read_text(path)) if block.name == name)
    return [number for number, _ in _rows(found)]


def write_star(blocks: dict[str, Any], path: Path) -> None:
    """Write blocks that were checked, as RELION lays them out."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for name, block in blocks.items():
            file.write(f"\ndata_{name}\n\n")
            if hasattr(block, "columns"):
                labels = [f"_{label} #{number}\n" for number, label in enumerate(block, start=1)]
                file.write("loop_\n" + "".join(labels))
                columns = [format_column(label, block[label], quote, _force) for label in block]
                file.writelines(f"{line}\n" for line in map("\t".join, zip(*columns, strict=True)))
            else:
                for label, value in block.items():
                    file.write(f"_{label}\t{format_value(label, value, quote, _force)}\n")
            file.write("\n")


def check_star(path: Path, blocks: dict[str, Any]) -> None:
    """Check that blocks can be written so that the same is read again.

    Raises
    ------
    ValueError
        If a STAR file has no way to say a text, or a label.
    """
    import pandas as pd

    for name, block in blocks.items():
        if not _is_word(f"data_{name}"):
            raise ValueError(
                f"{path}: the block {shorten(name, 80)!r} has white space in it; rename it."
            )
        for label in block:
            if not label or not _is_word(str(label)):
                raise ValueError(
                    f"{path}: the column {shorten(label, 80)!r} has white space in it; rename it."
                )
        table = block if hasattr(block, "columns") else pd.DataFrame([block])
        check_fields(path, f"of the block {shorten(name, 80)!r}", table, quote, _force)


def _parse(block: _Block, few: int) -> Any:
    """Return a loop as a table, and other blocks as a dictionary; of few characters, row by row."""
    if not isinstance(block.body, str):
        values = [_split(line, block.line)[1] for line in block.body]
        pairs = zip(block.labels, values, strict=True)
        return {label: parse_value(label, value) for label, value in pairs}
    if len(block.labels) > 1 and len(block.body) >= few:
        table = parse_spaced(block.body, block.labels)
        if table is not None:
            return table
    rows = [(number, _split(line, number)) for number, line in _rows(block)]
    numbers = [number for number, _ in rows]
    if ["loop_"] in [fields for _, fields in rows]:
        raise ValueError(f"line {block.line}: {_LOST}")
    labels = [number for number, fields in rows if fields and _is_label(fields[0])]
    if labels:
        raise ValueError(
            f"line {labels[0]} begins with _ as labels do, but stands among the rows of a loop; "
            "put text that begins with _ in quotes"
        )
    columns = transpose([fields for _, fields in rows], len(block.labels), numbers)
    return as_table(block.labels, columns)


def _rows(block: _Block) -> list[tuple[int, str]]:
    """Return the rows of a loop with the numbers of their lines."""
    lines = str(block.body).split("\n")
    stripped = ((number, line.strip()) for number, line in enumerate(lines, start=block.line))
    return [(number, line) for number, line in stripped if line and line[0] != "#"]


def _split(line: str, number: int) -> list[str]:
    fields: list[str] = []
    place = 0
    while place < len(line):
        field = _FIELD.match(line, place)
        if field is None:
            raise ValueError(f"line {number} has a quote that is not closed")
        kind, place = field.lastgroup, field.end()
        if kind == "bare":
            fields.append(field["bare"])
        elif kind != "comment":
            fields.append(Quoted(field[kind or ""]))
    return fields


def _blocks(text: str) -> Iterator[_Block]:
    starts = _starts(text)
    if len(starts) > _MOST_BLOCKS:
        raise ValueError(f"it has {len(starts)} data blocks; at most {_MOST_BLOCKS} are read")
    first = starts[0] if starts else len(text)
    for number, row in enumerate(text[:first].split("\n"), start=1):
        if row.strip() and row.strip()[0] != "#":
            raise ValueError(
                f"line {number} stands before the first data block: {shorten(row, 60)!r}"
            )
    names = set()
    line = text.count("\n", 0, first) + 1
    for start, stop in pairwise([*starts, len(text)]):
        block = _block(text, start, stop, line)
        if not block.labels or block.name in names:
            raise ValueError(f"line {line}: {_LOST}")
        names.add(block.name)
        yield block
        if stop < len(text):
            line += text.count("\n", start, stop)


def _starts(text: str) -> list[int]:
    """Return where blocks begin. A file name may begin with data_, too, but fields follow it."""
    starts = []
    place = text.find("data_")
    while place >= 0:
        start = text.rfind("\n", 0, place) + 1
        stop = text.find("\n", place)
        fields = text[start : stop if stop >= 0 else len(text)].split()
        if fields[0].startswith("data_") and (len(fields) == 1 or fields[1][0] == "#"):
            starts.append(start)
        place = text.find("data_", stop) if stop >= 0 else -1
    return starts


def _block(text: str, start: int, stop: int, line: int) -> _Block:
    """Return the block that a part of a text is, whose first line has this number."""
    labels: dict[str, None] = {}
    values: list[str] = []
    in_loop = False
    head, place = _next_line(text, start, stop)
    while place < stop:
        row, after = _next_line(text, place, stop)
        line += 1
        fields = _split(row, line)
        if fields == ["loop_"]:
            if in_loop or labels:
                raise ValueError(f"line {line}: {_LOST}")
            in_loop = True
        elif in_loop and fields and not (len(fields) == 1 and _is_label(fields[0])):
            break
        elif fields:
            if not in_loop and (len(fields) != 2 or not _is_label(fields[0])):
                raise ValueError(
                    f"line {line} is no label with one value: {shorten(row, 60)!r}; put text "
                    "with spaces in quotes"
                )
            if fields[0][1:] in labels:
                label = shorten(fields[0][1:], 80)
                raise ValueError(f"line {line} names {label} a second time in its block")
            if len(labels) == _MOST_LABELS:
                raise ValueError(f"line {line}: a block has more than {_MOST_LABELS} labels")
            labels[fields[0][1:]] = None
            values.append(row)
        place = after
    name = head.split()[0][len("data_") :]
    return _Block(name, list(labels), text[place:stop] if in_loop else values, line)


def _next_line(text: str, start: int, stop: int) -> tuple[str, int]:
    """Return a line without white space around it, and where the next one begins."""
    end = text.find("\n", start, stop)
    end = stop if end < 0 else end
    return text[start:end].strip(), end + 1


def _is_label(field: str) -> bool:
    return field.startswith("_") and type(field) is not Quoted


def _is_word(text: str) -> bool:
    return text.isprintable() and " " not in text


def quote(text: str) -> str:
    """Return text in quotes where it needs them.

    Raises
    ------
    ValueError
        If a STAR file has no way to say it.
    """
    return _force(text) if _NEEDS_QUOTES.match(text) or _CONTROL.search(text) else text


def _force(text: str) -> str:
    if not _CONTROL.search(text):
        for mark in "\"'":
            # The mark may stand in the text, but not before white space, where it would end it.
            if not re.search(rf"{mark}(?:[{_SPACE}]|$)", text):
                return f"{mark}{text}{mark}"
    raise ValueError(
        f"STAR files have no way to say {shorten(repr(text), 80)}; remove quotes and line breaks"
    )
