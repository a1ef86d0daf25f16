"""Local normalised cross-correlation with many orientations of a template."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume

# Edge of the blocks that a tomogram is cut into, in voxels, without the overlap.
_BLOCK = 160


def match_template(
    tomogram: NDArray[np.float32],
    template: NDArray[np.float32],
    mask: NDArray[np.float32],
    rotations: Rotation,
    *,
    tilt_range_deg: float | tuple[float, float] = 60.0,
    device: str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Correlate a tomogram with every orientation of a template.

    At each voxel, the correlation coefficient of the template, of which the missing wedge has been
    taken in each orientation, with the tomogram under the mask: from -1 to 1. Of all orientations,
    the best is kept. Computed by Fourier transforms, block by block with overlap.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width) of float32
        Axes z, y, x.
    template : ndarray of shape (n, n, n) of float32
        With the contrast of the tomogram. The centre is the voxel ``n // 2``.
    mask : ndarray of shape (n, n, n)
        What counts, from 0 to 1; a ball, so that it need not be turned.
    rotations : scipy.spatial.transform.Rotation
        A stack of orientations.
    tilt_range_deg : float or (float, float), default=60
        See :func:`sksubtomo.fourier.missing_wedge_mask`.
    device : str, default="cpu"
        Of PyTorch.

    Returns
    -------
    scores : ndarray of the shape of the tomogram of float32
        The best coefficient; 0 where the tomogram is constant under the mask.
    best : ndarray of the shape of the tomogram of int
        Which orientation it is.

    References
    ----------
    Roseman, "Particle finding in electron micrographs using a fast local correlation algorithm",
    Ultramicroscopy 94, 2003.
    """
    size = template.shape[0]
    scores = np.zeros(tomogram.shape, dtype=np.float32)
    best = np.zeros(tomogram.shape, dtype=np.intp)
    kernels = _kernels(template, mask, rotations, tilt_range_deg)
    stored = list(kernels)
    for inner, outer in _blocks(tomogram.shape, size):
        block = _Block(tomogram[outer], mask, device)
        high, index = block.best_of(stored)
        crop = tuple(
            slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
        )
        scores[inner], best[inner] = high[crop], index[crop]
    return scores, best


def ball_mask(size: int, radius_voxels: float, *, soft_voxels: float = 1.0) -> NDArray[np.float32]:
    """Return a ball with a soft edge.

    Parameters
    ----------
    size : int
        Edge of the box.
    radius_voxels : float
        Where the ball has fallen to one half.
    soft_voxels : float, default=1
        Width of the edge.

    Returns
    -------
    mask : ndarray of shape (size, size, size) of float32
        From 0 to 1.
    """
    axis = np.arange(size) - size // 2
    distance = np.sqrt(axis[:, np.newaxis, np.newaxis] ** 2 + axis[:, np.newaxis] ** 2 + axis**2)
    return np.clip((radius_voxels - distance) / soft_voxels + 0.5, 0, 1).astype(np.float32)


def _kernels(
    template: NDArray[np.float32],
    mask: NDArray[np.float32],
    rotations: Rotation,
    tilt_range_deg: float | tuple[float, float],
) -> Iterator[NDArray[np.float32]]:
    """Yield templates that have mean 0 and norm 1 under the mask, times the mask."""
    wedge = missing_wedge_mask(template.shape, tilt_range_deg)
    filtered = ndimage.spline_filter(template, output=np.float32)
    total = mask.sum()
    for rotation in rotations:
        turned = apply_fourier_filter(rotate_volume(filtered, rotation, prefilter=False), wedge)
        turned = turned - (mask * turned).sum() / total
        norm = np.sqrt((mask * turned**2).sum() / total)
        if not norm > 0:
            raise ValueError("The template is constant within its mask.")
        yield mask * turned / (norm * total)


class _Block:
    """A block of a tomogram, ready to be correlated.

    Parameters
    ----------
    voxels : ndarray of shape (depth, height, width)
        The block.
    mask : ndarray of shape (n, n, n)
        What counts.
    device : str
        Of PyTorch.
    """

    def __init__(self, voxels: NDArray[np.float32], mask: NDArray[np.float32], device: str) -> None:
        self.shape = voxels.shape
        self.device = device
        self.padded = [
            fft.next_fast_len(edge + mask.shape[0] - 1, real=True) for edge in voxels.shape
        ]
        # Around its mean, so that squares do not cancel.
        centred = torch.from_numpy(voxels - voxels.mean()).to(device)
        self.spectrum = torch.fft.rfftn(centred, self.padded)
        weights = mask / mask.sum()
        mean = self._correlate(self.spectrum, weights)
        square = self._correlate(torch.fft.rfftn(centred**2, self.padded), weights)
        variance = square - mean**2
        # Rounding leaves a constant region a variance that is not quite 0.
        floor = 1e-6 * float(centred.square().mean())
        self.inverse = torch.where(variance > floor, variance.clamp(min=floor).rsqrt(), 0.0)

    def best_of(
        self, kernels: list[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return the best coefficient of every voxel, and of which kernel it is."""
        high = torch.full(self.shape, -torch.inf, device=self.device)
        index = torch.zeros(self.shape, dtype=torch.int64, device=self.device)
        for number, kernel in enumerate(kernels):
            scores = self._correlate(self.spectrum, kernel) * self.inverse
            better = scores > high
            high = torch.where(better, scores, high)
            index[better] = number
        return high.cpu().numpy(), index.cpu().numpy()

    def _correlate(self, spectrum: torch.Tensor, kernel: NDArray[np.float32]) -> torch.Tensor:
        other = torch.fft.rfftn(torch.from_numpy(kernel).to(self.device), self.padded)
        product = torch.fft.irfftn(spectrum * other.conj(), self.padded)
        # The first voxel of the kernel came to lie on the voxel; the centre shall.
        half = kernel.shape[0] // 2
        rolled = torch.roll(product, (half,) * 3, (0, 1, 2))
        depth, height, width = self.shape
        return rolled[:depth, :height, :width]


def _blocks(
    shape: tuple[int, ...], overlap: int
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield blocks that tile a volume, and the same with what surrounds them."""
    starts = [range(0, edge, _BLOCK) for edge in shape]
    for corner in np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, 3):
        inner, outer = [], []
        for start, edge in zip(corner.tolist(), shape, strict=True):
            stop = min(start + _BLOCK, edge)
            inner.append(slice(start, stop))
            outer.append(slice(max(0, start - overlap), min(edge, stop + overlap)))
        yield tuple(inner), tuple(outer)
