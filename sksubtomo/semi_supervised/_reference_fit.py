"""From checked volumes and labels to fitted references."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo._torch import holding_precision
from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo.alignment import (
    LabelCheck,
    MultiReferenceEM,
    Stage,
    all_coefficients,
    initialized_em,
    measure_noise,
    root_mean_square,
)
from sksubtomo.fourier import Imaging
from sksubtomo.semi_supervised._em_record import EMRecord
from sksubtomo.semi_supervised._reference_checks import (
    best_initialization,
    fit_progress,
    reporter,
)
from sksubtomo.semi_supervised._reference_contrast import (
    contrast_of_references,
    fit_of_one_contrast,
)
from sksubtomo.semi_supervised._reference_settings import poses_of_stages
from sksubtomo.semi_supervised._reference_shifts import warn_of_shifts, wider_poses


class FitData(NamedTuple):
    """What references are fitted to, and how.

    ``targets`` (n,): class indices, -1 where unlabeled. ``stages``: of the annealing, checked.
    ``settings``: of :class:`.MultiReferenceEM`, by name.
    """

    volumes: Any
    targets: NDArray[np.int64]
    n_classes: int
    stages: list[Stage]
    settings: dict[str, Any]
    imaging: Imaging | None
    device: str


class FittedReferences(NamedTuple):
    """An EM that has ended, how labels agree with it, and what volumes were multiplied by.

    ``contrast`` (n,): the sign of each volume. ``scale``: what volumes were divided by.
    ``inner``: the estimator that it began with, fitted, or None.
    """

    em: MultiReferenceEM
    check: LabelCheck
    contrast: NDArray
    scale: float
    inner: Any


def fit_references(
    estimator: Any,
    data: FitData,
    begin: Callable[[], tuple[Any, NDArray[np.float64] | None]],
    rng: np.random.RandomState,
    checkpoint: CheckpointPart | None,
) -> FittedReferences:
    """Fit references, of several initializations the best.

    Parameters
    ----------
    estimator : MultiReferenceClassifier
        Its parameters.
    data : FitData
        All that is fitted to.
    begin : callable
        Fits the estimator that it begins with, once the volumes are known to be sound. Returns it,
        and its probabilities of shape (n, n_classes); None and None without one.
    rng : RandomState
        What initializations draw from.
    checkpoint : CheckpointPart or None
        Where to keep the state.

    Warns
    -----
    ImagingWarning
        If the contrast of volumes is mixed, or shifts are larger than those searched.
    """
    kinds = None if data.imaging is None else torch.from_numpy(data.imaging.index)
    poses = poses_of_stages(estimator, data.stages, data.settings["groups"], data.imaging)
    coefficients = all_coefficients(poses[-1], data.volumes, kinds)
    scale = root_mean_square(coefficients) or 1.0
    noise = measure_noise(
        poses[-1],
        data.volumes,
        estimator.noise,
        estimator.tilt_range_deg,
        estimator.mask_radius_voxels,
        data.imaging,
    )
    inner, initial_proba = begin()
    coefficients /= scale
    initialize = partial(
        initialized_em,
        [(grid, n_iter) for grid, (*_, n_iter) in zip(poses, data.stages, strict=True)],
        coefficients,
        data.targets,
        n_classes=data.n_classes,
        rng=rng,
        noise=torch.from_numpy(noise / scale**2).float(),
        initial_proba=initial_proba,
        kinds=kinds,
        device=data.device,
        **data.settings,
    )
    n_init = estimator.n_init if (data.targets < 0).any() else 1
    begun = data.settings["references"] is not None
    start = partial(contrast_of_references, data.targets) if begun else None

    def fit(*, again: bool = False) -> tuple[MultiReferenceEM, LabelCheck]:
        with fit_progress(data.stages, n_init, shown=bool(estimator.verbose)) as bar:
            made = partial(initialize, report=reporter(bar), mixed_contrast=again)
            # Done again, a fit is the same, so that it need not be kept.
            kept = None if again else checkpoint
            record = None if kept is None else EMRecord(kept, rng, bar.update)
            return best_initialization(made, n_init, start, record)

    with keeping_freed_memory(), holding_precision("float32", data.device):
        em, check, contrast = fit_of_one_contrast(fit, coefficients)
        wide = wider_poses(estimator, em, data.stages, data.imaging)
        warn_of_shifts(em, wide, float(estimator.max_shift_voxels))
    return FittedReferences(em, check, contrast, scale, inner)
