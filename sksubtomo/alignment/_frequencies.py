"""Frequencies that are compared, and shifts that are tried."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.fourier import missing_wedge_mask


def measured_frequencies(
    box_size: int, n_shells: float, tilt_range_deg: Any
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return the measured frequencies of a half space within a ball, without the origin.

    Parameters
    ----------
    box_size : int
        Edge of the volumes in voxels.
    n_shells : float
        Radius of the ball in cycles per box; shorter frequencies are inside.
    tilt_range_deg : float or (float, float)
        See :func:`sksubtomo.fourier.missing_wedge_mask`.

    Returns
    -------
    frequencies : ndarray of shape (n, 3) of int
        ``kx, ky, kz`` in cycles per box; one of every pair k, -k.
    index : ndarray of shape (n,) of int
        Where they are in the flat result of ``scipy.fft.rfftn`` over z, y, x.
    """
    mask = missing_wedge_mask((box_size,) * 3, tilt_range_deg)
    edge = fft.fftfreq(box_size, 1 / box_size).round().astype(np.int64)
    kz, ky, kx = np.meshgrid(edge, edge, np.arange(mask.shape[2]), indexing="ij")
    half = (kx > 0) | ((kx == 0) & ((ky > 0) | ((ky == 0) & (kz > 0))))
    inside = half & mask & (kx**2 + ky**2 + kz**2 < n_shells**2)
    return np.stack([kx[inside], ky[inside], kz[inside]], axis=1), np.flatnonzero(inside)


def shift_grid(max_shift: float, n_steps: int) -> NDArray[np.float64]:
    """Return a cube of shifts about 0, evenly spaced.

    Parameters
    ----------
    max_shift : float
        Largest shift along an axis.
    n_steps : int
        Shifts along an axis; 1 is no shift.

    Returns
    -------
    shifts : ndarray of shape (n_steps**3, 3)
        z, y, x.
    """
    steps = np.linspace(-max_shift, max_shift, n_steps) if n_steps > 1 else np.zeros(1)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
