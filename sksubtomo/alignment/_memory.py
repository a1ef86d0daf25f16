"""How much memory a fit of references will take, told before it is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sksubtomo._utils._memory import available_memory
from sksubtomo.alignment._agreement import MOST_ROWS_AT_ONCE
from sksubtomo.alignment._expectation import most_poses
from sksubtomo.alignment._stages import Stage, shifts_along_axis

# Rotations times the cube of the angular step in degrees, see rotation_grid.
_ROTATIONS = 1.39e7
# Bytes of a frequency in a rotation: of the interpolation, with what it is made of, and of what is
# kept of it from stage to stage; and of each reference. Measured.
_WHILE_MADE, _KEPT, _OF_REFERENCE = 200, 128, 45
# Of a frequency of a volume: complex, in a coarse stage once more, and its square. Measured.
_OF_COEFFICIENT = 22
# Of a probable pose; noise has as many as are kept, clear volumes a few.
_OF_POSE = 16
# Of a frequency in a shift.
_OF_PHASE = 24


class EstimatedMemory(NamedTuple):
    """Bytes that a fit takes at its peak, ``poses`` of references and ``volumes`` of the data."""

    poses: float
    volumes: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.poses + self.volumes


def estimated_memory(
    stages: Sequence[Stage],
    box_size: int,
    *,
    n_volumes: int,
    n_labeled: int,
    n_classes: int,
    n_references: int,
    max_shift: float,
) -> EstimatedMemory:
    """Return about how much memory a fit takes, beyond what the process has already.

    Parameters
    ----------
    stages : sequence of Stage
        From :func:`check_stages`.
    box_size : int
        Edge of the volumes in voxels.
    n_volumes, n_labeled : int
        How many there are, and how many have labels.
    n_classes, n_references : int
        Classes, and references of each.
    max_shift : float
        Largest shift along an axis in voxels.
    """
    # Each labeled volume that is left out has references of its own.
    n_maps = n_references * max(n_classes, min(n_labeled, MOST_ROWS_AT_ONCE))
    points = [_frequencies(stage, box_size) * _ROTATIONS / stage[1] ** 3 for stage in stages]
    phases = max(
        _frequencies(stage, box_size) * _shifts(stage, box_size, max_shift) for stage in stages
    )
    most = max(points)
    poses = (sum(points) - most) * _KEPT + most * (_WHILE_MADE + _OF_REFERENCE * n_maps)
    poses += phases * _OF_PHASE
    n_pairs = n_volumes * n_classes * n_references
    volumes = n_volumes * max(_frequencies(s, box_size) for s in stages) * _OF_COEFFICIENT
    volumes += n_pairs * most_poses(n_volumes, n_classes * n_references) * _OF_POSE
    return EstimatedMemory(poses, volumes)


def check_memory(name: str, *args: Any, **params: Any) -> None:
    """Refuse a fit that takes more memory than there is.

    Parameters
    ----------
    name : str
        Of the estimator.
    *args, **params
        See :func:`estimated_memory`.

    Raises
    ------
    MemoryError
        Saying what takes most of it, and what to lower.
    """
    available = available_memory()
    if available is None:
        return
    needed = estimated_memory(*args, **params)
    if needed.total <= available:
        return
    what = "references in all poses"
    remedy = (
        "Lower n_references or max_shift_voxels, or give annealing=Annealing(stages=...) with "
        "fewer shells or larger angular steps"
    )
    if needed.volumes > needed.poses:
        what = "coefficients of the volumes"
        remedy = (
            "Fit to fewer volumes, and predict the others, or give "
            "annealing=Annealing(stages=...) with fewer shells"
        )
    raise MemoryError(
        f"{name} needs about {needed.total / 1e9:.3g} GB of memory, most of it for "
        f"{what}, and {available / 1e9:.3g} GB are available. {remedy}."
    )


def _frequencies(stage: Stage, box_size: int) -> float:
    """Return about how many frequencies there are: those of half a ball, but for the wedge."""
    radius = min(stage[0], box_size / 2)
    return 2 / 3 * math.pi * radius**3 * 2 / 3


def _shifts(stage: Stage, box_size: int, max_shift: float) -> int:
    n_shells, _, n_shifts, _ = stage
    if isinstance(n_shifts, str):
        n_shifts = shifts_along_axis(max_shift, box_size, n_shells)
    return n_shifts**3
