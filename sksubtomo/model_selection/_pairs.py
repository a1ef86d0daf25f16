"""Folds that are given as row numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Pair = tuple[Any, Any]


def check_pairs(cv: Iterable[Any]) -> list[_Pair]:
    """Return an iterable of (train, test) as a list.

    Raises
    ------
    ValueError
        If it has no pair, or something else than pairs of row numbers, masks or slices.
    """
    pairs = []
    for number, pair in enumerate(cv):
        try:
            train, test = pair
            pairs.append((_as_index(train), _as_index(test)))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Item {number} of cv must be a pair (train, test) of row numbers, masks or slices."
            ) from error
    if not pairs:
        raise ValueError("cv is an iterable without a pair (train, test).")
    return pairs


def rows_of_pairs(
    pairs: list[_Pair], labeled: NDArray[np.bool_], *, all_or_none: bool
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Generate the labeled rows of every pair.

    Parameters
    ----------
    pairs : list of (train, test)
        From :func:`check_pairs`.
    labeled : ndarray of shape (n_samples,) of bool
        Which samples have a label.
    all_or_none : bool
        Whether to refuse a pair that names some, but not all, unlabeled samples.

    Yields
    ------
    train, test : ndarray of int
        Row numbers.

    Raises
    ------
    ValueError
        If a pair has rows that are not there, or is refused.
    """
    rows, unlabeled = np.arange(len(labeled)), np.flatnonzero(~labeled)
    for number, pair in enumerate(pairs):
        try:
            train, test = (rows[part] for part in pair)
        except IndexError as error:
            raise ValueError(
                f"Item {number} of cv is of other samples than these {len(labeled)}: {error}. Row "
                "numbers count all samples, unlabeled ones included."
            ) from error
        n_named = len(np.intersect1d(np.concatenate([train, test]), unlabeled))
        if all_or_none and 0 < n_named < len(unlabeled):
            raise ValueError(
                f"Item {number} of cv names {n_named} of the {len(unlabeled)} unlabeled samples, "
                "but unlabeled='train' puts all of them into every training fold. Name all or "
                "none of them; or pass the splitter itself, as cv=SemiSupervisedSplit(splitter)."
            )
        yield train[labeled[train]], test[labeled[test]]


def _as_index(part: Any) -> NDArray | slice:
    if isinstance(part, slice):
        return part
    index = np.asarray(part)
    if index.ndim != 1 or not (index.dtype.kind in "iub" or not index.size):
        raise ValueError("not an index")
    return index if index.size else index.astype(np.intp)
