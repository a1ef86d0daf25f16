"""Fields of rows as columns of numbers or text, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._messages import plural, shorten

if TYPE_CHECKING:
    import pandas as pd

#: How a missing value is written where numbers are not: a missing number is ``nan``.
MISSING = "<NA>"
#: Without quotes, these are missing values wherever they stand among text.
MISSING_WORDS = frozenset({"", "nan", "NaN", MISSING})
#: Endings of the labels whose values are text, even 1 or 1e5.
TEXT_ENDINGS = ("Name", "File", "Tomogram")
# Whole numbers with leading zeros are names.
_NAME_OF_DIGITS = re.compile(r" [+-]?0[0-9]")
FRACTIONAL = re.compile(r"[.eEnN]")


# Columns of a table, and blocks of a STAR file: far more than are in use, and read in a second.
MOST_COLUMNS = 5000


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


def check_width(width: int, number: int) -> None:
    """Refuse a table of more columns than any has.

    Raises
    ------
    ValueError
        Naming the line.
    """
    if width > MOST_COLUMNS:
        raise ValueError(f"line {number} has {width} columns; at most {MOST_COLUMNS} are read")


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

    if not label.endswith(TEXT_ENDINGS):
        values = _numbers(fields)
        if values is not None:
            return values
    text: list[Any] = list(fields)
    if not MISSING_WORDS.isdisjoint(text):
        # A field in quotes is what it says.
        text = [np.nan if one in MISSING_WORDS and type(one) is str else one for one in text]
    if Quoted in set(map(type, text)):
        text = [str(one) if type(one) is Quoted else one for one in text]
    return pd.Series(text, dtype=text_type())


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
    if text and all_numbers and not label.endswith(TEXT_ENDINGS):
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
    text = " ".join(fields)
    if "_" in text or not text.isascii() or Quoted in set(map(type, fields)):
        return None
    if not FRACTIONAL.search(text):
        return _whole_numbers(fields, text)
    try:
        return np.fromiter(map(float, fields), dtype=np.float64, count=len(fields))
    except ValueError:
        return _numbers_with_gaps(fields)


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
    except OverflowError:
        return None
    except ValueError:
        # Python refuses numbers of thousands of digits, too.
        return _numbers_with_gaps(fields)


def _format_number(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    raise ValueError(f"there is no way to say {shorten(repr(value), 80)}")


def text_type() -> Any:
    import pandas as pd

    # Of pandas 3, a type of its own; before, objects.
    return pd.Series(["text"]).dtype
