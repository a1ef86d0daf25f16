"""The volumes of a fit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo.training import VolumeDataset, hold_out


class FitData(NamedTuple):
    """Checked volumes and class indices, and what else ``fit`` was given.

    Parameters
    ----------
    X : array of shape (n, depth, height, width)
        Volumes.
    targets : ndarray of shape (n,) of int64
        Class indices, -1 for unlabeled.
    validation : (array, ndarray), optional
        Volumes and class indices that early stopping watches, instead of a part of `X`.
    tilt_ranges_deg : ndarray of shape (n, 2), optional
        Lowest and highest tilt of each volume of `X`.
    """

    X: Any
    targets: NDArray[np.int64]
    validation: tuple[Any, NDArray[np.int64]] | None = None
    tilt_ranges_deg: NDArray[np.float64] | None = None


def make_dataset(
    data: FitData,
    rows: NDArray[np.intp],
    *,
    offset: float,
    scale: float,
    watches_unlabeled: bool,
    held_out: float,
    smallest: int,
    split_seed: int,
) -> VolumeDataset:
    """Return the volumes to train on and, within, those to validate on.

    Parameters
    ----------
    data : FitData
        What there is.
    rows : ndarray of int
        Which volumes are trained on, if they are not held out.
    offset, scale : float
        Scaling of the volumes.
    watches_unlabeled : bool
        Whether unlabeled volumes are validated on, too.
    held_out : float
        Share of the volumes to hold out, where there are no others to validate on.
    smallest, split_seed : int
        See :func:`~sksubtomo.training.hold_out`.
    """
    scaling = {"offset": offset, "scale": scale}
    dataset = VolumeDataset(
        data.X, data.targets, tilt_ranges_deg=data.tilt_ranges_deg, rows=rows, **scaling
    )

    def watched(targets: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.flatnonzero(watches_unlabeled | (targets >= 0))

    if data.validation is not None:
        dataset.validate_on(*data.validation, watched(data.validation[1]))
    else:
        candidates = watched(data.targets)
        random_state = np.random.RandomState(split_seed)
        _, held = hold_out(data.targets[candidates], held_out, random_state, smallest=smallest)
        dataset.rows = np.setdiff1d(rows, candidates[held])
        dataset.validate_on(data.X, data.targets, candidates[held], data.tilt_ranges_deg)
    dataset.shard()
    return dataset
