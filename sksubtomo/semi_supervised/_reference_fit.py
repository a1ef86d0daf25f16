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
    Poses,
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
    check_fit_memory,
    fit_progress,
    reporter,
)
from sksubtomo.semi_supervised._reference_contrast import (
    contrast_of_references,
    fit_of_one_contrast,
)
from sksubtomo.semi_supervised._reference_settings import n_initializations, poses_of_stages
from sksubtomo.semi_supervised._reference_shifts import (
    ShiftsBeyond,
    first_shift,
    next_shift,
    shifts_beyond,
    warn_of_shifts,
    warn_of_wider_search,
)


class FitData(NamedTuple):
    """What references are fitted to, and how.

    ``targets`` (n,): class indices, -1 where unlabeled. ``classes``: labels of the classes, the
    background's, too. ``stages``: of the annealing, checked.
    ``settings``: of :class:`.MultiReferenceEM`, by name.
    """

    volumes: Any
    targets: NDArray[np.int64]
    classes: NDArray
    stages: list[Stage]
    settings: dict[str, Any]
    imaging: Imaging | None
    device: str


class FittedReferences(NamedTuple):
    """An EM that has ended, how labels agree with it, and what volumes were multiplied by.

    ``contrast`` (n,): the sign of each volume. ``max_shift``: the largest that was searched, in
    voxels. ``scale``: what volumes were divided by. ``inner``: the estimator that it began with,
    fitted, or None.
    """

    em: MultiReferenceEM
    check: LabelCheck
    contrast: NDArray
    max_shift: float
    scale: float
    inner: Any


def fit_references(
    estimator: Any,
    data: FitData,
    begin: Callable[[], tuple[Any, NDArray[np.float64] | None]],
    rng: np.random.RandomState,
    checkpoint: CheckpointPart | None,
) -> FittedReferences:
    """Fit references, of several initializations the best; again if particles are farther off.

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
        If the contrast of volumes is mixed, or shifts are larger than those searched first.
    """
    max_shift = first_shift(estimator.max_shift_voxels)
    poses = _poses(estimator, data, max_shift)
    measured = _measure(estimator, data, poses[-1], begin)
    with keeping_freed_memory(), holding_precision("float32", data.device):
        while True:
            em, check, contrast = _fit_in(poses, estimator, data, measured, rng, checkpoint)
            found = shifts_beyond(estimator, em, data.stages, max_shift, data.imaging)
            if found is None:
                break
            wider, fits_memory = _wider_shift(estimator, data, max_shift, found)
            if wider is None:
                warn_of_shifts(found, max_shift, data.classes, fits_memory=fits_memory)
                break
            warn_of_wider_search(found, max_shift, wider, data.classes)
            # Signs that were found with too small shifts are no sound ones.
            first = em.contrast * torch.from_numpy(contrast)
            measured.coefficients.mul_(first[:, np.newaxis])
            max_shift, poses = wider, _poses(estimator, data, wider)
            if checkpoint is not None:
                checkpoint = checkpoint.part(f"max_shift_voxels {wider:g}")
    return FittedReferences(em, check, contrast, max_shift, measured.scale, measured.inner)


class _Measured(NamedTuple):
    """Coefficients of all volumes over their scale, the kind of each, and their noise.

    ``inner`` and ``initial_proba``: what it begins with, if anything.
    """

    coefficients: torch.Tensor
    kinds: torch.Tensor | None
    noise: torch.Tensor
    scale: float
    inner: Any
    initial_proba: NDArray[np.float64] | None


def _poses(estimator: Any, data: FitData, max_shift: float) -> list[Poses]:
    groups = data.settings["groups"]
    return poses_of_stages(estimator, data.stages, groups, max_shift, data.imaging)


def _wider_shift(
    estimator: Any, data: FitData, max_shift: float, found: ShiftsBeyond
) -> tuple[float | None, bool]:
    """Return the largest shift to search next, if any, and whether there is memory for it."""
    if not isinstance(estimator.max_shift_voxels, str) or not found.in_most_classes:
        return None, True
    wider = next_shift(max_shift, estimator.volume_shape_[0])
    if wider is not None:
        try:
            check_fit_memory(estimator, data.stages, data.targets, len(data.classes), wider)
        except MemoryError:
            return None, False
    return wider, True


def _measure(
    estimator: Any,
    data: FitData,
    finest: Poses,
    begin: Callable[[], tuple[Any, NDArray[np.float64] | None]],
) -> _Measured:
    """Read all volumes, and fit what references begin with."""
    kinds = None if data.imaging is None else torch.from_numpy(data.imaging.index)
    coefficients = all_coefficients(finest, data.volumes, kinds)
    scale = root_mean_square(coefficients) or 1.0
    noise = measure_noise(
        finest,
        data.volumes,
        estimator.noise,
        estimator.tilt_range_deg,
        estimator.mask_radius_voxels,
        data.imaging,
    )
    inner, initial_proba = begin()
    coefficients /= scale
    noise_power = torch.from_numpy(noise / scale**2).float()
    return _Measured(coefficients, kinds, noise_power, scale, inner, initial_proba)


def _fit_in(
    poses: list[Poses],
    estimator: Any,
    data: FitData,
    measured: _Measured,
    rng: np.random.RandomState,
    checkpoint: CheckpointPart | None,
) -> tuple[MultiReferenceEM, LabelCheck, NDArray[np.int8]]:
    """Fit references in the poses of all stages; see :func:`fit_of_one_contrast`."""
    initialize = partial(
        initialized_em,
        [(grid, n_iter) for grid, (*_, n_iter) in zip(poses, data.stages, strict=True)],
        measured.coefficients,
        data.targets,
        n_classes=len(data.classes),
        rng=rng,
        noise=measured.noise,
        initial_proba=measured.initial_proba,
        kinds=measured.kinds,
        device=data.device,
        **data.settings,
    )
    begun = data.settings["references"] is not None
    background = data.settings["background"]
    n_init = n_initializations(estimator.n_init, data.targets, begun=begun, background=background)
    start = partial(contrast_of_references, data.targets) if begun else None

    def fit(*, again: bool = False) -> tuple[MultiReferenceEM, LabelCheck]:
        with fit_progress(data.stages, n_init, shown=bool(estimator.verbose)) as bar:
            made = partial(initialize, report=reporter(bar), mixed_contrast=again)
            # Done again, a fit is the same, so that it need not be kept.
            kept = None if again else checkpoint
            record = None if kept is None else EMRecord(kept, rng, bar.update)
            return best_initialization(made, n_init, start, record)

    if estimator._has_one_contrast:
        em, check = fit()
        return em, check, np.ones(len(measured.coefficients), np.int8)
    return fit_of_one_contrast(fit, measured.coefficients)
