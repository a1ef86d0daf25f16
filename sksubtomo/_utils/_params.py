"""Checking parameters: numbers, and several that come as one mapping."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, validate_parameter_constraints


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


def merge_mapping(
    owner: str,
    name: str,
    given: Mapping[str, Any] | None,
    defaults: Mapping[str, Any],
    constraints: Mapping[str, list],
) -> dict[str, Any]:
    """Return `defaults` updated by `given`.

    Parameters
    ----------
    owner, name : str
        The estimator and its parameter, for messages.
    given : mapping or None
        What the user passed. Numbers of NumPy come back as those of Python.
    defaults : mapping
        All keys there are, with their default values.
    constraints : mapping
        Constraints of the values, in the form of ``_parameter_constraints``.

    Raises
    ------
    ValueError
        If a key is unknown or a value is out of its constraints.
    """
    given = {} if given is None else dict(given)
    unknown = sorted(set(given) - set(defaults), key=str)
    if unknown:
        raise ValueError(
            f"{name} of {owner} has unknown keys {reprlib.repr(unknown)}; there are "
            f"{sorted(defaults)}."
        )
    merged = {**defaults, **given}
    validate_parameter_constraints(dict(constraints), merged, caller_name=f"{owner}.{name}")
    return to_plain(merged)
