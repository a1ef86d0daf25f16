"""From the parameters of classification by references, and its data, to grids of poses."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment._frequencies import shift_grid
from sksubtomo.alignment._gains import check_kinds
from sksubtomo.alignment._identity_pose import IdentityPose
from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.alignment._spectra import Poses
from sksubtomo.fourier import Imaging
from sksubtomo.geometry import rotation_grid

#: Shells, angular step in degrees, shifts along an axis or "auto", iterations.
Stage = tuple[float, float, int | str, int]

# Shifts are at most this fraction of the shortest period compared apart. A reference of no symmetry
# has its center anywhere between them, and its rotations sample what is between the steps; that of
# a symmetric one is at a step.
_LARGEST_SHIFT_STEP = 0.6
_LARGEST_SYMMETRIC_STEP = 0.3
# Volumes that are read and transformed at once.
_ROWS_PER_BLOCK = 64
# Averages of labeled volumes have converged after so many iterations.
_MOST_FROZEN = 8


def check_stages(stages: Any, n_frozen_iter: int | str) -> list[Stage]:
    """Return stages as tuples, coarse to fine.

    Parameters
    ----------
    stages : sequence of (n_shells, angular_step_deg, n_shifts, n_iter)
        As a user gives them.
    n_frozen_iter : int or "auto"
        At most the iterations that there are.

    Raises
    ------
    ValueError
        If a stage is malformed, or the number of shells decreases.
    """
    try:
        rows = [list(row) for row in np.asarray(stages, dtype=object)]
        auto = [len(row) == 4 and isinstance(row[2], str) and row[2] == "auto" for row in rows]
        for row in (row for row, one in zip(rows, auto, strict=True) if one):
            row[2] = 1
        table = np.asarray(rows, dtype=float)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 4 or not len(table):
        raise ValueError(
            f"stages={reprlib.repr(stages)} must be rows of four numbers, (n_shells, "
            'angular_step_deg, n_shifts, n_iter), where n_shifts may be "auto".'
        )
    for n_shells, step, n_shifts, n_iter in table.tolist():
        whole = n_shifts.is_integer() and n_iter.is_integer()
        if not (n_shells > 1 and 0 < step <= 180 and whole and n_shifts >= 1 and n_iter >= 1):
            raise ValueError(
                f"The stage {(n_shells, step, n_shifts, n_iter)} must have n_shells above 1, "
                "a step above 0 and at most 180 degrees, and whole n_shifts and n_iter from 1."
            )
    if (np.diff(table[:, 0]) < 0).any():
        raise ValueError(f"n_shells of the stages, {table[:, 0].tolist()}, must be non-decreasing.")
    if not isinstance(n_frozen_iter, str) and n_frozen_iter > table[:, 3].sum():
        raise ValueError(
            f"n_frozen_iter={n_frozen_iter}, but the stages have {int(table[:, 3].sum())} "
            "iterations in all."
        )
    return [
        (a, b, "auto" if one else int(c), int(d))
        for (a, b, c, d), one in zip(table.tolist(), auto, strict=True)
    ]


def frozen_iterations(
    n_frozen_iter: int | str,
    stages: list[Stage],
    targets: NDArray[np.int64],
    n_classes: int,
    *,
    begun: bool = False,
) -> int:
    """Return how many iterations to hold on to the initial class probabilities.

    An average of several labeled volumes takes some iterations to align. Of one volume there is
    nothing to align.

    Parameters
    ----------
    n_frozen_iter : int or "auto"
        As a user gives it.
    stages : list of Stage
        From :func:`check_stages`.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    n_classes : int
        Number of classes.
    begun : bool, default=False
        Whether there are references already, which averages of a few labeled volumes would replace.

    Returns
    -------
    n_frozen : int
        With "auto", 0 if `begun`, else two and one more for each label that a class has on average
        beyond the first, at most eight, and at most half of the iterations before the last stage.
    """
    if not isinstance(n_frozen_iter, str):
        return int(n_frozen_iter)
    if begun:
        return 0
    annealed = sum(n_iter for *_, n_iter in stages[:-1] or stages)
    labels = np.count_nonzero(targets >= 0) / n_classes
    return min(_MOST_FROZEN, 1 + math.ceil(labels), max(annealed * 2 // 3, 1))


def shifts_along_axis(
    max_shift: float, box_size: int, n_shells: float, *, symmetric: bool = False
) -> int:
    """Return how many shifts along an axis a grid needs.

    Parameters
    ----------
    max_shift : float
        Largest shift along an axis, in voxels.
    box_size : int
        Edge of the volumes in voxels.
    n_shells : float
        Radius of the ball of frequencies, in cycles per box.
    symmetric : bool, default=False
        Whether a reference has a point group.

    Returns
    -------
    n_shifts : int
        Odd, so that no shift is among them; their distance is at most 0.6 periods of the highest
        frequency, or 0.3 if `symmetric`.
    """
    largest = _LARGEST_SYMMETRIC_STEP if symmetric else _LARGEST_SHIFT_STEP
    step = largest * box_size / n_shells
    return 1 + 2 * math.ceil(max_shift / step)


def check_class_prior(
    class_prior: Any, targets: NDArray[np.int64], classes: NDArray
) -> NDArray[np.float64] | None:
    """Return the proportion of each class, of sum 1; None where there is no constraint.

    Parameters
    ----------
    class_prior : {"estimated", "uniform", "labels"}, array-like of shape (n_classes,) or None
        As a user gives it. "estimated" gives the proportions to begin with, those of the labels,
        with half a label for classes without one.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    classes : ndarray of shape (n_classes,)
        For the message.

    Raises
    ------
    ValueError
        If a class has no positive proportion.
    """
    if class_prior is None:
        return None
    n_classes = len(classes)
    if isinstance(class_prior, str):
        counts = np.bincount(targets[targets >= 0], minlength=n_classes)
        start = {
            "estimated": np.maximum(counts, 0.5),
            "labels": counts,
            "uniform": np.ones(n_classes),
        }
        proportions = start[class_prior]
    else:
        try:
            proportions = np.asarray(class_prior, dtype=float)
        except (TypeError, ValueError):
            proportions = np.full(n_classes, np.nan)
    positive = np.isfinite(proportions) & (proportions > 0)
    if proportions.shape != (n_classes,) or not positive.all():
        without = ""
        if proportions.shape == (n_classes,):
            lacking = classes[~positive].tolist()[:10]
            without = f" {lacking} have none; 'estimated' needs no label of each class."
        raise ValueError(
            f"class_prior={reprlib.repr(class_prior)} must give each of the {n_classes} classes "
            f"{classes.tolist()[:10]} a positive share.{without}"
        )
    return proportions / proportions.sum()


def check_cubes(name: str, shape: tuple[int, int, int]) -> None:
    """Refuse boxes that cannot be turned; a row without a box counts as a line."""
    if shape[:2] != (1, 1) and (len(set(shape)) > 1 or shape[0] < 4):
        raise ValueError(
            f"{name} rotates volumes, so boxes must be cubes of at least 4 voxels a side; X has "
            f"volumes of shape {shape}. Crop or pad them."
        )


def all_coefficients(poses: Poses, volumes: Any, kinds: torch.Tensor | None = None) -> torch.Tensor:
    """Return coefficients of volumes that are read block by block.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Which coefficients.
    volumes : array-like of shape (n, d, h, w)
        In memory, or a lazy stack.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume, see :func:`expectation`.

    Returns
    -------
    coefficients : Tensor of shape (n, n_frequencies)
        0 where a volume measures nothing.
    """
    if poses.gains is not None:
        kinds = check_kinds(poses, kinds, len(volumes))
    # Not put together from blocks, which would take twice the memory.
    coefficients, start = None, 0
    for block in volume_blocks(volumes):
        own = poses.coefficients(block)
        if coefficients is None:
            coefficients = own.new_empty(len(volumes), own.shape[1])
        coefficients[start : start + len(own)] = own
        if poses.gains is not None and kinds is not None:
            measured = poses.gains.values[kinds[start : start + len(own)]] != 0
            coefficients[start : start + len(own)] *= measured
        start += len(own)
    assert coefficients is not None
    return coefficients


def volume_blocks(
    volumes: Any, rows: NDArray[np.intp] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield volumes in memory, a block at a time.

    Parameters
    ----------
    volumes : array-like of shape (n, d, h, w)
        In memory, or a lazy stack.
    rows : ndarray of int, optional
        Which; by default all.
    """
    for start in range(0, len(volumes) if rows is None else len(rows), _ROWS_PER_BLOCK):
        block = slice(start, start + _ROWS_PER_BLOCK)
        yield np.asarray(volumes[block if rows is None else rows[block]])


