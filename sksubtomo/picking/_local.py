"""Correlation with some orientations of a template, only around some voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo.picking._correlation import inverse_deviation, make_kernels, part_of
from sksubtomo.picking._threads import Report, Step, in_threads

# Of the templates in all orientations that are kept at a time.
_BYTES_OF_KERNELS = 2**28


class LocalMatches(NamedTuple):
    """Voxels, and the orientations that match best there.

    Parameters
    ----------
    places : ndarray of shape (n, 3) of int
        Voxels z, y, x, each the best within reach of one that was given.
    scores : ndarray of shape (n, n_best) of float32
        Correlation coefficients, the highest first; -inf where fewer orientations were compared.
    rotations : ndarray of shape (n, n_best) of int
        Which orientations have them.
    """

    places: NDArray[np.intp]
    scores: NDArray[np.float32]
    rotations: NDArray[np.intp]

    def take(self, rows: NDArray) -> LocalMatches:
        """Return some of them."""
        return LocalMatches(*(field[rows] for field in self))


def match_around(
    tomogram: NDArray[np.float32],
    template: NDArray[np.float32],
    mask: NDArray[np.float32],
    rotations: Rotation,
    places: NDArray[np.intp],
    chosen: Sequence[NDArray[np.intp]],
    *,
    reach: int,
    n_best: int,
    tilt_range_deg: Any,
    device: str,
    n_jobs: int | None,
    report: Report | None = None,
) -> LocalMatches:
    """Correlate what is around some voxels with some orientations of a template.

    The coefficients are those of :func:`match_template`, computed as products of matrices.

    Parameters
    ----------
    tomogram, template, mask, rotations, tilt_range_deg, device, n_jobs, report
        As of :func:`match_template`.
    places : ndarray of shape (n, 3) of int
        Voxels z, y, x.
    chosen : sequence of ndarray of int
        Which rotations to compare at each place, in ascending order.
    reach : int
        How far from a place to look along each axis, in voxels.
    n_best : int
        How many orientations to tell of each place.

    Returns
    -------
    matches : LocalMatches
        In the order of the places.
    """
    windows = _Windows(tomogram, mask, reach, device)
    found = LocalMatches(
        places.copy(),
        np.full((len(places), n_best), -np.inf, np.float32),
        np.zeros((len(places), n_best), np.intp),
    )
    used = np.unique(np.concatenate([*chosen, np.empty(0, np.intp)]))
    n_groups = -(-4 * len(used) * windows.n_voxels // _BYTES_OF_KERNELS)
    for number, group in enumerate(np.array_split(used, n_groups) if n_groups else []):
        kernels = windows.kernels(template, mask, rotations[group], tilt_range_deg, n_jobs)

        def match(
            part: NDArray[np.intp],
            step: Step,
            group: NDArray[np.intp] = group,
            kernels: torch.Tensor = kernels,
        ) -> None:
            for row in part:
                begin, end = np.searchsorted(chosen[row], [group[0], group[-1] + 1])
                numbers = chosen[row][begin:end]
                if len(numbers):
                    rows = torch.from_numpy(np.searchsorted(group, numbers)).to(device)
                    scores = windows.scores(places[row], kernels[rows])
                    _keep_best(found, row, places[row], windows.offsets, scores, numbers)
                step()

        share = part_of(report, number / n_groups, (number + 1) / n_groups)
        in_threads(match, len(places), n_jobs=n_jobs, report=share)
    return found


def _keep_best(
    found: LocalMatches,
    row: int,
    place: NDArray[np.intp],
    offsets: NDArray[np.intp],
    scores: NDArray[np.float32],
    numbers: NDArray[np.intp],
) -> None:
    """Keep the best of scores (n_offsets, n_rotations), and of those that were there before."""
    where = scores.argmax(axis=0)
    values = scores[where, np.arange(len(numbers))]
    best = values.argmax()
    if values[best] > found.scores[row, 0]:
        found.places[row] = place + offsets[where[best]]
    n_best = found.scores.shape[1]
    values = np.concatenate([found.scores[row], values])
    order = np.argsort(-values, kind="stable")[:n_best]
    found.rotations[row] = np.concatenate([found.rotations[row], numbers])[order]
    found.scores[row] = values[order]


class _Windows:
    """All windows of a template's size around voxels of a tomogram.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width)
        Axes z, y, x.
    mask : ndarray of shape (n, n, n)
        What counts.
    reach : int
        How far windows are from a voxel along each axis.
    device : str
        Of PyTorch.
    """

    def __init__(
        self, tomogram: NDArray[np.float32], mask: NDArray[np.float32], reach: int, device: str
    ) -> None:
        size = len(mask)
        self.edge = size + 2 * reach
        self.device = device
        axis = np.arange(-reach, reach + 1)
        self.offsets = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        inside = np.argwhere(mask > 0)
        self.n_voxels = len(inside)
        flat = np.array([self.edge**2, self.edge, 1])
        index = ((self.offsets + reach) @ flat)[:, np.newaxis] + inside @ flat
        # Much faster than indexing by an array of two axes of int64.
        self._index = torch.from_numpy(index.ravel().astype(np.int32)).to(device)
        self._inside = np.flatnonzero(mask > 0)
        weights = (mask / mask.sum()).ravel()[self._inside]
        self._weights = torch.from_numpy(weights).to(device)
        # Around its mean, so that squares do not cancel.
        centered = torch.from_numpy(tomogram - tomogram.mean()).to(device)
        self._square = float(centered.square().mean())
        below, above = size // 2 + reach, size - size // 2 + reach
        self._padded = torch.nn.functional.pad(centered, (below, above) * 3)

    def kernels(
        self,
        template: NDArray[np.float32],
        mask: NDArray[np.float32],
        rotations: Rotation,
        tilt_range_deg: Any,
        n_jobs: int | None,
    ) -> torch.Tensor:
        """Return a row for each orientation of the template."""

        def make(part: NDArray[np.intp], step: Step) -> NDArray[np.float32]:
            rows = np.empty((len(part), self.n_voxels), np.float32)
            kernels = make_kernels(template, mask, rotations[part], tilt_range_deg)
            for row, kernel in zip(rows, kernels, strict=True):
                row[:] = kernel.ravel()[self._inside]
                step()
            return rows

        parts = in_threads(make, len(rotations), n_jobs=n_jobs)
        return torch.from_numpy(np.concatenate(parts)).to(self.device)

    def scores(self, place: NDArray[np.intp], kernels: torch.Tensor) -> NDArray[np.float32]:
        """Return coefficients of shape (n_offsets, n_rotations)."""
        z, y, x = place.tolist()
        edge = self.edge
        box = self._padded[z : z + edge, y : y + edge, x : x + edge].reshape(-1)
        windows = box.index_select(0, self._index).reshape(len(self.offsets), self.n_voxels)
        mean = windows @ self._weights
        variance = windows.square() @ self._weights - mean**2
        inverse = inverse_deviation(variance, self._square)
        return ((windows @ kernels.T) * inverse[:, np.newaxis]).cpu().numpy()
