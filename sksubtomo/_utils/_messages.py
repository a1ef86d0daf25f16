"""Messages that stay short, whatever they quote."""

from __future__ import annotations

from collections.abc import Iterable

_LIMIT = 600
_MARK = " [...] "


def shorten(text: object, limit: int = _LIMIT) -> str:
    """Return text of at most `limit` characters; of longer text, the beginning and the end.

    A remedy is usually at the end of a message, what is wrong at its beginning.

    Parameters
    ----------
    text : object
        Turned into text by ``str``.
    limit : int
        Largest number of characters.

    Returns
    -------
    text : str
        On one line, with characters that cannot be printed escaped.
    """
    whole = str(text)
    if len(whole) > 8 * limit:
        whole = whole[: 4 * limit] + _MARK + whole[-4 * limit :]
    line = " ".join(whole.split())
    if not line.isprintable():
        line = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
    if len(line) <= limit:
        return line
    tail = (limit - len(_MARK)) // 3
    return line[: limit - len(_MARK) - tail] + _MARK + line[-tail:]


def plural(number: float, singular: str, several: str | None = None) -> str:
    """Return a number with its noun, such as "1 particle" and "2 particles".

    Parameters
    ----------
    number : int or float
        How many.
    singular : str
        The noun for one.
    several : str, optional
        The noun for more; by default, with an s.
    """
    shown = f"{number:g}" if isinstance(number, float) else number
    return f"{shown} {singular if number == 1 else several or f'{singular}s'}"


def listed(items: Iterable[object], limit: int = 5) -> str:
    """Return the first of some items, each quoted and short, and how many more there are."""
    every = list(items)
    shown = ", ".join(repr(shorten(item, 80)) for item in every[:limit])
    return shown + (f" and {len(every) - limit} more" if len(every) > limit else "")
