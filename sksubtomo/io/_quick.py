"""Rows of fields separated by white space, read by the parser of pandas where that is safe."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from sksubtomo.io._fields import (
    FRACTIONAL,
    MISSING,
    MISSING_WORDS,
    TEXT_ENDINGS,
    is_number,
    parse_column,
    text_type,
)

if TYPE_CHECKING:
    import pandas as pd

# Comments and fields in quotes, which begin where a field does; the last two are not closed. Each
# begins with its mark, which is what makes the search fast.
_AT_START = r"(?<![^ \t\n].)"
_MARKED = re.compile(
    rf"\#{_AT_START}[^\n]*"
    rf'|"{_AT_START}(?P<double>[^"\n]*(?:"(?![ \t\n]|\Z)[^"\n]*)*)"(?=[ \t\n]|\Z)'
    rf"|'{_AT_START}(?P<single>[^'\n]*(?:'(?![ \t\n]|\Z)[^'\n]*)*)'(?=[ \t\n]|\Z)"
    rf'|"{_AT_START}(?P<open_double>)'
    rf"|'{_AT_START}(?P<open_single>)"
)
_BLANK = ("", " ", "\t", "\n")
_COMMENT_LINE = re.compile(r"\n[ \t]*#[^\n]*")
# Stands for a field in quotes, before its number.
_TOKEN = "\x02"
# What the parser of pandas does not take for text, or takes for it and others do not: white space
# besides blanks and tabs.
_NOT_QUICK = ("\0", _TOKEN, *map(chr, (11, 12, *range(28, 32))))
_NOT_QUICK_UNICODE = tuple(
    map(chr, (133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288))
)
_FIRST_LINE = re.compile(r"\s*(\S.*)")


def parse_spaced(text: str, labels: Sequence[str]) -> pd.DataFrame | None:
    """Return lines of fields separated by white space as a table, by the parser of pandas.

    It takes a fifth of the time that Python takes, but tells neither the line of a row with a
    field too few, nor 001 from 1, nor text from numbers. So it is given columns whose first field
    is a number with a point or an exponent; all others come as text. Fields in quotes are put
    aside before, and comments removed.

    Returns
    -------
    table : DataFrame or None
        None if a quote is not closed, or a row is of another length or begins as labels do:
        whoever reads line by line can say where.
    """
    quick = _without_marks(text)
    if quick is None:
        return None
    text, quoted = quick
    first = _FIRST_LINE.match(text)
    fields = first[0].split() if first else []
    if len(fields) != len(labels):
        return None
    table = _parse_unmarked(text, labels, fields)
    # A row that is too short is filled up.
    last = None if table is None else table.iloc[:, -1]
    if table is None or last is None or (last.dtype.kind != "f" and (last == "").any()):
        return None
    starts = table.iloc[:, 0]
    if starts.dtype.kind == "O" and starts.str.startswith("_", na=False).any():
        return None
    columns = {}
    for label, field, (_, column) in zip(labels, fields, table.items(), strict=True):
        if column.dtype.kind == "f" and not column.isna().all():
            columns[label] = column
        elif column.dtype.kind != "O":
            return None
        elif quoted and column.str.startswith(_TOKEN, na=False).any():
            # Text, whatever else there is.
            texts = [quoted.get(one, one) for one in column.tolist()]
            columns[label] = type(column)(texts, dtype=text_type())
        elif label.endswith(TEXT_ENDINGS) or not (is_number(field) or field in MISSING_WORDS):
            # One field that is no number makes a column text.
            columns[label] = column
        else:
            columns[label] = _reparse(label, column)
    return type(table)(columns)


def _without_marks(text: str) -> tuple[str, dict[str, str]] | None:
    """Return rows without comments and with a token for each field in quotes, and those fields."""
    spaces = _NOT_QUICK if text.isascii() else (*_NOT_QUICK, *_NOT_QUICK_UNICODE)
    if any(character in text for character in spaces):
        return None
    if not any(mark in text for mark in "\"'#"):
        return text, {}
    tokens: dict[str, str] = {}
    plain: str | None = _COMMENT_LINE.sub("\n", f"\n{text}") if "#" in text else text
    for mark in "\"'":
        plain = None if plain is None or _has_comment(plain) else _put_aside(plain, mark, tokens)
    if plain is None:
        tokens = {}
        plain = _put_all_aside(text, tokens)
    return None if plain is None else (plain, {token: one for one, token in tokens.items()})


def _has_comment(text: str) -> bool:
    """Tell whether there is a # where a field begins."""
    place = text.find("#")
    while place > 0 and text[place - 1] not in " \t\n":
        place = text.find("#", place + 1)
    return place >= 0


def _put_aside(text: str, mark: str, tokens: dict[str, str]) -> str | None:
    """Return rows with a token for each field in quotes of one kind.

    It takes a fifth of the time that :func:`_put_all_aside` takes.

    Returns
    -------
    text : str or None
        None where there is more than fields in quotes: quotes or marks of comments within fields.
    """
    parts = text.split(mark)
    bare, fields = parts[::2], parts[1::2]
    if len(parts) % 2 == 0 or any("\n" in one or _TOKEN in one for one in fields):
        return None
    # White space stands before and behind each field, if anything does.
    if not all(one[-1:] in _BLANK for one in bare[:-1]) or "" in bare[1:-1]:
        return None
    if not all(one[:1] in _BLANK for one in bare[1:]):
        return None
    for one in dict.fromkeys(fields):
        tokens.setdefault(one, f"{_TOKEN}{len(tokens)}")
    parts[1::2] = map(tokens.__getitem__, fields)
    return "".join(parts)


class _OpenQuote(Exception):
    """A quote is not closed."""


def _put_all_aside(text: str, tokens: dict[str, str]) -> str | None:
    """Return rows without comments and with a token for each field in quotes, or None."""

    def put_aside(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind is None:
            return ""
        if kind.startswith("open"):
            # Looking for the ends of all others would take long.
            raise _OpenQuote
        return tokens.setdefault(match[kind], f"{_TOKEN}{len(tokens)}")

    try:
        return _MARKED.sub(put_aside, text)
    except _OpenQuote:
        return None


def _parse_unmarked(text: str, labels: Sequence[str], fields: Sequence[str]) -> Any:
    """Return a table of columns by number, floats or text by the first field of each."""
    import pandas as pd

    pairs = enumerate(zip(labels, fields, strict=True))
    types: dict[Any, Any] = {
        column: str for column, (label, field) in pairs if not _is_float(label, field)
    }
    exact = {} if _version(pd) >= (3, 1) else {"float_precision": "round_trip"}
    try:
        table = pd.read_csv(
            BytesIO(text.encode()),
            sep=r"\s+",
            header=None,
            dtype=types,
            keep_default_na=False,
            na_values=sorted(MISSING_WORDS - {""}),
            quoting=csv.QUOTE_NONE,
            low_memory=False,
            **exact,  # type: ignore[call-overload]
        )
    except ValueError:
        return None
    return table if table.shape[1] == len(labels) else None


def _is_float(label: str, field: str) -> bool:
    return not label.endswith(TEXT_ENDINGS) and bool(FRACTIONAL.search(field)) and is_number(field)


def _reparse(label: str, column: pd.Series) -> Any:
    """Return a column of text, whose missing values were found, as :func:`parse_column` does."""
    fields = column.tolist()
    if column.isna().any():
        fields = [one if isinstance(one, str) else MISSING for one in fields]
    return parse_column(label, fields)


def _version(module: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", module.__version__)[:2])
