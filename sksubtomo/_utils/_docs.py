"""Descriptions that several docstrings share, written once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from textwrap import indent
from typing import Any, TypeVar

from sksubtomo._utils._doc_texts import ATTRIBUTES, GROUPS, PARAMETERS, SECTIONS

T = TypeVar("T", bound=Callable[..., Any])

_PLACEHOLDER = re.compile(r"^( *)%\((\w+)\)s$", re.MULTILINE)


def _entries(text: str) -> dict[str, str]:
    """Return descriptions by what they describe."""
    found = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return {entry.split(" : ")[0]: entry.rstrip("\n") for entry in found if entry}


_DESCRIPTIONS = {**_entries(PARAMETERS), **_entries(ATTRIBUTES), **SECTIONS}


def documented(obj: T) -> T:
    """Replace the lines ``%(name)s`` of docstrings by shared descriptions.

    Default values are those of the constructor, or of the function. Python without docstrings
    (``-OO``) is left without them.

    Parameters
    ----------
    obj : type or function
        Its docstring has such lines; so may those of the methods that a class itself defines.
        Methods that are there on a condition, as by ``inner_has``, are decorated by themselves.

    Returns
    -------
    obj : type or function
        The same.
    """
    if inspect.isclass(obj):
        for member in vars(obj).values():
            if inspect.isfunction(member):
                documented(member)
    if obj.__doc__ is None or "%(" not in obj.__doc__:
        return obj
    signature = inspect.signature(obj)
    defaults = {name: given.default for name, given in signature.parameters.items()}
    training = getattr(getattr(obj, "uses", None), "training", None)
    name = getattr(training, "__name__", "Training")
    words = {"training": name, "plain": "" if name == "Training" else " or a plain ``Training``"}

    def described(match: re.Match[str]) -> str:
        entries = []
        for key in GROUPS.get(match[2], (match[2],)):
            default = _shown(defaults.get(key))
            entries.append(_DESCRIPTIONS[key].strip().format(default=default, **words))
        # Python has taken the common indentation away from 3.13 on.
        return indent("\n".join(entries), match[1])

    obj.__doc__ = _PLACEHOLDER.sub(described, obj.__doc__)
    return obj


def _shown(default: object) -> str:
    """Return a default value as docstrings show it."""
    return f'"{default}"' if isinstance(default, str) else repr(default)
