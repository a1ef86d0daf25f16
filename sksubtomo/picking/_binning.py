"""Tomograms and templates with fewer voxels, whose places stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import resample

from sksubtomo.fourier import fourier_crop


def bin_tomogram(tomogram: NDArray[np.float32], binning: int) -> NDArray[np.float32]:
    """Return a tomogram whose voxel i is at the voxel ``binning * i`` of the one given.

    Its high frequencies are left out. What lies beyond the tomogram is taken to be as its border.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width)
        Axes z, y, x.
    binning : int
        Edge of a voxel of the result in voxels; 1 returns the tomogram.
    """
    if binning == 1:
        return tomogram
    shape = [-(-edge // binning) for edge in tomogram.shape]
    whole = [binning * fft.next_fast_len(edge, real=True) for edge in shape]
    beyond = [(0, edge - old) for edge, old in zip(whole, tomogram.shape, strict=True)]
    volume = np.pad(tomogram, beyond, mode="edge")
    for axis, edge in enumerate(whole):
        # Unlike Fourier cropping about the center, resample keeps the first voxel in its place.
        volume = resample(volume, edge // binning, axis=axis)
    return np.ascontiguousarray(volume[tuple(map(slice, shape))], dtype=np.float32)


def bin_template(template: NDArray[np.float32], binning: int) -> NDArray[np.float32]:
    """Return a template whose center is at the voxel ``n // 2`` as before.

    Parameters
    ----------
    template : ndarray of shape (n, n, n)
        The center is the voxel ``n // 2``.
    binning : int
        Edge of a voxel of the result in voxels; 1 returns the template.
    """
    if binning == 1:
        return template
    size = len(template)
    edge = binning * -(-size // binning)
    before = edge // 2 - size // 2
    padded = np.pad(template, [(before, edge - size - before)] * 3)
    return fourier_crop(padded, (edge // binning,) * 3).astype(np.float32)
