"""What a fit of references learns from a classifier, and what it warns of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sksubtomo._utils._labels import check_enough_classes, encode_labels, is_text, is_unlabeled
from sksubtomo._utils._progress import Progress
from sksubtomo.alignment import (
    LabelCheck,
    MultiReferenceEM,
    PoseGrid,
    Stage,
    TiltGeometry,
    expectation,
    leave_one_out,
    likelier_geometry,
    likelier_inverted,
)
from sksubtomo.exceptions import ImagingWarning, InvertedContrastWarning, LabelAgreementWarning

# Agreement with the labels below which a fit is doubtful.
_LEAST_AGREEMENT = 0.95
# Labeled volumes whose power spectrum is looked at.
_MOST_IMAGED = 100
# Labeled volumes whose shifts are looked at; how far beyond the largest one, in voxels, is clearly
# beyond, and the fraction of them for which that is no chance.
_MOST_SHIFTED = 30
_CLEAR_SHIFT = 1.5
_FRACTION_BEYOND = 0.2
_LEAST_BEYOND = 4
# Rows that a message names.
_MOST_NAMED = 10
# A class with fewer volumes has median and spread of all; so many count for it in any case.
_LEAST_FOR_SPREAD = 5
_COMMON_VOLUMES = 10
# Of a normal distribution, the standard deviation over the median absolute deviation.
_DEVIATION = 1.4826


def encode_targets(
    name: str, y: Any, given_classes: Any, n_samples: int, background: int | str | None = None
) -> tuple[NDArray[np.int64], NDArray]:
    """Return class indices, -1 where unlabeled, and classes; refuse `y` of another length.

    Parameters
    ----------
    name : str
        The estimator, for messages.
    y, given_classes : array-like
        As a user gives them.
    n_samples : int
        Volumes.
    background : int or str, optional
        A class that may lack labels.

    Raises
    ------
    ValueError
        If no other class is labeled, there is one class only, or the background is no label like
        the others.
    """
    targets, classes = encode_labels(y, given_classes)
    check_consistent_length(np.empty(n_samples), targets)
    if background is not None and len(classes):
        own = np.asarray([background])
        like_others = is_text(own) == is_text(classes) and not isinstance(background, bool)
        if not like_others or is_unlabeled(own).any():
            raise ValueError(
                f"background={background!r} of class_prior must be a label like the others, "
                f"{classes.tolist()[:_MOST_NAMED]}, and none that means 'unlabeled'."
            )
        targets, classes = encode_labels(y, np.append(classes, own))
        if not (targets >= 0)[classes[targets] != background].any():
            raise ValueError(
                f"{name} needs labels of a class besides the background, {background!r}, which has "
                "no reference."
            )
    check_enough_classes(name, targets, classes)
    return targets, classes


def fit_initial_proba(
    estimator: Any, X: Any, y: Any, classes: NDArray, params: Mapping[str, Any]
) -> tuple[Any, NDArray[np.float64] | None]:
    """Fit a classifier; return it with its probabilities in the order of the classes.

    Raises
    ------
    ValueError
        If it knows classes that are not among those of the labels.
    """
    if estimator is None:
        return None, None
    if isinstance(estimator, FrozenEstimator):
        check_is_fitted(estimator)
        fitted = estimator
    else:
        fitted = clone(estimator).fit(X, y, **params)
    known = fitted.classes_
    unknown = known if is_text(known) != is_text(classes) else np.setdiff1d(known, classes)
    if len(unknown):
        raise ValueError(
            f"estimator knows the classes {unknown.tolist()}, which are not among "
            f"{classes.tolist()}. It has to take -1 in y for 'unlabeled'; an ordinary "
            "classifier does so within SelfTrainingClassifier."
        )
    given = fitted.predict_proba(X)
    probabilities = np.zeros((len(given), len(classes)))
    probabilities[:, np.searchsorted(classes, known)] = given
    return fitted, probabilities


def check_references_init(
    references_init: Any,
    classes: NDArray,
    n_references: int,
    volume_shape: tuple[int, int, int],
) -> NDArray[np.float32] | None:
    """Return starting references in the order of the classes.

    Parameters
    ----------
    references_init : array-like, mapping or None
        As a user gives it.
    classes : ndarray of shape (n_classes,)
        All classes.
    n_references : int
        References of each.
    volume_shape : (int, int, int)
        Their shape.

    Returns
    -------
    references : ndarray of shape (n_classes * n_references, d, d, d) or None

    Raises
    ------
    ValueError
        If a class has no references, or another number or shape of them; if a key is no class, or
        a value is not finite.
    """
    if references_init is None:
        return None
    if isinstance(references_init, Mapping):
        given = {str(name): value for name, value in references_init.items()}
        names = [str(name) for name in classes.tolist()]
        unknown, missing = (
            [k for k in given if k not in names],
            [k for k in names if k not in given],
        )
        if unknown or missing:
            raise ValueError(
                f"references_init must have a reference for each of the classes {names[:10]}; "
                f"missing: {missing[:10]}, of no class: {unknown[:10]}."
            )
        parts = [_as_references(given[k], volume_shape, n_references, f"[{k!r}]") for k in names]
        return np.concatenate(parts)
    return _as_references(references_init, volume_shape, len(classes) * n_references, "")


def _as_references(
    value: Any, volume_shape: tuple[int, int, int], n_maps: int, where: str
) -> NDArray[np.float32]:
    try:
        array = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        array = np.empty(0, np.float32)
    if n_maps == 1 and array.shape == volume_shape:
        array = array[np.newaxis]
    if array.shape != (n_maps, *volume_shape):
        raise ValueError(
            f"references_init{where} has the shape {array.shape}, but X needs "
            f"{(n_maps, *volume_shape)}: {n_maps} map(s) in boxes of the volumes' shape. Crop or "
            "resample maps to the box and the voxel size of the volumes."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"references_init{where} has values that are NaN or infinite.")
    return array


def score_moments(
    scores: NDArray[np.float64], targets: NDArray[np.int64], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and spread of scores in every class.

    The spread is that of the median absolute deviation, which volumes of no class hardly change.
    That within all classes counts as ten more volumes of each.
    """
    location = np.full(n_classes, np.median(scores))
    large = [k for k in range(n_classes) if np.sum(targets == k) >= _LEAST_FOR_SPREAD]
    for k in large:
        location[k] = np.median(scores[targets == k])
    within = scores - location[targets]
    common = _spread(within)
    scale = np.full(n_classes, common)
    for k in large:
        own = within[targets == k]
        squares = len(own) * _spread(own) ** 2 + _COMMON_VOLUMES * common**2
        scale[k] = np.sqrt(squares / (len(own) + _COMMON_VOLUMES))
    return location, np.where(scale > 0, scale, 1.0)


