"""Averages of volumes in known poses, and of two halves of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo._utils._interrupts import check_interrupt
from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.alignment._spectra import shell_power

# Coefficients that are brought into the frame of the references at once, a bound on memory.
_VALUES_PER_BLOCK = 2**20
_N_HALVES = 2


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

    Volumes of a reference go to the first and the second half by turns. Averages are those of
    expectation-maximization, :meth:`PoseGrid.wiener_update`, with one pose a volume: every
    frequency is divided by how many volumes measured it, plus the noise power over that of the
    signal, which is what the volumes have above the noise in its shell.

    Parameters
    ----------
    box_size : int
        Edge of the volumes in voxels.
    n_references : int
        How many averages.
    noise : ndarray of shape (n_shells,)
        Noise power of a real coefficient, by shell; shells beyond are taken to have that of the
        last.
    tilt_range_deg : float or (float, float), default=60
        Measured tilts.
    """

    def __init__(
        self,
        box_size: int,
        n_references: int,
        noise: NDArray[np.float64],
        tilt_range_deg: Any = 60.0,
    ) -> None:
        edge = 2 * (box_size // 2)
        self._grid = PoseGrid(
            box_size,
            edge,
            n_shells=edge // 2,
            rotations=Rotation.identity(1),
            shifts=np.zeros((1, 3)),
            tilt_range_deg=tilt_range_deg,
        )
        n_shells = int(self._grid.shells.max()) + 1
        noise = np.pad(noise, (0, max(0, n_shells - len(noise))), mode="edge")[:n_shells]
        # In units of the noise, squares have a place in float32.
        self._scale = math.sqrt(float(noise.max()))
        self._noise = torch.from_numpy(noise / self._scale**2).float()
        self._grids: dict[tuple[int, int], torch.Tensor] = {}
        self._power = torch.zeros(n_references, n_shells)
        self._counts: NDArray[np.int64] = np.zeros((_N_HALVES, n_references), dtype=np.int64)

    def add(
        self,
        volumes: NDArray[np.float32],
        which: NDArray[np.intp],
        rotations: Rotation,
        shifts: NDArray[np.float64],
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
        """
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
                    self._add((half, k), volumes[part], rotations[part], shifts[part])

    def _add(
        self,
        key: tuple[int, int],
        volumes: NDArray[np.float32],
        rotations: Rotation,
        shifts: NDArray[np.float64],
    ) -> None:
        coefficients = self._grid.coefficients(volumes) / self._scale
        self._power[key[1]] += len(volumes) * shell_power(self._grid, coefficients)
        values = self._grid.unshift_by(coefficients, shifts)
        one = 1 / self._noise[self._grid.shells[: len(self._grid.frequencies)]]
        stacked = torch.stack([values.real * one, values.imag * one, one.expand(len(values), -1)])
        added = self._grid.adjoint_at(stacked, rotations)
        self._grids[key] = self._grids[key] + added if key in self._grids else added

    def finish(self) -> HalfSets:
        """Return the averages; of no volume, 0."""
        n_references, edge = len(self._power), self._grid.inner_size
        maps = torch.zeros(1 + _N_HALVES, n_references, edge, edge, edge)
        for k in range(n_references):
            halves = {half: self._grids.get((half, k)) for half in range(_N_HALVES)}
            there = {half: grids for half, grids in halves.items() if grids is not None}
            if not there:
                continue
            power = self._power[k] / int(self._counts[:, k].sum())
            signal = self._grid.signal_power(power, self._noise)
            total = torch.stack(list(there.values())).sum(dim=0)
            maps[0, k] = self._grid.solve_grids(total[np.newaxis], signal)[0]
            for half, grids in there.items():
                maps[1 + half, k] = self._grid.solve_grids(grids[np.newaxis], signal)[0]
        found = self._grid.to_references(maps.flatten(0, 1)) * np.float32(self._scale)
        found = found.reshape(1 + _N_HALVES, n_references, *found.shape[1:])
        return HalfSets(found[0], found[1:], self._counts.sum(axis=0))
