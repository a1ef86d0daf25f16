"""Point groups of references: maps brought into the frame of their group, and averaged over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from sksubtomo._utils._rotations import exact_rotation
from sksubtomo.geometry import point_group, rotate_volume, rotation_grid

# Of the search for the axes of a map: step of the grid, and when its refinement ends, in degrees;
# and the first step of its center.
_STEP_DEG = 18.0
_SHORTEST_STEP_DEG = 1.0
_STEP_VOXELS = 1.0


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


class Frame(NamedTuple):
    """What brings a map into the frame of its group: a rotation, then a shift z, y, x in voxels."""

    rotation: Rotation
    shift: NDArray[np.float64]


class Symmetrizer:
    """Makes references symmetric, each by the point group of its class.

    References begin in the pose of a volume that was drawn, its shift included. So the axes of
    symmetry are searched first: a map is rotated and shifted such that as much as possible is left
    of it in its average over the group.

    Parameters
    ----------
    groups : sequence of Rotation
        Rotations of the group of each reference.
    """

    def __init__(self, groups: Sequence[Rotation]) -> None:
        self._groups = groups
        self._found: set[int] = set()
        self._frames: dict[int, Frame] = {}

    @property
    def orders(self) -> torch.Tensor:
        """Number of rotations in the group of each reference: so often is each volume seen."""
        return torch.tensor([float(len(group)) for group in self._groups])

    def state(self) -> dict[str, Any]:
        """Return which axes were found, and those that were last, as plain values."""
        frames = {str(k): (one.rotation.as_quat(), one.shift) for k, one in self._frames.items()}
        return {"found": sorted(self._found), "frames": frames}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` told."""
        self._found = {int(k) for k in state["found"]}
        self._frames = {
            int(k): Frame(exact_rotation(quaternion), shift)
            for k, (quaternion, shift) in state["frames"].items()
        }

    def find_axes(self, maps: torch.Tensor) -> None:
        """Search the axes of references that have not been in the frame of their group.

        Until the next call, :meth:`apply` brings these into it, and leaves the others where they
        are.

        Parameters
        ----------
        maps : Tensor of shape (n_references, d, d, d)
            All references.
        """
        self._frames = {}
        for k, group in enumerate(self._groups):
            # There is nothing to turn in a map of nothing.
            if len(group) > 1 and k not in self._found and maps[k].any():
                self._frames[k] = frame_of(maps[k].numpy(), group)
        self._found |= set(self._frames)

    def apply(self, maps: torch.Tensor, which: Sequence[int]) -> torch.Tensor:
        """Return maps that are averages over their group.

        Parameters
        ----------
        maps : Tensor of shape (n, d, d, d)
            References, from sums in the frames of those of :meth:`find_axes`.
        which : sequence of int
            Which references they are.
        """
        result = maps.clone()
        for place, k in enumerate(which):
            group = self._groups[k]
            if len(group) == 1 or not maps[place].any():
                continue
            frame = self._frames.get(k, _AS_IT_IS)
            result[place] = torch.from_numpy(average_over(maps[place].numpy(), group, frame))
        return result


_AS_IT_IS = Frame(Rotation.identity(), np.zeros(3))


def average_over(
    volume: NDArray[np.float32], group: Rotation, frame: Frame = _AS_IT_IS
) -> NDArray[np.float32]:
    """Return the average of a map (d, d, d) over the rotations of a group, in a frame."""
    turned = [
        rotate_volume(volume, one * frame.rotation, shift=one.apply(frame.shift[::-1])[::-1])
        for one in group
    ]
    return np.mean(turned, axis=0, dtype=np.float32)


def frame_of(volume: NDArray[np.float32], group: Rotation) -> Frame:
    """Return the frame in which a map is nearest to having the symmetry of a group.

    Parameters
    ----------
    volume : ndarray of shape (d, d, d)
        Axes z, y, x.
    group : Rotation
        Rotations of the group.

    Returns
    -------
    frame : Frame
        The map in it has the largest sum of squares that is left in its average over the group. The
        search is on a grid of rotations about the center of the map's power, then in smaller steps
        of both.
    """

    def frame(rotation: Rotation, center: NDArray[np.float64]) -> Frame:
        return Frame(rotation, -rotation.apply(center[::-1])[::-1])

    def kept(rotation: Rotation, center: NDArray[np.float64]) -> float:
        return float(np.square(average_over(volume, group, frame(rotation, center))).sum())

    center = _center_of_power(volume)
    grid = rotation_grid(_STEP_DEG)
    # Maps that differ by a rotation of the group have the same average but for it.
    grid = grid[_one_of_each(grid, group)]
    values = [kept(one, center) for one in grid]
    best, value = grid[int(np.argmax(values))], max(values)
    step, distance = _STEP_DEG / 2, _STEP_VOXELS
    while step > _SHORTEST_STEP_DEG:
        for axis in [sign * axis for axis in np.eye(3) for sign in (1, -1)]:
            turned = Rotation.from_rotvec(step * axis, degrees=True) * best
            for tried in ((turned, center), (best, center + distance * axis)):
                found = kept(*tried)
                if found > value:
                    (best, center), value = tried, found
        step, distance = step / 2, distance / 2
    return frame(best, center)


def _center_of_power(volume: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the center of a map's squares, z, y, x from the voxel in the middle."""
    center = ndimage.center_of_mass(np.square(volume, dtype=np.float64))
    return np.asarray(center) - np.array(volume.shape) // 2


def _one_of_each(grid: Rotation, group: Rotation) -> NDArray[np.bool_]:
    """Return which rotations to keep of those that a rotation of the group, done last, joins."""
    angles = np.stack([(one * grid).magnitude() for one in group])
    return angles[0] <= angles.min(axis=0) + 1e-12
