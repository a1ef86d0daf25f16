"""Choosing the rows that early stopping watches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hold_out(
    targets: NDArray[np.int64],
    fraction: float,
    random_state: np.random.RandomState,
    *,
    smallest: int = 1,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows into training and validation, stratified on the classes and on "unlabeled".

    The labels of the validation rows come out of those in `targets`, so a budget of labels
    pays for both parts. One labeled row of every class always stays in training.

    Parameters
    ----------
    targets : ndarray of shape (n,) of int64
        Class indices; -1 is unlabeled.
    fraction : float
        Share of the rows to hold out, in [0, 1).
    random_state : RandomState
        Source of randomness.
    smallest : int, default=1
        Rows that stay in training, whatever the fraction, and the fewest to hold out.

    Returns
    -------
    train, held_out : ndarray of int
        Sorted row numbers. The second is empty where there are too few rows.
    """
    labeled, unlabeled = np.flatnonzero(targets >= 0), np.flatnonzero(targets < 0)
    chosen = [random_state.permutation(unlabeled)[: round(fraction * len(unlabeled))]]
    if len(labeled):
        chosen.append(_stratified(labeled, targets[labeled], fraction, random_state))
    held_out = np.sort(np.concatenate(chosen)[: max(0, len(targets) - smallest)])
    if len(held_out) < smallest:
        held_out = held_out[:0]
    return np.setdiff1d(np.arange(len(targets)), held_out), held_out


def _stratified(
    rows: NDArray[np.intp],
    targets: NDArray[np.int64],
    fraction: float,
    random_state: np.random.RandomState,
) -> NDArray[np.intp]:
    """Take the fraction of the rows, every class by its share and none as a whole."""
    shuffled = random_state.permutation(len(rows))
    rows, targets = rows[shuffled], targets[shuffled]
    # The k-th of a class's m rows gets the key (k + 1/2) / m: taking the smallest keys takes
    # every class in proportion. A class's last row is never for the taking.
    keys = np.empty(len(rows))
    for code in np.unique(targets):
        members = np.flatnonzero(targets == code)
        keys[members] = (np.arange(len(members)) + 0.5) / len(members)
        keys[members[-1]] = np.inf
    order = np.argsort(keys, kind="stable")
    n_free = int(np.isfinite(keys).sum())
    return rows[order[: min(round(fraction * len(rows)), n_free)]]
