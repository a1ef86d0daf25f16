"""Rows that have no poses."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo.alignment._resident import Resident


class IdentityPose(Resident):
    """Stands in for :class:`PoseGrid` where rows are lines, which cannot be turned.

    The one pose is the row as it is; its values are the coefficients, all in one shell. Classes
    are then Gaussians around their means.

    Parameters
    ----------
    volume_shape : (int, int, int)
        Shape of a row as a volume.
    """

    #: Lines have no imaging.
    gains: ClassVar[None] = None

    def __init__(self, volume_shape: tuple[int, int, int]) -> None:
        self._shape = volume_shape
        self.rotations, self.shifts = Rotation.identity(1), np.zeros((1, 3))
        self.radii = np.zeros(math.prod(volume_shape))
        self.shells = torch.zeros(len(self.radii), dtype=torch.int64)

    def coefficients(self, volumes: NDArray[np.float32]) -> torch.Tensor:
        """Return values, (n, n_values)."""
        return torch.from_numpy(volumes.reshape(len(volumes), -1).copy())

    def unshift(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return coefficients with a new axis for the one shift."""
        return coefficients[:, np.newaxis]

    def unshift_each(self, coefficients: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """Return coefficients as they are."""
        return coefficients

    def unshifted(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return coefficients as they are."""
        return coefficients

    def templates(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps as coefficients, (n_classes, 1, n_values)."""
        return maps.flatten(1)[:, np.newaxis]

    def signal_power(self, power: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return the power that maps have beforehand: no more is known than that of the rows."""
        return power

    def map_variance(
        self, counts: torch.Tensor, noise: torch.Tensor, signal: torch.Tensor
    ) -> torch.Tensor:
        """Return the posterior variance of maps; see :meth:`PoseGrid.map_variance`."""
        return 1 / (counts[:, np.newaxis] / noise + 1 / signal)

    def accumulate(
        self,
        sums: torch.Tensor,
        weights: torch.Tensor,
        precision: torch.Tensor,
        among: NDArray[np.intp] | None = None,
    ) -> torch.Tensor:
        """Return sums and their precision, (n_classes, 2, n_values)."""
        counts = weights.sum(dim=1, keepdim=True) * precision
        return torch.stack([sums.sum(dim=1), counts], dim=1)

    def wiener_update(self, grids: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        """Return the most probable maps; see :meth:`PoseGrid.wiener_update`."""
        return self.to_maps(grids[:, 0] / (grids[:, 1] + 1 / signal[self.shells]))

    def to_maps(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Return coefficients in the shape of volumes."""
        return coefficients.reshape(len(coefficients), *self._shape)

    def to_references(self, maps: torch.Tensor) -> NDArray[np.float32]:
        """Return maps as an array."""
        return maps.numpy()

    def from_references(self, references: NDArray[np.float32]) -> torch.Tensor:
        """Undo :meth:`to_references`."""
        return torch.from_numpy(references)
