"""What a fit of references checks, what it learns from a classifier, and which fit is the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sksubtomo._utils._answers import check_probabilities
from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._fingerprints import array_fingerprint
from sksubtomo._utils._fit_with_part import fit_with_part
from sksubtomo._utils._labels import (
    check_enough_classes,
    encode_labels,
    is_one_more_label,
    is_text,
)
from sksubtomo._utils._progress import Progress
from sksubtomo.alignment import (
    LabelCheck,
    MultiReferenceEM,
    Stage,
    check_memory,
    leave_one_out,
)
from sksubtomo.semi_supervised._em_record import EMRecord, held_back_fraction
from sksubtomo.semi_supervised._label_warnings import named_rows

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
        if not is_one_more_label(background, classes):
            raise ValueError(
                f"background={background!r} of class_prior must be a label like the others, "
                f"{named_rows(classes)}, and none that means 'unlabeled'."
            )
        targets, classes = encode_labels(y, np.append(classes, np.asarray([background])))
        if not (targets >= 0)[classes[targets] != background].any():
            raise ValueError(
                f"{name} needs labels of a class besides the background, {background!r}, which has "
                "no reference."
            )
    check_enough_classes(name, targets, classes)
    return targets, classes


def check_fit_memory(
    estimator: Any,
    stages: list[Stage],
    targets: NDArray[np.int64],
    n_classes: int,
    max_shift: float,
) -> None:
    """Refuse a fit that takes more memory than there is; lines of voxels take little."""
    if estimator.volume_shape_[:2] == (1, 1):
        return
    check_memory(
        type(estimator).__name__,
        stages,
        estimator.volume_shape_[-1],
        n_volumes=len(targets),
        n_labeled=int((targets >= 0).sum()),
        n_classes=n_classes,
        n_references=int(estimator.n_references),
        max_shift=max_shift,
    )


def fit_initial_proba(
    estimator: Any,
    X: Any,
    y: Any,
    classes: NDArray,
    params: Mapping[str, Any],
    checkpoint: CheckpointPart | None = None,
) -> tuple[Any, NDArray[np.float64] | None]:
    """Fit a classifier; return it with its probabilities in the order of the classes.

    Raises
    ------
    ValueError
        If it knows classes that are not among those of the labels, or a checkpoint is of a fit with
        other probabilities.
    """
    if estimator is None:
        return None, None
    if isinstance(estimator, FrozenEstimator):
        check_is_fitted(estimator)
        fitted = estimator
    else:
        fitted = fit_with_part(clone(estimator), X, y, params, checkpoint, "estimator")
    known = fitted.classes_
    unknown = known if is_text(known) != is_text(classes) else np.setdiff1d(known, classes)
    if len(unknown):
        raise ValueError(
            f"estimator knows the classes {unknown.tolist()}, which are not among "
            f"{classes.tolist()}. It has to take -1 in y for 'unlabeled'; an ordinary "
            "classifier does so within SelfTrainingClassifier."
        )
    given = fitted.predict_proba(X)
    check_probabilities(type(fitted).__name__, given)
    probabilities = np.zeros((len(given), len(classes)))
    probabilities[:, np.searchsorted(classes, known)] = given
    if checkpoint is not None:
        # A classifier without a seed says something else in every run.
        told = {"predict_proba of estimator": array_fingerprint(probabilities)}
        checkpoint.part("predict_proba").begin(told)
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


def best_initialization(
    initialize: Callable[..., MultiReferenceEM],
    n_init: int,
    contrast_of_start: Callable[[MultiReferenceEM], int] | None = None,
    record: EMRecord | None = None,
) -> tuple[MultiReferenceEM, LabelCheck]:
    """Run initializations; return the one that agrees best with the labels, and its check.

    All but the first hold half of the unlabeled volumes back.

    Parameters
    ----------
    initialize : callable
        Returns an EM that is ready to run; draws what it needs.
    n_init : int
        How many.
    contrast_of_start : callable, optional
        Called with the first, before it runs; returns the sign that maps begin with.
    record : EMRecord, optional
        What an earlier run of the same fit has done, and where to keep what this one does.
    """
    best, first, sign = None, 0, 1
    if record is not None and record.has_begun:
        if contrast_of_start is not None and record.number:
            record.at("first")
            sign = contrast_of_start(initialize(held_back_fraction=0.0))
        em, first = record.best(initialize), record.number
        best = None if em is None else _checked(em)
        record.at("number")
    for number in range(first, n_init):
        em = initialize(held_back_fraction=held_back_fraction(number))
        if contrast_of_start is not None and not number:
            sign = contrast_of_start(em)
        em.maps = sign * em.maps
        if record is None:
            em.run()
        else:
            record.run(em, number)
        now = _checked(em)
        is_best = best is None or now[0] > best[0]
        best = now if is_best else best
        if record is not None:
            record.end(em, number, is_best=is_best)
    assert best is not None
    return best[1:]


def _checked(
    em: MultiReferenceEM,
) -> tuple[tuple[float, float], MultiReferenceEM, LabelCheck]:
    check = leave_one_out(em, em.stages[-1][0], em.coefficients)
    return fit_quality(em, check), em, check


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
