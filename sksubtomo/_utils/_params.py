"""Constraints of parameters that are numbers, and numbers of NumPy as those of Python."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval


class NumberInterval(Interval):
    """An interval of numbers without True and False, which are integers to Python.

    A constraint for ``_parameter_constraints``, with the arguments of scikit-learn's ``Interval``.
    NumPy's integers and floating-point numbers are in it, as Python's are.
    """

    def is_satisfied_by(self, val: Any) -> bool:
        """Tell whether a value is a number in the interval."""
        return not isinstance(val, bool) and bool(super().is_satisfied_by(val))


#: Constraints of the edges of a box: one for a cube, or three; None where there is a default.
EDGES: list[Any] = [None, NumberInterval(Integral, 1, None, closed="left"), "array-like"]


def to_plain(value: Any) -> Any:
    """Return numbers of NumPy as numbers of Python, also inside of mappings, lists and tuples.

    PyTorch takes the latter only in many places, and searches over NumPy ranges give the former.
    """
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    if isinstance(value, np.generic):
        # item() of a long double is a long double.
        return float(value) if isinstance(value, np.floating) else value.item()
    if type(value) in (list, tuple):
        return type(value)(map(to_plain, value))
    if type(value) is dict:
        return {name: to_plain(item) for name, item in value.items()}
    return value
