"""Trilinear interpolation on a cubic grid as a sparse matrix, and its adjoint."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

_N_CORNERS = 8


class TrilinearSampling:
    """Values of cubic grids at fixed points, on the CPU.

    All grids are sampled at once, which takes a fraction of the time of interpolating one by one
    with ``torch.nn.functional.grid_sample`` and automatic differentiation.

    Parameters
    ----------
    points : ndarray of shape (..., 3)
        Where to sample, x, y, z in voxels, within the grid.
    size : int
        Edge of the grid.
    """

    def __init__(self, points: NDArray[np.float64], size: int) -> None:
        self.shape, self.size = points.shape[:-1], size
        flat = points.reshape(-1, 3)
        low = np.clip(np.floor(flat), 0, size - 2)
        part = (flat - low).astype(np.float32)
        low = low.astype(np.int32)
        columns = np.empty((len(flat), _N_CORNERS), np.int32)
        weights = np.empty((len(flat), _N_CORNERS), np.float32)
        for corner in range(_N_CORNERS):
            step = np.array([corner & 1, corner >> 1 & 1, corner >> 2 & 1], np.int32)
            x, y, z = (low + step).T
            columns[:, corner] = (z * size + y) * size + x
            weights[:, corner] = np.where(step, part, 1 - part).prod(axis=1)
        starts = np.arange(0, columns.size + 1, _N_CORNERS, dtype=np.int32)
        shape = (len(flat), size**3)
        self._matrix = csr_array((weights.ravel(), columns.ravel(), starts), shape=shape)

    @cached_property
    def _transposed(self) -> csr_array:
        return self._matrix.T.tocsr()

    def to(self, device: torch.device) -> DeviceSampling:
        """Return the same for grids and values on a GPU."""
        places, weights = (
            torch.from_numpy(one.reshape(-1, _N_CORNERS).T.copy()).to(device)
            for one in (self._matrix.indices, self._matrix.data)
        )
        return DeviceSampling(places, weights, self.shape, self.size)

    def sample(self, grids: torch.Tensor) -> torch.Tensor:
        """Interpolate grids.

        Parameters
        ----------
        grids : Tensor of shape (n, size, size, size)
            Axes z, y, x.

        Returns
        -------
        values : Tensor of shape (n, ...)
            At the points.
        """
        values = self._matrix @ grids.flatten(1).T.contiguous().numpy()
        return torch.from_numpy(values).T.contiguous().view(-1, *self.shape)

    def adjoint(self, values: torch.Tensor, among: NDArray[np.intp] | None = None) -> torch.Tensor:
        """Add values at the points to grids, by the same weights.

        Parameters
        ----------
        values : Tensor of shape (n, ...)
            At the points.
        among : ndarray of int, optional
            The places along the points' first axis that the second axis of `values` has.

        Returns
        -------
        grids : Tensor of shape (n, size, size, size)
            Axes z, y, x.
        """
        flat = values.reshape(len(values), -1).T.contiguous().numpy()
        if among is None:
            grids = self._transposed @ flat
        else:
            n_each = self._matrix.shape[0] // self.shape[0]
            rows = among[:, np.newaxis] * n_each + np.arange(n_each)
            grids = self._matrix[rows.ravel()].T @ flat
        return torch.from_numpy(grids).T.contiguous().view(-1, *(self.size,) * 3)


class DeviceSampling:
    """The same as :class:`TrilinearSampling` on a GPU.

    Parameters
    ----------
    places, weights : Tensor of shape (8, n_points)
        Voxels around each point, in the flat grid, and how much each of them counts.
    shape : tuple of int
        Of the points.
    size : int
        Edge of the grid.
    """

    def __init__(
        self, places: torch.Tensor, weights: torch.Tensor, shape: tuple[int, ...], size: int
    ) -> None:
        self._places, self._weights, self.shape, self.size = places, weights, shape, size

    def sample(self, grids: torch.Tensor) -> torch.Tensor:
        """Interpolate grids; see :meth:`TrilinearSampling.sample`."""
        # What belongs to one voxel lies together.
        flat = grids.flatten(1).T.contiguous()
        values = flat.new_zeros(self._places.shape[1], len(grids))
        for places, weights in zip(self._places, self._weights, strict=True):
            values.addcmul_(flat.index_select(0, places), weights[:, np.newaxis])
        return values.T.contiguous().view(-1, *self.shape)

    def adjoint(self, values: torch.Tensor, among: NDArray[np.intp] | None = None) -> torch.Tensor:
        """Add values at the points to grids; see :meth:`TrilinearSampling.adjoint`."""
        corners = self._places, self._weights
        if among is not None:
            chosen = torch.from_numpy(among).to(values.device, non_blocking=True)
            corners = tuple(
                c.unflatten(1, (self.shape[0], -1))[:, chosen].flatten(1) for c in corners
            )
        flat = values.reshape(len(values), -1).T.contiguous()
        grids = flat.new_zeros(self.size**3, len(values))
        for places, weights in zip(*corners, strict=True):
            grids.index_add_(0, places, flat * weights[:, np.newaxis])
        return grids.T.contiguous().view(-1, *(self.size,) * 3)
