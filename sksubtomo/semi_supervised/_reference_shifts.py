"""Whether particles are farther off the centers of their boxes than was searched."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment import (
    Expectation,
    MultiReferenceEM,
    PoseGrid,
    Stage,
    expectation,
    stage_poses,
)
from sksubtomo.exceptions import ImagingWarning
from sksubtomo.fourier import Imaging
from sksubtomo.semi_supervised._reference_checks import named_rows

#: The largest shift that "auto" begins with, in voxels.
FIRST_SHIFT = 2.0
# The largest that it goes on to, as a fraction of the box; a smaller step than this is none.
_LARGEST_FRACTION = 0.25
_LEAST_STEP = 0.5
# Shifts are looked for so much farther off, in voxels.
_WIDER = 2.0
# Labeled volumes whose shifts are looked at; how far beyond the largest one, in voxels, is clearly
# beyond, and the fraction of them for which that is no chance.
_MOST_SHIFTED = 30
_CLEAR_SHIFT = 1.5
_FRACTION_BEYOND = 0.2
_LEAST_BEYOND = 4
# Larger shifts have to be likelier by this for all of them, in natural logarithms: of volumes that
# are hardly more than noise, most are beyond, only because there are more poses.
_CLEAR_LOG = 10.0


class ShiftsBeyond(NamedTuple):
    """How many of the labeled volumes that were looked at lie beyond, and how far the farthest.

    ``classes``: indices of the classes that have such volumes. ``in_most_classes``: whether these
    are more than half of the labeled ones. Where particles are badly centered, all classes are; of
    gold beads and other junk, a class of its own lies anywhere.
    """

    n_beyond: int
    n_volumes: int
    farthest: float
    classes: NDArray[np.int64]
    in_most_classes: bool

    def told(self, searched: float, classes: NDArray) -> str:
        """Return the beginning of a warning."""
        return (
            f"{self.n_beyond} of {self.n_volumes} labeled volumes are more likely at shifts larger "
            f"than the {searched:g} voxels that were searched, up to about {self.farthest:g}. They "
            f"are of the classes {named_rows(classes[self.classes])}."
        )


def check_max_shift(max_shift_voxels: float | str, volume_shape: tuple[int, int, int]) -> None:
    """Refuse shifts beyond half of a cube, which are those of the opposite direction.

    Raises
    ------
    ValueError
        If they are.
    """
    most = volume_shape[0] / 2
    # A line of voxels has one pose.
    if isinstance(max_shift_voxels, str) or volume_shape[:2] == (1, 1) or max_shift_voxels <= most:
        return
    raise ValueError(
        f"max_shift_voxels={max_shift_voxels:g} is more than half of the box of {volume_shape[0]} "
        f"voxels: give at most {most:g}. If particles lie farther off, center the boxes on them."
    )


def first_shift(max_shift_voxels: float | str) -> float:
    """Return the largest shift to begin with, in voxels."""
    return FIRST_SHIFT if isinstance(max_shift_voxels, str) else float(max_shift_voxels)


def next_shift(max_shift: float, box_size: int) -> float | None:
    """Return the largest shift to go on with, twice as large; None at a quarter of the box."""
    larger = min(2 * max_shift, _LARGEST_FRACTION * box_size)
    return larger if larger >= max_shift + _LEAST_STEP else None


def shifts_beyond(
    estimator: Any,
    em: MultiReferenceEM,
    stages: list[Stage],
    max_shift: float,
    imaging: Imaging | None,
) -> ShiftsBeyond | None:
    """Return which labeled volumes are likelier farther off the center than was searched.

    Parameters
    ----------
    estimator : MultiReferenceClassifier
        Its parameters.
    em : MultiReferenceEM
        After its run.
    stages : list of Stage
        Those of the EM.
    max_shift : float
        Largest shift along an axis that was searched, in voxels.
    imaging : Imaging, optional
        Of the volumes.

    Returns
    -------
    found : ShiftsBeyond or None
        None where they are few, or hardly likelier, or volumes have no shifts.
    """
    grids = _searched_and_wider(estimator, em, stages, max_shift, imaging)
    if grids is None:
        return None
    own, wide = grids
    rows = np.flatnonzero(em.labeled.numpy() & np.isin(em.labels, em.owner))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_SHIFTED)).astype(int)]
    found = _compared(em, wide, rows)
    likeliest = found.log_evidence.argmax(dim=1, keepdim=True)
    shift = found.best.gather(1, likeliest)[:, 0].numpy() // len(wide.rotations)
    farthest = np.abs(wide.shifts[shift]).max(axis=1)
    beyond = farthest > max_shift + _CLEAR_SHIFT
    if beyond.sum() < _LEAST_BEYOND or beyond.mean() <= _FRACTION_BEYOND:
        return None
    gain = found.log_evidence.logsumexp(dim=1)
    gain = gain - _compared(em, own, rows).log_evidence.logsumexp(dim=1)
    if gain.double().sum() <= _CLEAR_LOG:
        return None
    known = em.known[torch.from_numpy(rows)].argmax(dim=1).numpy()
    labeled = np.unique(known)
    classes = [k for k in labeled if beyond[known == k].mean() > _FRACTION_BEYOND]
    return ShiftsBeyond(
        int(beyond.sum()),
        len(rows),
        float(farthest.max()),
        np.array(classes),
        in_most_classes=2 * len(classes) > len(labeled),
    )


def _searched_and_wider(
    estimator: Any,
    em: MultiReferenceEM,
    stages: list[Stage],
    largest: float,
    imaging: Imaging | None,
) -> tuple[PoseGrid, PoseGrid] | None:
    """Return poses of a stage, and with larger shifts; None if there are none."""
    finest = em.stages[-1][0]
    shifted = [k for k, (poses, _) in enumerate(em.stages) if len(poses.shifts) > 1]
    if not isinstance(finest, PoseGrid) or not shifted:
        return None
    # The stage before the last one tells shifts as clearly, in fewer poses.
    which = [k for k in shifted if k < len(stages) - 1] or shifted
    own, stage = em.stages[which[-1]][0], stages[which[-1]]
    assert isinstance(own, PoseGrid)
    step = 2 * largest / (round(len(own.shifts) ** (1 / 3)) - 1)
    n_steps = round(max(largest, _WIDER) / step) + round(largest / step)
    wide = stage_poses(
        (stage[0], stage[1], 2 * n_steps + 1, 1),
        estimator.volume_shape_,
        finest=finest.inner_size / 2,
        max_shift=n_steps * step,
        tilt_range_deg=estimator.tilt_range_deg,
        mask_radius=estimator.mask_radius_voxels,
        imaging=imaging,
    )
    assert isinstance(wide, PoseGrid)
    return own, wide


def _compared(em: MultiReferenceEM, poses: PoseGrid, rows: NDArray[np.intp]) -> Expectation:
    """Return the E step of labeled volumes with the references of their classes."""
    which = torch.from_numpy(rows)
    compared = torch.from_numpy(em.stages[-1][0].radii <= poses.radii.max())
    n_shells = int(poses.shells.max()) + 1
    return expectation(
        poses,
        em.coefficients[which][:, compared],
        em.maps,
        em.noise[:n_shells],
        variance=em.variance[:, :n_shells],
        pairs=(em.known[which] > 0)[:, em.owner],
        keep_poses=False,
        kinds=None if em.kinds is None else em.kinds[which],
        device=em.device,
    )


def warn_of_wider_search(
    found: ShiftsBeyond, searched: float, wider: float, classes: NDArray
) -> None:
    """Say that a fit is done again, with larger shifts."""
    warnings.warn(
        f"{found.told(searched, classes)} References are fitted again with shifts up to {wider:g} "
        "voxels (max_shift_voxels_), which takes longer. Center the boxes on the particles, or set "
        f"max_shift_voxels={wider:g} to skip the first fit.",
        ImagingWarning,
        stacklevel=2,
    )


def warn_of_shifts(
    found: ShiftsBeyond, searched: float, classes: NDArray, *, fits_memory: bool
) -> None:
    """Say that particles are farther off the center than was searched.

    Parameters
    ----------
    found : ShiftsBeyond
        What to tell.
    searched : float
        Largest shift that was searched, in voxels.
    classes : ndarray
        Labels of all classes.
    fits_memory : bool
        Whether there is memory for larger shifts.
    """
    if fits_memory:
        remedy = "set a larger max_shift_voxels"
    else:
        remedy = "bin the volumes: a search of larger shifts does not fit into memory"
    warnings.warn(
        f"{found.told(searched, classes)} Center the boxes on the particles, or {remedy}.",
        ImagingWarning,
        stacklevel=2,
    )
