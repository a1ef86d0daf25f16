"""Hiding labels, to try out how few are enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from sksubtomo._utils._labels import check_labels, hidden_labels, is_unlabeled
from sksubtomo._utils._numbers import check_integer, is_number


def mask_labels(
    y: ArrayLike,
    *,
    labeled_fraction: float | None = None,
    n_per_class: int | None = None,
    stratify: bool = True,
    random_state: Any = None,
) -> NDArray:
    """Hide all labels but a few.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels. Those that are hidden already stay hidden.
    labeled_fraction : float, optional
        Share of the known labels to keep, in (0, 1]; rounded to a whole number of labels.
    n_per_class : int, optional
        Labels to keep of every class. Give this or `labeled_fraction`.
    stratify : bool, default=True
        Whether every class keeps its share of `labeled_fraction`, and at least one label. With
        False, labels are drawn without regard to their class.
    random_state : int, RandomState instance or None, default=None
        Determines which labels are kept.

    Returns
    -------
    y_masked : ndarray of shape (n_samples,)
        Copy of `y`, -1 where hidden; for strings, ``"unlabeled"``.

    Raises
    ------
    ValueError
        If not exactly one of the two amounts is given, or it is no number in its range; a class
        has fewer than `n_per_class` labels; the fraction keeps fewer labels than there are
        classes; or `y` is of an unsigned type, in which -1 would become a class.

    Examples
    --------
    >>> from sksubtomo.model_selection import mask_labels
    >>> mask_labels([0, 0, 0, 1, 1, 1], n_per_class=1, random_state=0)
    array([-1, -1,  0, -1, -1,  1])
    """
    if not isinstance(stratify, (bool, np.bool_)):
        raise ValueError(f"stratify={stratify!r} must be True or False.")
    y = check_labels(y)
    if y.dtype.kind in "ub":
        raise ValueError(f"y has dtype {y.dtype}, which cannot hold -1. Convert it: y.astype(int).")
    if (labeled_fraction is None) == (n_per_class is None):
        raise ValueError("Give labeled_fraction or n_per_class, and not both.")
    known = np.flatnonzero(~is_unlabeled(y))
    classes, targets = np.unique(y[known], return_inverse=True)
    random_state = check_random_state(random_state)
    if n_per_class is not None:
        counts = _counts_of(classes, targets, n_per_class)
    else:
        n_kept = _number_of(labeled_fraction, len(known), len(classes) if stratify else 1)
        if not stratify:
            return _hide_all_but(y, random_state.permutation(known)[:n_kept])
        counts = _apportion(n_kept, np.bincount(targets))
    kept = [
        random_state.permutation(known[targets == target])[:count]
        for target, count in enumerate(counts)
    ]
    return _hide_all_but(y, np.concatenate(kept) if kept else known[:0])


def _counts_of(classes: NDArray, targets: NDArray[np.intp], n_per_class: Any) -> NDArray[np.intp]:
    n_per_class = check_integer("n_per_class", n_per_class, at_least=1)
    available = np.bincount(targets, minlength=len(classes))
    if (available < n_per_class).any():
        scarce = int(available.argmin())
        raise ValueError(
            f"n_per_class={n_per_class}, but class {classes.tolist()[scarce]!r} has "
            f"{available[scarce]} labeled samples."
        )
    return np.full(len(classes), n_per_class)


def _number_of(labeled_fraction: Any, n_known: int, at_least: int) -> int:
    if not (is_number(labeled_fraction) and 0 < labeled_fraction <= 1):
        raise ValueError(f"labeled_fraction={labeled_fraction!r} must be in (0, 1].")
    n_kept = round(float(labeled_fraction) * n_known)
    if n_kept < at_least:
        raise ValueError(
            f"labeled_fraction={labeled_fraction:g} of {n_known} labels keeps {n_kept}, fewer "
            f"than one for each of {at_least} classes. Use a larger fraction or n_per_class=1."
        )
    return n_kept


def _apportion(total: int, sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Share `total` out in proportion to `sizes`, one to each at least, by largest remainder."""
    share = total * sizes / sizes.sum()
    counts = np.maximum(np.floor(share).astype(np.intp), 1)
    while counts.sum() > total:  # the guaranteed one took more than there is
        counts[np.argmax(np.where(counts > 1, counts - share, -np.inf))] -= 1
    for code in np.argsort(counts - share, kind="stable")[: total - counts.sum()]:
        counts[code] += 1
    return counts


def _hide_all_but(y: NDArray, kept: NDArray[np.intp]) -> NDArray:
    masked = hidden_labels(len(y), like=y)
    masked[kept] = y[kept]
    return masked
