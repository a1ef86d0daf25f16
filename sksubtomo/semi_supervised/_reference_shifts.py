"""Whether particles are farther off the centers of their boxes than was searched."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from sksubtomo.alignment import MultiReferenceEM, PoseGrid, Stage, expectation, stage_poses
from sksubtomo.exceptions import ImagingWarning
from sksubtomo.fourier import Imaging

# Shifts are looked for so much farther off, in voxels.
_WIDER = 2.0
# Labeled volumes whose shifts are looked at; how far beyond the largest one, in voxels, is clearly
# beyond, and the fraction of them for which that is no chance.
_MOST_SHIFTED = 30
_CLEAR_SHIFT = 1.5
_FRACTION_BEYOND = 0.2
_LEAST_BEYOND = 4


def wider_poses(
    estimator: Any, em: MultiReferenceEM, stages: list[Stage], imaging: Imaging | None
) -> PoseGrid | None:
    """Return the poses before the last stage, with twice the shifts; None if there are none."""
    (own, _), stage, finest = em.stages[-2:][0], stages[-2:][0], em.stages[-1][0]
    if not (isinstance(own, PoseGrid) and isinstance(finest, PoseGrid)) or len(own.shifts) < 2:
        return None
    largest = float(estimator.max_shift_voxels)
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
    return wide


def warn_of_shifts(em: MultiReferenceEM, wide: PoseGrid | None, max_shift: float) -> None:
    """Warn if many labeled volumes are likelier farther off the center than was searched.

    Parameters
    ----------
    em : MultiReferenceEM
        After its run.
    wide : PoseGrid or None
        With larger shifts, at the resolution of a stage; None is not to look.
    max_shift : float
        Largest shift along an axis that was searched, in voxels.
    """
    if wide is None:
        return
    rows = np.flatnonzero(em.labeled.numpy() & np.isin(em.labels, em.owner))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_SHIFTED)).astype(int)]
    compared = torch.from_numpy(em.stages[-1][0].radii <= wide.radii.max())
    n_shells = int(wide.shells.max()) + 1
    found = expectation(
        wide,
        em.coefficients[torch.from_numpy(rows)][:, compared],
        em.maps,
        em.noise[:n_shells],
        variance=em.variance[:, :n_shells],
        pairs=(em.known[rows] > 0)[:, em.owner],
        keep_poses=False,
        kinds=None if em.kinds is None else em.kinds[torch.from_numpy(rows)],
        device=em.device,
    )
    likeliest = found.log_evidence.argmax(dim=1, keepdim=True)
    shift = found.best.gather(1, likeliest)[:, 0].numpy() // len(wide.rotations)
    farthest = np.abs(wide.shifts[shift]).max(axis=1)
    beyond = farthest > max_shift + _CLEAR_SHIFT
    if beyond.sum() >= _LEAST_BEYOND and beyond.mean() > _FRACTION_BEYOND:
        warnings.warn(
            f"{beyond.sum()} of {len(rows)} labeled volumes are likelier farther off the center of "
            f"their boxes than max_shift_voxels={max_shift:g}, up to about {farthest.max():g} "
            "voxels. Center the boxes on the particles, or raise max_shift_voxels.",
            ImagingWarning,
            stacklevel=2,
        )
