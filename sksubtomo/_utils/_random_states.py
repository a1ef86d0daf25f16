"""States of NumPy's random generators that came from a file."""

from __future__ import annotations

from typing import Any

import numpy as np

# Numbers in a block of the Mersenne twister.
_BLOCK = 624


def check_generator(state: dict[str, Any]) -> None:
    """Check the state of one of NumPy's generators, whose code takes places in it at their word.

    Raises
    ------
    ValueError
        If it is of an unusual kind, or cannot be.
    """
    if state["bit_generator"] not in ("MT19937", "PCG64"):
        raise ValueError(f"{state['bit_generator']!r} is no generator that files may hold")
    if state["bit_generator"] == "MT19937":
        key, place = state["state"]["key"], state["state"]["pos"]
        is_block = isinstance(key, np.ndarray) and key.dtype == np.uint32 and key.shape == (_BLOCK,)
        if not is_block or not 0 <= place <= _BLOCK:
            raise ValueError("parts of a random state do not go together")
