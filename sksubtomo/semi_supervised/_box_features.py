"""Figures of a box that no rotation changes, for what has no structure of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.alignment import volume_blocks

# Shells of voxels and of frequencies, as fractions of half the box.
_PROFILE = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
_VARIANCE = (0.0, 0.45, 0.75, 1.0)
_POWER = (0.07, 0.18, 0.29, 0.43, 0.65)
_MASK = 0.65
# Extreme values are means over this fraction of the voxels.
_EXTREME = 1e-3
_LEAST_EDGE = 8


def box_features(volumes: Any) -> NDArray[np.float64]:
    """Return image statistics of boxes that do not depend on orientation.

    Means and variances in spherical shells, power in bands of frequencies within a soft mask, and
    extreme values: gold, ice, membranes and empty boxes differ in them from particles, and
    particles of different sizes from each other. Volumes that are no cubes, or below 8 voxels,
    are returned as rows of voxels.

    Parameters
    ----------
    volumes : array-like of shape (n, d, h, w)
        In memory, or a lazy stack, which is read block by block.

    Returns
    -------
    features : ndarray of shape (n, n_features)
        Finite.
    """
    blocks = volume_blocks(volumes)
    edges = set(volumes.shape[1:])
    if len(edges) > 1 or min(edges) < _LEAST_EDGE:
        return np.concatenate([block.reshape(len(block), -1) for block in blocks]).astype(float)
    return np.concatenate([_of_cubes(block) for block in blocks])


def _of_cubes(block: NDArray[np.float32]) -> NDArray[np.float64]:
    size = block.shape[-1]
    half = size / 2
    axis = (np.arange(size) - size // 2) / half
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    waves = np.fft.fftfreq(size) * 2
    frequency = np.sqrt(
        waves[:, None, None] ** 2 + waves[:, None] ** 2 + (np.fft.rfftfreq(size) * 2) ** 2
    )
    mask = np.exp(-((radius / _MASK) ** 4))
    power = np.abs(np.fft.rfftn(block * mask, axes=(1, 2, 3))) ** 2
    flat = np.sort(block.reshape(len(block), -1), axis=1).astype(float)
    n_extreme = max(1, round(_EXTREME * flat.shape[1]))
    return np.column_stack(
        [
            # float64: a float32 cannot hold the square of a large unit.
            *(block[:, shell].mean(axis=1, dtype=float) for shell in _shells(radius, _PROFILE)),
            *(
                _log(block[:, shell].var(axis=1, dtype=float))
                for shell in _shells(radius, _VARIANCE)
            ),
            *(_log(power[:, shell].mean(axis=1)) for shell in _shells(frequency, _POWER)),
            flat[:, :n_extreme].mean(axis=1),
            flat[:, -n_extreme:].mean(axis=1),
        ]
    ).astype(float)


def _shells(radius: NDArray, edges: tuple[float, ...]) -> list[NDArray[np.bool_]]:
    """Return shells between edges; those that have no voxel in small boxes are left out."""
    shells = [(radius >= low) & (radius < high) for low, high in pairwise(edges)]
    return [shell for shell in shells if shell.any()]


def _log(values: NDArray) -> NDArray[np.float64]:
    """Return logarithms, of next to nothing that of the smallest number in single precision."""
    return np.log(np.maximum(values.astype(float), np.finfo(np.float32).tiny))
