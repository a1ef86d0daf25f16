"""From the parameters of classification by references to those of its EM, and to a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sklearn.utils import check_random_state

from sksubtomo._torch import resolve_device
from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._fingerprints import fingerprint, fit_fingerprints
from sksubtomo._utils._settings import checked
from sksubtomo.alignment import (
    Annealing,
    ClassPrior,
    Poses,
    Stage,
    check_class_prior,
    check_stages,
    check_symmetry,
    frozen_iterations,
    stage_poses,
)
from sksubtomo.fourier import Imaging
from sksubtomo.semi_supervised._reference_checks import check_references_init

#: Parameters without an effect, and those that are described otherwise.
_LEFT_OUT = ("verbose", "device", "annealing")
# Initializations where a class has so few labels, and another one so many times as many.
_N_UNEVEN, _FEW_LABELS, _UNEVEN = 3, 2, 3


def resolved_prior(class_prior: Any) -> ClassPrior:
    """Return what a user gives as class prior as checked settings."""
    given = class_prior if isinstance(class_prior, ClassPrior) else ClassPrior()
    prior = checked(given)
    return prior if given is class_prior else prior.set_params(proportions=class_prior)


def em_settings(
    estimator: Any,
    targets: NDArray[np.int64],
    classes: NDArray,
    annealing: Annealing,
    prior: ClassPrior,
) -> dict[str, Any]:
    """Return parameters of the EM that do not need the volumes; refuse those that are bad."""
    n_classes, perplexity = len(classes), annealing.class_perplexity
    structures = classes[classes != prior.background] if prior.background is not None else classes
    references = check_references_init(
        estimator.references_init, structures, estimator.n_references, estimator.volume_shape_
    )
    begun = references is not None and estimator.estimator is None
    proportions = prior.proportions
    estimated = isinstance(proportions, str) and proportions == "estimated"
    n_labels = np.bincount(targets[targets >= 0], minlength=n_classes)
    if isinstance(estimator.symmetry, Mapping) and prior.background in estimator.symmetry:
        raise ValueError(
            f"symmetry names {prior.background!r}, the background of class_prior, which has no "
            "reference."
        )
    groups = check_symmetry(estimator.symmetry, classes)
    return {
        "n_references": int(estimator.n_references),
        "references": references,
        "background": None if prior.background is None else _index(classes, prior.background),
        # A line of voxels has one pose.
        "groups": None if estimator.volume_shape_[:2] == (1, 1) else groups,
        "prior": check_class_prior(proportions, targets, classes),
        "pseudo_counts": np.maximum(n_labels, 0.5) if estimated else None,
        "perplexity": n_classes ** (2 / 3) if perplexity is None else float(perplexity),
        "n_frozen": frozen_iterations(
            annealing.n_frozen_iter,
            check_stages(annealing.stages, annealing.n_frozen_iter),
            targets,
            n_classes,
            begun=begun,
        ),
    }


def _index(classes: NDArray, label: Any) -> int:
    return int(np.flatnonzero(classes == label)[0])


def n_initializations(
    n_init: int | str,
    targets: NDArray[np.int64],
    *,
    begun: bool,
    background: int | None = None,
) -> int:
    """Return how many initializations to compare.

    A reference of one or two labeled volumes, beside classes of many more, often begins with
    volumes of another class and keeps them, which a less likely fit shows.

    Parameters
    ----------
    n_init : int or "auto"
        As a user gives it.
    targets : ndarray of shape (n,)
        Class indices, -1 where unlabeled.
    begun : bool
        Whether references are given, so that all initializations begin alike.
    background : int, optional
        A class that has no reference, whose labels do not count.

    Returns
    -------
    n_init : int
        One where all volumes are labeled; with "auto", three where a class has one or two labels
        and another one at least three times as many.
    """
    if not (targets < 0).any():
        return 1
    if not isinstance(n_init, str):
        return int(n_init)
    counts = np.bincount(targets[(targets >= 0) & (targets != background)])
    fewest = counts[counts > 0].min()
    uneven = fewest <= _FEW_LABELS and counts.max() >= _UNEVEN * fewest
    return _N_UNEVEN if uneven and not begun else 1


def poses_of_stages(
    estimator: Any,
    stages: list[Stage],
    groups: list[Rotation] | None,
    max_shift: float,
    imaging: Imaging | None = None,
) -> list[Poses]:
    """Return the grids of poses of all stages, for maps as fine as the finest asks for."""
    given = {
        "finest": max(n_shells for n_shells, *_ in stages),
        "max_shift": max_shift,
        "tilt_range_deg": estimator.tilt_range_deg,
        "mask_radius": estimator.mask_radius_voxels,
        "imaging": imaging,
        "symmetric": groups is not None and any(len(group) > 1 for group in groups),
    }
    return [stage_poses(stage, estimator.volume_shape_, **given) for stage in stages]


def begin_checkpoint(
    checkpoint: CheckpointPart | None,
    estimator: Any,
    volumes: Any,
    targets: NDArray[np.int64],
    classes: NDArray,
    imaging: Imaging | None = None,
) -> None:
    """Compare a fit with the one that a checkpoint is of; begin a new one.

    Raises
    ------
    ValueError
        If it is another fit.
    """
    if checkpoint is None or not checkpoint.needs_fingerprints:
        return
    annealing = Annealing() if estimator.annealing is None else estimator.annealing
    checkpoint.begin(
        {
            **fit_fingerprints(estimator, volumes, targets, classes, _LEFT_OUT),
            **{f"annealing__{k}": fingerprint(v) for k, v in annealing.get_params().items()},
            "device": resolve_device(estimator.device, needs_float64=True),
            **({} if imaging is None else {"imaging": fingerprint(imaging.description)}),
        }
    )


def stream_of(random_state: Any, checkpoint: CheckpointPart | None) -> np.random.RandomState:
    """Return what a fit draws from; with a checkpoint never NumPy's own, whose state is everyone's.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        As a user gives it.
    checkpoint : CheckpointPart or None
        That of the fit.
    """
    if random_state is None and checkpoint is not None:
        return np.random.RandomState()
    return check_random_state(random_state)