def _spread(deviations: NDArray[np.float64]) -> float:
    return float(_DEVIATION * np.median(np.abs(deviations)))


def check_imaging(volumes: Any, targets: NDArray[np.int64], tilt_range_deg: Any) -> None:
    """Warn if the labeled volumes have their missing wedge elsewhere; lines have none."""
    if volumes.shape[1:3] == (1, 1):
        return
    rows = np.flatnonzero(targets >= 0)[:_MOST_IMAGED]
    warn_of_geometry(*likelier_geometry(np.asarray(volumes[rows]), tilt_range_deg))


def warn_of_geometry(stated: TiltGeometry, likelier: TiltGeometry | None) -> None:
    """Warn if another tilt axis or range is likelier than the stated one."""
    if likelier is None:
        return
    low, high = likelier.tilt_range_deg
    if likelier[:2] == stated[:2] and low >= stated.tilt_range_deg[0]:
        given = stated.tilt_range_deg
        warnings.warn(
            f"The labeled volumes have next to no power at tilts below {low:.0f} and above "
            f"{high:.0f} degrees, although tilt_range_deg says ({given[0]:g}, {given[1]:g}). Set "
            f"it to the tilts that were measured, which are about ({low:.0f}, {high:.0f}).",
            ImagingWarning,
            stacklevel=2,
        )
        return
    warnings.warn(
        f"The labeled volumes have {stated.missing_power:.2f} times the power within the missing "
        "wedge (tilt axis y, beam z) that they have outside, where there should be next to none. "
        f"With tilt axis {likelier.tilt_axis}, beam {likelier.beam} and tilts from {low:g} to "
        f"{high:g} degrees it is {likelier.missing_power:.2f}, which is likelier. Rotate the "
        "volumes so that the tilt axis is y and the beam z (np.rot90(X, axes=(2, 3)) exchanges y "
        "and x), or correct tilt_range_deg.",
        ImagingWarning,
        stacklevel=2,
    )


