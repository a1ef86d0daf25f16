"""Labels that look like a misspelling of the one that means "unlabeled"."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._warnings import level_of_caller
from sksubtomo.exceptions import SuspiciousLabelWarning

# What text files, pandas and str() make of a missing value. Not "na": it is neuraminidase.
_MISSING = frozenset({"", "nan", "none", "null", "nat", "<na>", "n/a", "#n/a"})
_WORDS = ("unlabeled", "unlabelled", "notlabeled", "notlabelled")
# "unlabled" is closer than that to "unlabeled", "labeled" is not.
_CLOSE = 0.88
_MINUS = str.maketrans({"−": "-", "–": "-"})
_MOST_NAMED = 5
_LONGEST_NAME = 40

#: Messages of the warnings that were given since a caller asked for each of them only once.
_given: ContextVar[set[str] | None] = ContextVar("_given", default=None)


@contextmanager
def warning_once() -> Iterator[None]:
    """Give each warning of a label once only, however often the labels are read within.

    For a function that passes its labels on to others that read them, too.
    """
    token = _given.set(set()) if _given.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _given.reset(token)


def near_misses(labels: ArrayLike) -> list[Any]:
    """Return the labels, each once, that look like a misspelling of the sentinel.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Without those that are the sentinel.

    Returns
    -------
    found : list
        Sorted by their printed form.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind == "u":
        # What becomes of -1 in a type that cannot hold it.
        wrapped = np.iinfo(labels.dtype).max
        return [wrapped] if (labels == wrapped).any() else []
    if labels.dtype.kind not in "USO":
        return []
    return sorted((label for label in _distinct(labels) if _looks_hidden(label)), key=repr)


def warn_of_near_misses(labels: ArrayLike, input_name: str = "y", known: Any = None) -> None:
    """Warn of labels that look like a misspelling of the sentinel.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Without those that are the sentinel.
    input_name : str, default="y"
        The name of the labels in the message.
    known : array-like of shape (n_classes,), optional
        Classes that were named explicitly: of these there is no warning.
    """
    found = near_misses(labels)
    if found and known is not None:
        classes = np.asarray(known).tolist()
        found = [label for label in found if label not in classes]
    if not found:
        return
    message = (
        f"{input_name} has labels that are taken for classes. {describe(found)} If that is no "
        "mistake, name all classes by classes=."
    )
    given = _given.get()
    if given is not None:
        if message in given:
            return
        given.add(message)
    warnings.warn(message, SuspiciousLabelWarning, stacklevel=level_of_caller())


def describe(found: list[Any]) -> str:
    """Say which label means "unlabeled", unlike those that were found."""
    names = ", ".join(_shortened(label) for label in found[:_MOST_NAMED])
    if len(found) > _MOST_NAMED:
        names += f" and {len(found) - _MOST_NAMED} more"
    is_text = any(isinstance(label, (str, bytes)) for label in found)
    sentinel = "'unlabeled' (or None, or -1)" if is_text else "-1, in a signed type,"
    return f"Only {sentinel} marks a row as unlabeled, not {names}."


def _distinct(labels: NDArray) -> Iterable[Any]:
    if labels.dtype.kind != "O":
        return set(labels.ravel().tolist())
    return {label for label in labels.ravel() if isinstance(label, (str, bytes))}


def _looks_hidden(label: str | bytes) -> bool:
    if isinstance(label, bytes):
        return _looks_hidden(label.decode(errors="replace"))
    text = label.strip().casefold().translate(_MINUS)
    if text in _MISSING:
        return True
    try:
        return float(text) == -1
    except ValueError:
        letters = re.sub(r"[\W_]+", "", text)
    return letters in ("unlabel", "nolabel") or any(_is_close(letters, word) for word in _WORDS)


def _is_close(letters: str, word: str) -> bool:
    if abs(len(letters) - len(word)) > 2:
        return False
    return SequenceMatcher(None, letters, word).ratio() > _CLOSE


def _shortened(label: Any) -> str:
    text = repr(label)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."
