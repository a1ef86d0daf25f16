"""Averages of volumes in known poses, and of two halves of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo._utils._interrupts import check_interrupt
from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.fourier import Imaging

# Coefficients that are brought into the frame of the references at once, a bound on memory.
_VALUES_PER_BLOCK = 2**20
_N_HALVES = 2
# A frequency counts as measured by at least this share of the mean of its shell.
_LEAST_SHARE = 1e-3


class HalfSets(NamedTuple):
    """Averages of volumes in known poses.

    ``averages`` (n_references, d, d, d); ``half_maps`` (2, n_references, d, d, d), each of every
    second volume; ``n_volumes`` (n_references,), how many are in each average.
    """

    averages: NDArray[np.float32]
    half_maps: NDArray[np.float32]
    n_volumes: NDArray[np.int64]


class HalfSetAverager:
    """Adds volumes up, in their poses, with all frequencies that they measure.

    Volumes of a reference go to the first and the second half by turns. Every frequency of an
    average is divided by how many volumes measured it, and not filtered. Averages are masked by a
    sphere with a soft edge.

    Parameters
    ----------
    box_size : int
        Edge of the volumes in voxels.
    n_references : int
        How many averages.
    tilt_range_deg : float or (float, float), default=60
        Measured tilts.
    imaging : Imaging, optional
        Of volumes that differ in it, instead of `tilt_range_deg`. With contrast transfer, sums are
        divided by the sum of its squares.
    """

    def __init__(
        self,
        box_size: int,
        n_references: int,
        tilt_range_deg: Any = 60.0,
        imaging: Imaging | None = None,
    ) -> None:
        edge = 2 * (box_size // 2)
        self._grid = PoseGrid(
            box_size,
            edge,
            n_shells=edge // 2,
            rotations=Rotation.identity(1),
            shifts=np.zeros((1, 3)),
            tilt_range_deg=tilt_range_deg,
            # None: averages get a mask with a softer edge.
            mask_radius=float(box_size),
            imaging=imaging,
        )
        self._sphere = soft_sphere(box_size)
        self._grids: dict[tuple[int, int], torch.Tensor] = {}
        self._n_references = n_references
        self._counts: NDArray[np.int64] = np.zeros((_N_HALVES, n_references), dtype=np.int64)

    def add(
        self,
        volumes: NDArray[np.float32],
        which: NDArray[np.intp],
        rotations: Rotation,
        shifts: NDArray[np.float64],
        kinds: NDArray[np.intp] | None = None,
    ) -> None:
        """Add volumes.

        Parameters
        ----------
        volumes : ndarray of shape (n, d, d, d)
            Axes z, y, x.
        which : ndarray of shape (n,) of int
            Which average each is added to; -1 for none.
        rotations : scipy.spatial.transform.Rotation
            A stack of n, which take the reference to the volume.
        shifts : ndarray of shape (n, 3)
            z, y, x in voxels.
        kinds : ndarray of shape (n,) of int, optional
            The kind of imaging of each.
        """
        kinds = np.zeros(len(volumes), int) if kinds is None else kinds
        size = max(1, _VALUES_PER_BLOCK // len(self._grid.frequencies))
        for k in np.unique(which[which >= 0]).tolist():
            members = np.flatnonzero(which == k)
            turn = (self._counts[:, k].sum() + np.arange(len(members))) % _N_HALVES
            for half in range(_N_HALVES):
                rows = members[turn == half]
                self._counts[half, k] += len(rows)
                for start in range(0, len(rows), size):
                    check_interrupt()
                    part = rows[start : start + size]
                    self._add((half, k), volumes[part], rotations[part], shifts[part], kinds[part])

    def _add(
        self,
        key: tuple[int, int],
        volumes: NDArray[np.float32],
        rotations: Rotation,
        shifts: NDArray[np.float64],
        kinds: NDArray[np.intp],
    ) -> None:
        coefficients = self._grid.coefficients(volumes)
        values = self._grid.unshift_by(coefficients, shifts)
        counts = torch.ones(values.shape)
        if self._grid.gains is not None:
            gains = self._grid.gains.values[torch.from_numpy(kinds)]
            values, counts = values * gains, gains.square()
        stacked = torch.stack([values.real, values.imag, counts])
        added = self._grid.adjoint_at(stacked, rotations)
        self._grids[key] = self._grids[key] + added if key in self._grids else added

    def _solve(self, grids: torch.Tensor) -> torch.Tensor:
        """Divide by how often each frequency was measured, without a filter."""
        floor = _LEAST_SHARE * self._grid.mean_weights(grids[2])
        return self._grid.wiener_update(grids[np.newaxis], 1 / floor)[0]

    def finish(self) -> HalfSets:
        """Return the averages; of no volume, 0."""
        n_references, edge = self._n_references, self._grid.inner_size
        maps = torch.zeros(1 + _N_HALVES, n_references, edge, edge, edge)
        for k in range(n_references):
            halves = {half: self._grids.get((half, k)) for half in range(_N_HALVES)}
            there = {half: grids for half, grids in halves.items() if grids is not None}
            if not there:
                continue
            maps[0, k] = self._solve(torch.stack(list(there.values())).sum(dim=0))
            for half, grids in there.items():
                maps[1 + half, k] = self._solve(grids)
        found = self._grid.to_references(maps.flatten(0, 1)) * self._sphere
        found = found.reshape(1 + _N_HALVES, n_references, *found.shape[1:])
        return HalfSets(found[0], found[1:], self._counts.sum(axis=0))


def soft_sphere(size: int) -> NDArray[np.float32]:
    """Return weights of a box (size, size, size): 1 inside the largest sphere, 0 outside.

    They fall by a cosine over an eighth of the box. Boxes are not periodic: without it, their faces
    would be noise at high frequencies, more than an average has.
    """
    x = np.arange(size) - size // 2
    radius = np.sqrt(np.add.outer(np.add.outer(x**2, x**2), x**2))
    width = max(2.0, size / 8)
    part = np.clip(((size - 1) / 2 - radius) / width, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * part)).astype(np.float32)
