"""Names of classes that users give."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any


def name_of_class(label: Any, class_names: Any) -> object:
    """Return what a class is called.

    Parameters
    ----------
    label : object
        Its label.
    class_names : mapping or sequence, optional
        Names, indexed by label. Without them, the label is the name.

    Raises
    ------
    ValueError
        If `class_names` does not name the class.
    """
    if class_names is None:
        return label
    # Sequences count from their end for negative numbers.
    from_the_end = (
        isinstance(label, Integral) and label < 0 and not isinstance(class_names, Mapping)
    )
    try:
        if not from_the_end:
            return class_names[label]
    except (KeyError, IndexError, TypeError):
        pass
    raise ValueError(
        f"class_names has no name for the class {label!r}. Give a mapping of every class to its "
        "name."
    )
