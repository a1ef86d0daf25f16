"""Fields of rows as columns of numbers or text, and back."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._messages import plural, shorten

if TYPE_CHECKING:
    import pandas as pd

#: How a missing value is written where numbers are not: a missing number is ``nan``.
MISSING = "<NA>"
# Without quotes, these are missing values wherever they stand among text.
_MISSING = frozenset({"", "nan", "NaN", MISSING})
# Endings of the labels whose values are text, even 1 or 1e5.
_TEXT = ("Name", "File", "Tomogram")
# Whole numbers with leading zeros are names.
_NAME_OF_DIGITS = re.compile(r" [+-]?0[0-9]")
_FRACTIONAL = re.compile(r"[.eEnN]")
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
# Stands for a field in quotes, before its number.
_TOKEN = "\x02"
# What the parser of pandas does not take for text, or takes for it and others do not: white space
# besides blanks and tabs.
_NOT_QUICK = ("\0", _TOKEN, *map(chr, (11, 12, *range(28, 32))))
_NOT_QUICK_UNICODE = tuple(
    map(chr, (133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288))
)
_FIRST_LINE = re.compile(r"\s*(\S.*)")


class Quoted(str):
    """A field that stood in quotes: text, whatever it says."""

    __slots__ = ()


def read_text(path: Path) -> str:
    """Return the text of a file, with line feeds at the ends of lines.

    Raises
    ------
    ValueError
        If it is not text in UTF-8.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not text in UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file that are not empty, with their numbers, from 1."""
    # Not splitlines(), which takes characters of names for the ends of lines.
    lines = (line.strip() for line in read_text(path).split("\n"))
    return [(number, line) for number, line in enumerate(lines, start=1) if line]


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
    if starts.dtype.kind == "O" and any(str(one).startswith("_") for one in starts.tolist()):
        return None
    columns = {}
    for label, field, (_, column) in zip(labels, fields, table.items(), strict=True):
        if column.dtype.kind == "f" and not column.isna().all():
            columns[label] = column
        elif column.dtype.kind != "O":
            return None
        elif quoted and not quoted.keys().isdisjoint(values := column.tolist()):
            # Text, whatever else there is.
            texts = [quoted.get(one, one) for one in values]
            columns[label] = type(column)(texts, dtype=_text_type())
        elif label.endswith(_TEXT) or not (is_number(field) or field in _MISSING):
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
    kinds = set()

    def put_aside(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind is None:
            return ""
        kinds.add(kind)
        return tokens.setdefault(match[kind], f"{_TOKEN}{len(tokens)}")

    text = _MARKED.sub(put_aside, text)
    if not kinds <= {"double", "single"}:
        return None
    return text, {token: one for one, token in tokens.items()}


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
            na_values=sorted(_MISSING - {""}),
            quoting=csv.QUOTE_NONE,
            low_memory=False,
            **exact,  # type: ignore[call-overload]
        )
    except ValueError:
        return None
    return table if table.shape[1] == len(labels) else None


def transpose(
    rows: Sequence[Sequence[str]], width: int, numbers: Sequence[int]
) -> list[tuple[str, ...]]:
    """Return the columns of rows of fields.

    Parameters
    ----------
    rows : sequence of sequence of str
        Fields.
    width : int
        Number of columns.
    numbers : sequence of int
        Line of each row.

    Raises
    ------
    ValueError
        If a row has a field too many or too few: its values could not be told apart.
    """
    wrong = [row for row, fields in enumerate(rows) if len(fields) != width]
    if wrong:
        more = f"; so do {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(
            f"line {numbers[wrong[0]]} has {plural(len(rows[wrong[0]]), 'field')} for "
            f"{plural(width, 'column')}{more}. Write {MISSING} for a value that is missing, and "
            "put text with spaces in quotes"
        )
    return list(zip(*rows, strict=True)) if rows else [()] * width


def as_table(labels: Sequence[str], columns: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return columns of fields as a table, numbers where nothing is lost by it."""
    import pandas as pd

    if not columns or not columns[0]:
        return pd.DataFrame(columns=list(labels))
    pairs = zip(labels, columns, strict=True)
    return pd.DataFrame({label: parse_column(label, column) for label, column in pairs})


def parse_column(label: str, fields: Sequence[str]) -> Any:
    """Return a column as whole numbers, as floats, or as text with missing values.

    pandas' own reading of numbers is off by the last bit at times; Python's is exact.
    """
    import pandas as pd

    if not label.endswith(_TEXT):
        values = _numbers(fields)
        if values is not None:
            return values
    text: list[Any] = list(fields)
    if not _MISSING.isdisjoint(text):
        # A field in quotes is what it says.
        text = [np.nan if one in _MISSING and type(one) is str else one for one in text]
    if Quoted in set(map(type, text)):
        text = [str(one) if type(one) is Quoted else one for one in text]
    return pd.Series(text, dtype=_text_type())


