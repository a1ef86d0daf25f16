"""Numbers of Python and of NumPy, as arguments of functions."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np


def is_integer(value: Any) -> bool:
    """Tell whether a value is an integer of Python or NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def is_number(value: Any) -> bool:
    """Tell whether a value is a real number of Python or NumPy; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def check_integer(name: str, value: Any, at_least: int) -> int:
    """Return an argument as a Python integer.

    Raises
    ------
    ValueError
        If it is no integer, or too small.
    """
    if not is_integer(value):
        raise ValueError(f"{name}={value!r} must be an integer.")
    if value < at_least:
        raise ValueError(f"{name}={value!r} must be at least {at_least}.")
    return int(value)
