"""From the parameters of classification by references, and its data, to grids of poses."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import IdentityPose, PoseGrid, Poses, shift_grid
from sksubtomo.geometry import rotation_grid

#: Shells, angular step in degrees, shifts along an axis, iterations.
Stage = tuple[float, float, int, int]

# Share of the power within the ball that white noise has to leave outside, at least.
_LEAST_BACKGROUND = 1e-3
# Volumes that are read and transformed at once.
_ROWS_PER_BLOCK = 64


def check_stages(stages: Any, n_frozen_iter: int) -> list[Stage]:
    """Return stages as tuples, coarse to fine."""
    try:
        table = np.asarray(stages, dtype=float)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 4 or not len(table):
        raise ValueError(
            f"stages={reprlib.repr(stages)} must be rows of four numbers, (n_shells, "
            "angular_step_deg, n_shifts, n_iter)."
        )
    for n_shells, step, n_shifts, n_iter in table.tolist():
        whole = n_shifts.is_integer() and n_iter.is_integer()
        if not (n_shells > 1 and 0 < step <= 180 and whole and n_shifts >= 1 and n_iter >= 1):
            raise ValueError(
                f"The stage {(n_shells, step, n_shifts, n_iter)} must have n_shells above 1, "
                "a step above 0 and at most 180 degrees, and whole n_shifts and n_iter from 1."
            )
    if (np.diff(table[:, 0]) < 0).any():
        raise ValueError(f"n_shells of the stages, {table[:, 0].tolist()}, must not fall.")
    if n_frozen_iter > table[:, 3].sum():
        raise ValueError(
            f"n_frozen_iter={n_frozen_iter}, but the stages have {int(table[:, 3].sum())} "
            "iterations in all."
        )
    return [(a, b, int(c), int(d)) for a, b, c, d in table.tolist()]


def check_class_prior(
    class_prior: Any, targets: NDArray[np.int64], classes: NDArray
) -> NDArray[np.float64] | None:
    """Return the proportion of each class, of sum 1; None where there is no constraint."""
    if class_prior is None:
        return None
    n_classes = len(classes)
    if isinstance(class_prior, str):
        counts = np.bincount(targets[targets >= 0], minlength=n_classes)
        proportions = counts if class_prior == "labels" else np.ones(n_classes)
    else:
        try:
            proportions = np.asarray(class_prior, dtype=float)
        except (TypeError, ValueError):
            proportions = np.full(n_classes, np.nan)
    positive = np.isfinite(proportions) & (proportions > 0)
    if proportions.shape != (n_classes,) or not positive.all():
        raise ValueError(
            f"class_prior={reprlib.repr(class_prior)} must give each of the {n_classes} classes "
            f"{classes.tolist()[:10]} a positive share."
        )
    return proportions / proportions.sum()


def check_cubes(name: str, shape: tuple[int, int, int]) -> None:
    """Refuse boxes that cannot be turned; a row without a box counts as a line."""
    if shape[:2] != (1, 1) and (len(set(shape)) > 1 or shape[0] < 4):
        raise ValueError(
            f"{name} rotates volumes, so boxes must be cubes of at least 4 voxels a side; X has "
            f"volumes of shape {shape}. Crop or pad them."
        )


def all_coefficients(poses: Poses, volumes: Any) -> torch.Tensor:
    """Return coefficients of volumes that are read block by block."""
    return torch.cat(list(_blocks(poses, volumes)))


def _blocks(poses: Poses, volumes: Any) -> Iterator[torch.Tensor]:
    for start in range(0, len(volumes), _ROWS_PER_BLOCK):
        yield poses.coefficients(np.asarray(volumes[start : start + _ROWS_PER_BLOCK]))


def stage_poses(
    stage: Stage,
    volume_shape: tuple[int, int, int],
    *,
    finest: float,
    max_shift: float,
    tilt_range_deg: Any,
    mask_radius: float | None,
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
    """
    if volume_shape[:2] == (1, 1):
        return IdentityPose(volume_shape)
    box_size = volume_shape[0]
    n_shells, angular_step, n_shifts, _ = stage
    return PoseGrid(
        box_size,
        2 * min(math.ceil(finest), box_size // 2),
        n_shells=min(n_shells, box_size // 2),
        rotations=rotation_grid(angular_step),
        shifts=shift_grid(max_shift, n_shifts if max_shift else 1),
        tilt_range_deg=tilt_range_deg,
        mask_radius=mask_radius,
    )


def background_power(poses: Poses, volumes: Any, tilt_range_deg: Any) -> float:
    """Return the power of real coefficients far beyond the ball of `poses`, or in the last shell.

    Far is the outer half of what is beyond, where there is little but noise.
    """
    whole = poses
    if isinstance(poses, PoseGrid):
        edge = 2 * (poses.box_size // 2)
        whole = PoseGrid(
            poses.box_size,
            edge,
            n_shells=edge // 2,
            rotations=Rotation.identity(1),
            shifts=np.zeros((1, 3)),
            tilt_range_deg=tilt_range_deg,
        )
    total = torch.zeros(len(whole.radii), dtype=torch.float64)
    for block in _blocks(whole, volumes):
        total += block.abs().double().square().sum(dim=0)
    beyond = whole.radii > (poses.radii.max() + whole.radii.max()) / 2
    if not beyond.any():
        beyond = whole.radii > whole.radii.max() - 1
    near = torch.from_numpy(whole.radii <= poses.radii.max())
    outside, inside = (float(total[where].mean()) for where in (torch.from_numpy(beyond), near))
    if isinstance(poses, PoseGrid) and outside <= _LEAST_BACKGROUND * inside:
        raise ValueError(
            f"X has next to no power beyond {poses.radii.max():.3g} cycles per box, where noise "
            "is measured: volumes seem to be low-pass filtered or denoised (or constant). Give "
            "unfiltered volumes, or set noise='shells'."
        )
    return outside / len(volumes) * len(whole.radii) / len(whole.shells)


def starting_rows(
    targets: NDArray[np.int64],
    initial_proba: NDArray[np.float64] | None,
    n_classes: int,
    rng: np.random.RandomState,
) -> NDArray[np.intp]:
    """Return a row for each class: a labelled one, else the most probable, else any other.

    Two classes do not begin as one row, since alike references would never part.
    """
    rows: list[int] = []
    for code in range(n_classes):
        own = np.flatnonzero(targets == code)
        if not len(own):
            hidden = np.flatnonzero(targets < 0)
            own = np.setdiff1d(hidden if len(hidden) > len(rows) else np.arange(len(targets)), rows)
            if initial_proba is not None and len(own):
                own = own[[initial_proba[own, code].argmax()]]
        rows.append(int(rng.choice(own if len(own) else len(targets))))
    return np.array(rows)