def parse_value(label: str, field: str) -> str | int | float:
    """Return a single value as :func:`parse_column` does."""
    value = parse_column(label, (field,))[0]
    return value.item() if hasattr(value, "item") else value


def format_column(
    label: str, column: pd.Series, quote: Callable[[str], str], force: Callable[[str], str]
) -> list[str]:
    """Return the fields of a column that say the same when they are read again.

    Parameters
    ----------
    label : str
        Of the column.
    column : Series
        Numbers or text; a value may be missing.
    quote : callable
        Puts quotes around text that needs them.
    force : callable
        Puts quotes around any text.

    Raises
    ------
    ValueError
        If there is no way to say a value.
    """
    kind = column.dtype.kind
    if kind in "biu" and not column.isna().any():
        # A truth value is a whole number, as RELION has it.
        return list(map(str, column.astype(np.uint64 if kind == "u" else np.int64).tolist()))
    if kind == "f":
        # The shortest decimal that says the same float64.
        return list(map(repr, column.to_numpy(dtype=np.float64).tolist()))
    values = [MISSING if gone else one for one, gone in zip(column, column.isna(), strict=True)]
    text = {one: quote(one) for one in values if isinstance(one, str) and one is not MISSING}
    all_numbers = all(field == one and is_number(one) for one, field in text.items())
    if text and all_numbers and not label.endswith(_TEXT):
        # Text that would be read as numbers.
        text = {one: force(one) for one in text}
    return [
        MISSING if one is MISSING else text[one] if isinstance(one, str) else _format_number(one)
        for one in values
    ]


def is_number(text: object) -> bool:
    """Tell whether a field is a number by itself."""
    try:
        float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    # Python takes 1_000 and digits of other scripts for numbers, too.
    return "_" not in str(text) and str(text).isascii()


def format_value(label: str, value: Any, quote: Callable, force: Callable) -> str:
    """Return the field of a single value."""
    import pandas as pd

    return format_column(label, pd.Series([value]), quote, force)[0]


def check_fields(
    path: Path, place: str, table: pd.DataFrame, quote: Callable, force: Callable
) -> None:
    """Check that there is a way to write the columns of a table.

    Raises
    ------
    ValueError
        If there is none; the message names the column.
    """
    for label in table:
        try:
            format_column(str(label), table[label].drop_duplicates(), quote, force)
        except ValueError as error:
            raise ValueError(f"{path}: {error}, in {label} {place}.") from error


def _numbers(fields: Sequence[str]) -> Any:
    """Return fields as an array of numbers, or None where they are not, or say more than that."""
    try:
        values = np.fromiter(map(float, fields), dtype=np.float64, count=len(fields))
    except ValueError:
        return _numbers_with_gaps(fields)
    text = " ".join(fields)
    if "_" in text or not text.isascii() or Quoted in set(map(type, fields)):
        return None
    if not _FRACTIONAL.search(text):
        return _whole_numbers(fields, text)
    return values


def _is_float(label: str, field: str) -> bool:
    return not label.endswith(_TEXT) and bool(_FRACTIONAL.search(field)) and is_number(field)


def _reparse(label: str, column: pd.Series) -> Any:
    """Return a column of text, whose missing values were found, as :func:`parse_column` does."""
    fields = column.tolist()
    if column.isna().any():
        fields = [one if isinstance(one, str) else MISSING for one in fields]
    return parse_column(label, fields)


def _version(module: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", module.__version__)[:2])


def _numbers_with_gaps(fields: Sequence[str]) -> Any:
    known = [one for one in fields if one not in (MISSING, "") or type(one) is Quoted]
    if len(known) == len(fields) or not known or _numbers(known) is None:
        return None
    return np.array([float(one) if one not in (MISSING, "") else np.nan for one in fields])


def _whole_numbers(fields: Sequence[str], text: str) -> Any:
    if _NAME_OF_DIGITS.search(f" {text}"):
        return None
    try:
        return np.fromiter(map(int, fields), dtype=np.int64, count=len(fields))
    except (OverflowError, ValueError):
        # Python refuses numbers of thousands of digits.
        return None


def _format_number(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    raise ValueError(f"there is no way to say {shorten(repr(value), 80)}")


def _text_type() -> Any:
    import pandas as pd

    # Of pandas 3, a type of its own; before, objects.
    return pd.Series(["text"]).dtype
