"""Point groups of references: maps brought into the frame of their group, and averaged over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo.geometry import point_group, rotate_volume, rotation_grid

# Of the search for the axes of a map: step of the grid, and when its refinement ends, in degrees.
_STEP_DEG = 18.0
_SHORTEST_STEP_DEG = 1.0


def check_symmetry(symmetry: Any, classes: NDArray) -> list[Rotation]:
    """Return the rotations of the point group of each class.

    Parameters
    ----------
    symmetry : str or mapping of class to str
        Point group of all classes, or of those that have one, see
        :func:`~sksubtomo.geometry.point_group`; the others are C1.
    classes : ndarray of shape (n_classes,)
        The classes.

    Raises
    ------
    ValueError
        If a group is unknown, or a class is.
    """
    if not isinstance(symmetry, Mapping):
        return [point_group(symmetry)] * len(classes)
    unknown = [name for name in symmetry if name not in classes.tolist()]
    if unknown:
        raise ValueError(
            f"symmetry names {unknown[:10]}, but the classes are {classes.tolist()[:10]}."
        )
    return [point_group(symmetry.get(one, "C1")) for one in classes.tolist()]


class Symmetrizer:
    """Makes references symmetric, each by the point group of its class.

    References begin in the pose of a volume that was drawn. So axes of symmetry are searched first:
    a map is rotated such that it correlates best with its average over the group.

    Parameters
    ----------
    groups : sequence of Rotation
        Rotations of the group of each reference.
    """

    def __init__(self, groups: Sequence[Rotation]) -> None:
        self._groups = groups
        self._found: set[int] = set()

    @property
    def orders(self) -> torch.Tensor:
        """Number of rotations in the group of each reference: so often is each volume seen."""
        return torch.tensor([float(len(group)) for group in self._groups])

    def apply(self, maps: torch.Tensor, which: Sequence[int] | None = None) -> torch.Tensor:
        """Return maps that are averages over their group.

        Parameters
        ----------
        maps : Tensor of shape (n, d, d, d)
            References.
        which : sequence of int, optional
            Which references they are; by default, all.
        """
        result = maps.clone()
        for place, k in enumerate(range(len(maps)) if which is None else which):
            group = self._groups[k]
            # There is nothing to turn in a map of nothing.
            if len(group) == 1 or not maps[place].any():
                continue
            volume = maps[place].numpy()
            if k not in self._found:
                volume = rotate_volume(volume, axes_of(volume, group))
                self._found.add(k)
            result[place] = torch.from_numpy(average_over(volume, group))
        return result


def average_over(volume: NDArray[np.float32], group: Rotation) -> NDArray[np.float32]:
    """Return the average of a map (d, d, d) over the rotations of a group."""
    return np.mean([rotate_volume(volume, one) for one in group], axis=0, dtype=np.float32)


def axes_of(volume: NDArray[np.float32], group: Rotation) -> Rotation:
    """Return the rotation that brings a map nearest to having the symmetry of a group.

    Parameters
    ----------
    volume : ndarray of shape (d, d, d)
        Axes z, y, x.
    group : Rotation
        Rotations of the group.

    Returns
    -------
    rotation : Rotation
        The turned map has the largest mean square that is left of it in its average over the
        group; the search is on a grid, then in smaller steps.
    """

    def kept(rotation: Rotation) -> float:
        # The map is rotated once for each, by both rotations.
        turned = [rotate_volume(volume, one * rotation) for one in group]
        return float(np.square(np.mean(turned, axis=0)).sum())

    grid = rotation_grid(_STEP_DEG)
    # Maps that differ by a rotation of the group have the same average but for it.
    grid = grid[_one_of_each(grid, group)]
    values = [kept(one) for one in grid]
    best, value = grid[int(np.argmax(values))], max(values)
    step = _STEP_DEG / 2
    while step > _SHORTEST_STEP_DEG:
        for axis in [sign * axis for axis in np.eye(3) for sign in (1, -1)]:
            tried = Rotation.from_rotvec(step * axis, degrees=True) * best
            found = kept(tried)
            if found > value:
                best, value = tried, found
        step /= 2
    return best


def _one_of_each(grid: Rotation, group: Rotation) -> NDArray[np.bool_]:
    """Return which rotations to keep of those that a rotation of the group, done last, joins."""
    angles = np.stack([(one * grid).magnitude() for one in group])
    return angles[0] <= angles.min(axis=0) + 1e-12
