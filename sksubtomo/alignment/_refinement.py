"""Poses between those of a grid."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo.alignment._gains import check_kinds
from sksubtomo.alignment._pose_grid import PoseGrid

# The search ends when a step is shorter than this.
_SHORTEST_STEP_DEG = 1.0
# Rounds at each length of the steps, and volumes at once.
_N_ROUNDS = 2
_ROWS_PER_BLOCK = 128
# Of a grid with one shift, in voxels.
_FIRST_SHIFT = 0.5


def refine_poses(
    poses: PoseGrid,
    coefficients: torch.Tensor,
    maps: torch.Tensor,
    which: NDArray[np.intp],
    noise: torch.Tensor,
    rotations: Rotation,
    shifts: NDArray[np.float64],
    kinds: torch.Tensor | None = None,
) -> tuple[Rotation, NDArray[np.float64]]:
    """Improve poses by a pattern search from the grid's best ones.

    In turn, each axis of rotation and each shift is tried in both directions, and what makes a
    volume more likely is kept; then steps are halved. The first are half of the grid's.

    Parameters
    ----------
    poses : PoseGrid
        Whose poses they are.
    coefficients : Tensor of shape (n, n_frequencies)
        Of the volumes.
    maps : Tensor of shape (n_references, inner_size, inner_size, inner_size)
        References.
    which : ndarray of shape (n,) of int
        Reference of each volume.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    rotations : scipy.spatial.transform.Rotation
        A stack of n.
    shifts : ndarray of shape (n, 3)
        z, y, x in voxels.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.

    Returns
    -------
    rotations : scipy.spatial.transform.Rotation
        A stack of n.
    shifts : ndarray of shape (n, 3)
        z, y, x in voxels. No volume is less likely than before.
    """
    gains = poses.gains
    kinds = kinds if gains is None else check_kinds(poses, kinds, len(coefficients))
    found_rotations, found_shifts = rotations.as_quat().copy(), shifts.copy()
    for start in range(0, len(coefficients), _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        own = None if gains is None or kinds is None else gains.values[kinds[rows]]
        search = _Search(poses, coefficients[rows], maps, which[rows], noise, own)
        found, found_shifts[rows] = search.run(rotations[rows], shifts[rows])
        found_rotations[rows] = found.as_quat()
    return Rotation.from_quat(found_rotations), found_shifts


class _Search:
    """Pattern search for the poses of a block of volumes."""

    def __init__(
        self,
        poses: PoseGrid,
        coefficients: torch.Tensor,
        maps: torch.Tensor,
        which: NDArray[np.intp],
        noise: torch.Tensor,
        gains: torch.Tensor | None,
    ) -> None:
        self.gains = gains
        self.poses, self.coefficients, self.maps, self.which = poses, coefficients, maps, which
        self.precision = 1 / noise[poses.shells[: len(poses.radii)]]

    def run(
        self, rotations: Rotation, shifts: NDArray[np.float64]
    ) -> tuple[Rotation, NDArray[np.float64]]:
        angle, length = _grid_steps(self.poses)
        quaternions, shifts = rotations.as_quat(), shifts.copy()
        templates = self._templates(rotations)
        best = self._log_likelihood(templates, shifts)
        while angle > _SHORTEST_STEP_DEG:
            angle, length = angle / 2, length / 2
            for step in [sign * axis for axis in np.eye(3) for sign in (1, -1)] * _N_ROUNDS:
                turn = Rotation.from_rotvec(angle * step, degrees=True)
                turned = turn * Rotation.from_quat(quaternions)
                tried = self._templates(turned)
                value = self._log_likelihood(tried, shifts)
                better = value > best
                quaternions[better] = turned.as_quat()[better]
                templates[better], best[better] = tried[better], value[better]
                value = self._log_likelihood(templates, shifts + length * step)
                better = value > best
                shifts[better] += length * step
                best[better] = value[better]
        return Rotation.from_quat(quaternions), shifts

    def _templates(self, rotations: Rotation) -> torch.Tensor:
        templates = self.poses.templates_at(self.maps, self.which, rotations)
        return templates if self.gains is None else templates * self.gains

    def _log_likelihood(
        self, templates: torch.Tensor, shifts: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        moved = self.poses.unshift_by(self.coefficients, shifts)
        match = (templates.conj() * moved).real - templates.abs().square() / 2
        return (match @ self.precision).numpy()


def _grid_steps(poses: PoseGrid) -> tuple[float, float]:
    """Return the steps of a grid: degrees between rotations, and voxels between shifts."""
    # So many cubes of this edge fill the space of rotation vectors, of volume 8 pi**2.
    angle = np.degrees((8 * np.pi**2 / len(poses.rotations)) ** (1 / 3))
    along = np.unique(poses.shifts[:, 0])
    return float(angle), float(np.diff(along).min()) if len(along) > 1 else 2 * _FIRST_SHIFT
