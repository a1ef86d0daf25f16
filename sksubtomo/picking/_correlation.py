"""Local normalized cross-correlation with many orientations of a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume
from sksubtomo.picking._threads import Report, Step, in_threads

# Edge of the blocks that a tomogram is cut into, in voxels, without the overlap.
_BLOCK = 160
_Best = tuple[NDArray[np.float32], NDArray[np.intp]]


def match_template(
    tomogram: NDArray[np.float32],
    template: NDArray[np.float32],
    mask: NDArray[np.float32],
    rotations: Rotation,
    *,
    tilt_range_deg: float | tuple[float, float] = 60.0,
    device: str = "cpu",
    n_jobs: int | None = None,
    report: Report | None = None,
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
        With the contrast of the tomogram. The center is the voxel ``n // 2``.
    mask : ndarray of shape (n, n, n)
        What counts, from 0 to 1; a ball, so that it need not be turned.
    rotations : scipy.spatial.transform.Rotation
        A stack of orientations.
    tilt_range_deg : float or (float, float), default=60
        See :func:`sksubtomo.fourier.missing_wedge_mask`.
    device : str, default="cpu"
        Of PyTorch.
    n_jobs : int, optional
        Threads that share the rotations; results do not depend on how many. By default, the
        calling thread does the work, and PyTorch uses its own threads.
    report : callable, optional
        Called every now and then with the share of the work that is done, from 0 to 1; what it
        raises ends the search.

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
    numbers = np.zeros(tomogram.shape, dtype=np.intp)
    blocks = list(block_slices(tomogram.shape, size))
    n_voxels = np.array([n_padded_voxels(outer, size) for _, outer in blocks], dtype=float)
    ends = np.cumsum(n_voxels) / n_voxels.sum()
    for (inner, outer), begin, end in zip(blocks, [0.0, *ends[:-1]], ends, strict=True):
        block = _Block(tomogram[outer], mask, device)

        def best(rows: NDArray[np.intp], step: Step, block: _Block = block) -> _Best:
            kernels = make_kernels(template, mask, rotations[rows], tilt_range_deg)
            return block.best_of(zip(rows, kernels, strict=True), step)

        parts = in_threads(
            best,
            len(rotations),
            n_jobs=n_jobs,
            report=part_of(report, begin, end),
        )
        high, index = _merged(parts)
        crop = tuple(
            slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
        )
        scores[inner], numbers[inner] = high[crop], index[crop]
    return scores, numbers


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


def make_kernels(
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
        self.padded = [_padded_edge(edge, mask.shape[0]) for edge in voxels.shape]
        # Around its mean, so that squares do not cancel.
        centered = torch.from_numpy(voxels - voxels.mean()).to(device)
        self.spectrum = torch.fft.rfftn(centered, self.padded)
        weights = mask / mask.sum()
        mean = self._correlate(self.spectrum, weights)
        square = self._correlate(torch.fft.rfftn(centered**2, self.padded), weights)
        self.inverse = inverse_deviation(square - mean**2, float(centered.square().mean()))

    def best_of(
        self, kernels: Iterable[tuple[int, NDArray[np.float32]]], step: Step = lambda: None
    ) -> _Best:
        """Return the best coefficient of every voxel, and the number of the kernel it is of."""
        high = torch.full(self.shape, -torch.inf, device=self.device)
        index = torch.zeros(self.shape, dtype=torch.int64, device=self.device)
        for number, kernel in kernels:
            scores = self._correlate(self.spectrum, kernel) * self.inverse
            better = scores > high
            high = torch.where(better, scores, high)
            index[better] = int(number)
            step()
        return high.cpu().numpy(), index.cpu().numpy()

    def _correlate(self, spectrum: torch.Tensor, kernel: NDArray[np.float32]) -> torch.Tensor:
        other = torch.fft.rfftn(torch.from_numpy(kernel).to(self.device), self.padded)
        product = torch.fft.irfftn(spectrum * other.conj(), self.padded)
        # The first voxel of the kernel came to lie on the voxel; the center shall.
        half = kernel.shape[0] // 2
        rolled = torch.roll(product, (half,) * 3, (0, 1, 2))
        depth, height, width = self.shape
        return rolled[:depth, :height, :width]


def inverse_deviation(variance: torch.Tensor, square: float) -> torch.Tensor:
    """Return one over the standard deviation; 0 where it is negligible.

    Parameters
    ----------
    variance : Tensor
        Under the mask.
    square : float
        Mean square of the voxels around their mean.
    """
    # Rounding leaves a constant region a variance that is not quite 0.
    floor = 1e-6 * square
    return torch.where(variance > floor, variance.clamp(min=floor).rsqrt(), 0.0)


def _merged(parts: list[_Best]) -> _Best:
    """Return the best of all parts; of equal ones the first, as one part would."""
    (high, index), *others = parts
    for scores, numbers in others:
        better = scores > high
        high, index = np.where(better, scores, high), np.where(better, numbers, index)
    return high, index


def part_of(report: Report | None, begin: float, end: float) -> Report | None:
    """Return the report of a part of the work, which is from `begin` to `end` of the whole."""
    if report is None:
        return None
    return lambda share: report(begin + share * (end - begin))


def n_padded_voxels(outer: tuple[slice, ...], size: int) -> int:
    """Return how many voxels are transformed for a block."""
    return int(np.prod([_padded_edge(one.stop - one.start, size) for one in outer]))


def _padded_edge(edge: int, size: int) -> int:
    return fft.next_fast_len(edge + size - 1, real=True)


def block_slices(
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
