"""Noise at a stated signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo.fourier import apply_fourier_filter

_AXES = (-3, -2, -1)


def add_noise(
    signal: NDArray[np.float32], noise: NDArray[np.float32], wedge: NDArray[np.bool_], snr: float
) -> NDArray[np.float32]:
    """Take the missing wedge from noise, and add it to volumes at the given ratio of variances.

    Parameters
    ----------
    signal : ndarray of shape (n, depth, height, width) of float32
        Noise-free volumes, without the missing wedge.
    noise : ndarray of the same shape
        White noise.
    wedge : ndarray of shape (depth, height, width // 2 + 1) of bool
        What is measured, see :func:`sksubtomo.fourier.missing_wedge_mask`.
    snr : float
        Variance of the signal over variance of the noise, over the voxels of each volume.

    Returns
    -------
    volumes : ndarray of the same shape of float32
        Signal and noise.
    """
    noise = apply_fourier_filter(noise, wedge)
    scale = np.sqrt(signal.var(axis=_AXES) / (snr * noise.var(axis=_AXES)))
    return signal + scale[:, np.newaxis, np.newaxis, np.newaxis] * noise