def warn_of_inverted_references(targets: NDArray[np.int64], em: MultiReferenceEM) -> None:
    """Warn if labeled volumes are likelier with given references inverted; before iterations."""
    coarse, finest = em.stages[0][0], em.stages[-1][0]
    data = em.coefficients[:, torch.from_numpy(finest.radii <= coarse.radii.max())]
    owner = em.owner.numpy()
    if likelier_inverted(coarse, data, targets, em.maps, owner, em.noise, em.device):
        warnings.warn(
            "The labeled volumes are clearly likelier with references_init of inverted contrast. "
            "Multiply the maps by -1: particles are dark in volumes whose contrast was not "
            "inverted, and bright in density maps.",
            ImagingWarning,
            stacklevel=2,
        )


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


def warn_of_labels(
    check: LabelCheck, agrees: NDArray[np.bool_], classes: NDArray, targets: NDArray[np.int64]
) -> None:
    """Warn if references contradict the labels, or like some volumes better inverted."""
    inverted = check.rows[check.inverted]
    if len(inverted) > 1 or len(inverted) == len(check.rows) > 0:
        warnings.warn(
            f"{len(inverted)} of {len(check.rows)} labeled volumes, rows "
            f"{_named(inverted)}, are likelier with inverted contrast. All volumes must have the "
            "same sign of contrast: multiply those by -1, and unlabeled ones of the same origin.",
            InvertedContrastWarning,
            stacklevel=2,
        )
    if not len(agrees) or agrees.mean() >= _LEAST_AGREEMENT:
        return
    wrong = check.rows[~agrees]
    concerned = classes[np.unique(targets[wrong])]
    warnings.warn(
        f"References agree with {agrees.mean():.2f} of the labels that were left out of them "
        f"(label_agreement_), below {_LEAST_AGREEMENT}: classes may be mixed, or labels wrong. "
        f"Check the labels of the rows {_named(wrong)}, label more volumes of the classes "
        f"{_named(concerned)}, or try more initializations (n_init).",
        LabelAgreementWarning,
        stacklevel=2,
    )


def _named(values: NDArray) -> str:
    more = f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else ""
    return f"{values[:_MOST_NAMED].tolist()}{more}"


def best_initialization(
    initialize: Callable[..., MultiReferenceEM],
    n_init: int,
    check_start: Callable[[MultiReferenceEM], None] | None = None,
) -> tuple[MultiReferenceEM, LabelCheck]:
    """Run initializations; return the one that agrees best with the labels, and its check.

    All but the first hold half of the unlabeled volumes back; the first is checked before it runs.
    """
    best = None
    for number in range(n_init):
        em = initialize(held_back_fraction=0.5 if number else 0.0)
        if check_start is not None and not number:
            check_start(em)
        em.run()
        check = leave_one_out(em, em.stages[-1][0], em.coefficients)
        quality = fit_quality(em, check)
        if best is None or quality > best[0]:
            best = quality, em, check
    assert best is not None
    return best[1:]


def fit_quality(em: MultiReferenceEM, check: LabelCheck) -> tuple[float, float]:
    """Return what initializations are compared by: agreement with labels, then likelihood.

    The likelihood alone prefers a frequent class that is split over two references.
    """
    agrees = em.known.argmax(dim=1).numpy()[check.rows] == check.predicted
    return float(agrees.mean()) if len(agrees) else 0.0, em.log_likelihood


def fit_progress(stages: list[Stage], n_init: int, *, shown: bool) -> Progress:
    """Return the bar of a fit."""
    n_iter = n_init * sum(n for *_, n in stages)
    return Progress("Fitting references", n_iter, "iteration", shown=shown)


def reporter(bar: Progress) -> Callable[[dict[str, Any]], None]:
    """Return a function that shows an entry of the history as the next step of a bar."""

    def report(entry: dict[str, Any]) -> None:
        figures = {
            "log-likelihood": f"{entry['log_likelihood']:.4g}",
            "changed": f"{100 * entry['changed']:.2g} %",
        }
        bar.update(1, figures)

    return report
