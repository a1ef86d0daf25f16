"""From the parameters of a classifier by references to those of its EM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._settings import checked
from sksubtomo.alignment import (
    Annealing,
    ClassPrior,
    MultiReferenceEM,
    PoseGrid,
    Stage,
    check_class_prior,
    check_stages,
    check_symmetry,
    frozen_iterations,
    stage_poses,
)
from sksubtomo.semi_supervised._reference_checks import check_references_init

# Shifts are looked for so much farther off, in voxels.
_WIDER = 2.0

if TYPE_CHECKING:
    from sksubtomo.semi_supervised._multi_reference import MultiReferenceClassifier


def resolved_prior(class_prior: Any) -> ClassPrior:
    """Return what a user gives as class prior as checked settings."""
    given = class_prior if isinstance(class_prior, ClassPrior) else ClassPrior()
    prior = checked(given)
    return prior if given is class_prior else prior.set_params(proportions=class_prior)


def em_settings(
    clf: MultiReferenceClassifier,
    targets: NDArray[np.int64],
    classes: NDArray,
    annealing: Annealing,
    prior: ClassPrior,
) -> dict[str, Any]:
    """Return parameters of the EM that do not need the volumes; refuse those that are bad."""
    n_classes, perplexity = len(classes), annealing.class_perplexity
    structures = classes[classes != prior.background] if prior.background is not None else classes
    references = check_references_init(
        clf.references_init, structures, clf.n_references, clf.volume_shape_
    )
    begun = references is not None and clf.estimator is None
    proportions = prior.proportions
    estimated = isinstance(proportions, str) and proportions == "estimated"
    n_labels = np.bincount(targets[targets >= 0], minlength=n_classes)
    groups = check_symmetry(clf.symmetry, classes)
    return {
        "n_references": int(clf.n_references),
        "references": references,
        "background": None if prior.background is None else _index(classes, prior.background),
        # A line of voxels has one pose.
        "groups": None if clf.volume_shape_[:2] == (1, 1) else groups,
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


def wider_poses(
    clf: MultiReferenceClassifier, em: MultiReferenceEM, stages: list[Stage]
) -> PoseGrid | None:
    """Return the poses before the last stage, with twice the shifts; None if there are none."""
    (own, _), stage = em.stages[-2:][0], stages[-2:][0]
    if not isinstance(own, PoseGrid) or len(own.shifts) < 2:
        return None
    largest = float(clf.max_shift_voxels)
    step = 2 * largest / (round(len(own.shifts) ** (1 / 3)) - 1)
    n_steps = round(max(largest, _WIDER) / step) + round(largest / step)
    wide = stage_poses(
        (stage[0], stage[1], 2 * n_steps + 1, 1),
        clf.volume_shape_,
        finest=em.stages[-1][0].inner_size / 2,
        max_shift=n_steps * step,
        tilt_range_deg=clf.tilt_range_deg,
        mask_radius=clf.mask_radius_voxels,
    )
    assert isinstance(wide, PoseGrid)
    return wide