def stage_poses(
    stage: Stage,
    volume_shape: tuple[int, int, int],
    *,
    finest: float,
    max_shift: float,
    tilt_range_deg: Any,
    mask_radius: float | None,
    symmetric: bool = False,
    imaging: Imaging | None = None,
) -> Poses:
    """Return the grid of poses of a stage.

    Parameters
    ----------
    stage : (n_shells, angular_step_deg, n_shifts, n_iter)
        At most half the box is used of the shells.
    volume_shape : (int, int, int)
        A cube, or a line.
    finest : float
        Shells of the finest stage, which say how fine the maps are.
    max_shift, tilt_range_deg, mask_radius
        See :class:`PoseGrid`; lengths in voxels.
    symmetric : bool, default=False
        Whether a reference has a point group.
    imaging : Imaging, optional
        See :class:`PoseGrid`.
    """
    if volume_shape[:2] == (1, 1):
        return IdentityPose(volume_shape)
    box_size = volume_shape[0]
    n_shells, angular_step, n_shifts, _ = stage
    n_shells = min(n_shells, box_size // 2)
    if isinstance(n_shifts, str):
        n_shifts = shifts_along_axis(max_shift, box_size, n_shells, symmetric=symmetric)
    return PoseGrid(
        box_size,
        2 * min(math.ceil(finest), box_size // 2),
        n_shells=n_shells,
        rotations=rotation_grid(angular_step),
        shifts=shift_grid(max_shift, n_shifts if max_shift else 1),
        tilt_range_deg=tilt_range_deg,
        mask_radius=mask_radius,
        imaging=imaging,
    )
