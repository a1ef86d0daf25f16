"""Checking parameters that come as one mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints


def to_plain(value: Any) -> Any:
    """Return numbers of NumPy as numbers of Python, also inside of mappings, lists and tuples.

    PyTorch takes the latter only in many places, and searches over NumPy ranges give the former.
    """
    if isinstance(value, np.generic):
        return value.item()
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
        What the user passed.
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
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(
            f"{name} of {owner} has unknown keys {unknown}; there are {sorted(defaults)}."
        )
    merged = {**defaults, **given}
    validate_parameter_constraints(dict(constraints), merged, caller_name=f"{owner}.{name}")
    return to_plain(merged)
