"""Filters and resampling in Fourier space; the last three axes are z, y, x."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import resample

from sksubtomo._utils._docs import documented

_AXES = (-3, -2, -1)


@documented
def apply_fourier_filter(volumes: NDArray, transfer: NDArray) -> NDArray:
    """Multiply the Fourier transforms of volumes by a transfer function.

    Parameters
    ----------
    volumes : ndarray of shape (..., depth, height, width)
        Real volumes.
    transfer : ndarray of shape (..., depth, height, width // 2 + 1)
        Real gain at every frequency, in the layout of ``scipy.fft.rfftn``. Axes in front broadcast
        against those of `volumes`. Where a frequency and its mirror image are both stored (kx = 0,
        and Nyquist), give both one gain; else the mean of the two acts.

    %(filtered)s

    Raises
    ------
    ValueError
        If the transfer function is not of the half space that belongs to the volumes.
    """
    volumes, transfer = np.asarray(volumes), np.asarray(transfer)
    expected = (*volumes.shape[-3:-1], volumes.shape[-1] // 2 + 1)
    if transfer.shape[-3:] != expected:
        raise ValueError(
            f"The transfer function has shape {transfer.shape[-3:]}; volumes of shape "
            f"{volumes.shape[-3:]} need {expected}."
        )
    spectrum = fft.rfftn(volumes, axes=_AXES)
    spectrum *= transfer
    return fft.irfftn(spectrum, s=volumes.shape[-3:], axes=_AXES)


@documented
def gaussian_low_pass(volumes: NDArray, cutoff: float) -> NDArray:
    """Damp high frequencies by a Gaussian that is 1/2 at the cutoff.

    The gain at spatial frequency k is ``2 ** -(k / cutoff)**2``, 1 at k = 0.

    Parameters
    ----------
    volumes : ndarray of shape (..., depth, height, width)
        Real volumes.
    cutoff : float
        Frequency of half amplitude in cycles per voxel; 0.5 is Nyquist.

    %(filtered)s

    Raises
    ------
    ValueError
        If the cutoff is not positive.
    """
    if not cutoff > 0:
        raise ValueError(f"cutoff={cutoff!r} must be positive, in cycles per voxel.")
    volumes = np.asarray(volumes)
    gain = np.exp2(-squared_frequencies(volumes.shape[-3:]) / cutoff**2)
    return apply_fourier_filter(volumes, gain)


def squared_frequencies(shape: Sequence[int]) -> NDArray[np.float64]:
    """Squared spatial frequencies in cycles per voxel, in the layout of ``scipy.fft.rfftn``.

    Parameters
    ----------
    shape : sequence of int
        Edges of the box in voxels, z, y, x.

    Returns
    -------
    squared : ndarray of shape (depth, height, width // 2 + 1)
        ``kz**2 + ky**2 + kx**2``.
    """
    kz, ky, kx = fft.fftfreq(shape[0]), fft.fftfreq(shape[1]), fft.rfftfreq(shape[2])
    return np.add.outer(np.add.outer(kz**2, ky**2), kx**2)


def fourier_crop(volumes: NDArray, box_size: Sequence[int]) -> NDArray:
    """Resample volumes to a smaller box by keeping their low frequencies.

    The field of view stays, so the voxel size grows by ``old / new``. The center voxel
    (index ``n // 2`` on every axis) stays the center voxel, the mean stays, and so do the values of
    volumes that have no frequency beyond the new Nyquist. On the new Nyquist frequency itself (even
    edges) both signs fold onto one real coefficient, as in sampling: a cosine about the
    center stays, a sine vanishes.

    Parameters
    ----------
    volumes : ndarray of shape (..., depth, height, width)
        Real volumes.
    box_size : sequence of int
        New edges, z, y, x, none larger than the old.

    Returns
    -------
    resampled : ndarray of shape (..., depth, height, width)
        In single precision where the input is.

    Raises
    ------
    ValueError
        If a new edge is not positive or larger than the old one.
    """
    volumes = np.asarray(volumes)
    for axis, size in zip(_AXES, box_size, strict=True):
        old = volumes.shape[axis]
        if not 0 < size <= old:
            raise ValueError(
                f"Cannot crop boxes of {volumes.shape[-3:]} voxels to {tuple(box_size)} in "
                "Fourier space: every new edge must be positive and at most the old one."
            )
        if size < old:
            # resample keeps the first sample in place; here, that is the center.
            first = fft.ifftshift(volumes, axes=axis)
            volumes = fft.fftshift(resample(first, size, axis=axis), axes=axis)
    return volumes
