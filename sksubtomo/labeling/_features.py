"""Features of boxes that do not change when a particle turns."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.fourier import squared_frequencies

# Gaussian low-pass filters, half amplitude in cycles per box.
_CUTOFFS = (3.0, 5.3, 8.2)
_LEAST_EDGE = 4


def radial_features(volumes: Any) -> NDArray[np.float32]:
    """Return moments of the density on spheres around the center of each box.

    A box is brought to mean 0 and variance 1 and low-passed in three ways. Of the voxels at each
    distance from the center, in voxels, mean, standard deviation and the cube root of the third
    central moment are taken. They are the same for every orientation of a particle, up to the
    missing wedge and the grid, and so need few labels.

    Parameters
    ----------
    volumes : array-like of shape (n, d, h, w)
        Boxes with the particle in voxel ``edge // 2``.

    Returns
    -------
    features : ndarray of shape (n, n_features)
        NaN for a box with NaN or infinity in it.

    Raises
    ------
    ValueError
        If volumes have another number of axes, or an edge is shorter than 4 voxels.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.labeling import radial_features
    >>> radial_features(np.random.default_rng(0).normal(size=(2, 8, 8, 8))).shape
    (2, 45)
    """
    volumes = np.asarray(volumes, dtype=np.float32)
    if volumes.ndim != 4 or min(volumes.shape[1:]) < _LEAST_EDGE:
        raise ValueError(
            f"volumes must have shape (n, d, h, w) with edges of at least {_LEAST_EDGE} voxels, "
            f"got {volumes.shape}."
        )
    shape = volumes.shape[1:]
    shell, counts, gains = _spheres(shape)
    features = np.full((len(volumes), 3 * len(gains) * len(counts)), np.nan, dtype=np.float32)
    for row, volume in enumerate(volumes):
        if not np.isfinite(volume).all():
            continue
        spread = volume.std(dtype=np.float64)
        normalized = (volume - volume.mean(dtype=np.float64)) / (spread if spread > 0 else 1.0)
        spectrum = fft.rfftn(normalized)
        moments = []
        for gain in gains:
            filtered = fft.irfftn(spectrum * gain, s=shape).ravel()
            squared = filtered * filtered
            first, second, third = (
                np.bincount(shell, values) / counts
                for values in (filtered, squared, squared * filtered)
            )
            variance = np.maximum(second - first**2, 0)
            moments += [
                first,
                np.sqrt(variance),
                np.cbrt(third - 3 * first * second + 2 * first**3),
            ]
        features[row] = np.concatenate(moments)
    return features


@lru_cache(maxsize=4)
def _spheres(
    shape: tuple[int, ...],
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[NDArray[np.float32]]]:
    """Return the sphere of each voxel, how many voxels each has, and gains of the filters."""
    z, y, x = (np.arange(edge) - edge // 2 for edge in shape)
    radius = np.sqrt(np.add.outer(np.add.outer(z**2, y**2), x**2))
    shell = np.minimum(np.round(radius), min(shape) // 2).astype(np.intp).ravel()
    squared = squared_frequencies(shape) * min(shape) ** 2
    gains = [np.exp2(-squared / cutoff**2).astype(np.float32) for cutoff in _CUTOFFS]
    return shell, np.bincount(shell), gains
