"""Refusing to work for tools of scikit-learn that count unlabeled rows as a class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from sksubtomo._utils._labels import is_unlabeled
from sksubtomo._utils._params import to_plain

# Enough for a pipeline in a search in a meta-estimator; walking on costs about 0.1 us a frame.
_MOST_FRAMES = 100
_SCORES = ("_BaseScorer._score", "_Scorer._score", "_CurveScorer._score")
_DISPLAYS = ("sklearn.metrics._plot.", "sklearn.calibration")
_FUNCTIONS = ("_score", "score", "from_estimator", "cross_val_predict")
# Modules of meta-estimators that encode or weigh y themselves. The private functions of bagging and
# one-vs-rest may clone in a process of their own, where the frame of fit is not seen.
_ENCODING = (
    "sklearn.ensemble.",
    "sklearn.calibration",
    "sklearn.multiclass",
    "sklearn.multioutput",
)
_FITS = ("fit", "partial_fit", "_parallel_build_estimators", "_fit_binary")
_HANDS_ON = ("MultiOutputClassifier",)  # gives every column of y to its classifier as it is

_LEAVE_OUT = (
    "Leave these rows out: score by scoring=sksubtomo.metrics.get_labeled_scorer('accuracy') or "
    "make_labeled_scorer(...) around any other scorer, by scoring=None, or on the rows that "
    "sksubtomo.metrics.drop_unlabeled(y, X) returns."
)
_WRAP = (
    "Give it sksubtomo.semi_supervised.WithUnlabeled(classifier, unlabeled_volumes) instead, and "
    "fit it to the labeled volumes only."
)
_PREDICT = "Use sksubtomo.model_selection.cross_val_predict, which gives them no result."


class _Comparison(NamedTuple):
    """What compares predictions with labels, these labels, and what to do instead."""

    who: str
    labels: Any
    remedy: str


def refuse_scoring_unlabeled() -> None:
    """Raise if scikit-learn asks for predictions or clones and would count -1 as a class.

    To be called first by the methods of a classifier that a scorer asks, ``predict``,
    ``predict_proba`` and ``decision_function``, and by ``__sklearn_clone__``.

    Raises
    ------
    ValueError
        If a scorer, a display, a plain ``score`` or ``cross_val_predict`` of scikit-learn is among
        the callers, or ``fit`` of a meta-estimator that encodes labels, such as
        ``VotingClassifier``, and the labels that it was given hold some that mean "unlabeled".

    Notes
    -----
    scikit-learn takes -1 for one more class, which a semi-supervised classifier rightly never
    predicts: a classifier that is always right would score the share of labeled rows. It passes
    `X` to the estimator, never `y`, and there is no tag, request or other hook by which an
    estimator could learn what it is scored on. A subclass of ndarray as the result would be
    stripped by the metric's validation, and changing scikit-learn's scorers would change
    them for other estimators, too. The frames of the callers are the one place where the labels
    can be seen. Predictions in another process or thread than their scorer's are not refused
    (``BaggingClassifier(n_jobs=2)``), nor are metrics that the caller calls with predictions.
    scikit-learn's ``cross_val_predict`` clones the estimator before it starts processes, which is
    why ``__sklearn_clone__`` asks, too.

    Scorers of :mod:`sksubtomo.metrics` drop unlabeled rows before they call scikit-learn's, so
    that the innermost scorer, which decides, has none.
    """
    comparison, fits = _callers()
    for who, labels in reversed(fits):  # the outermost is what the user called
        hidden = is_unlabeled(labels)
        if hidden.any():
            label = np.asarray(labels)[hidden].tolist()[0]
            raise ValueError(
                f"{who} would take {label!r}, which means 'unlabeled', for a class. {_WRAP}"
            )
    if comparison is None or comparison.labels is None:
        return
    hidden = is_unlabeled(comparison.labels)
    if hidden.any():
        label = np.asarray(comparison.labels)[hidden].tolist()[0]
        raise ValueError(
            f"{comparison.who} was given {hidden.sum()} unlabeled rows of {hidden.size} and would "
            f"count {label!r} as a class, which is never predicted. {comparison.remedy}"
        )


def _callers() -> tuple[_Comparison | None, list[tuple[str, Any]]]:
    """Return the innermost caller that compares labels and predictions, and labels of all fits.

    No frame outlives the call: they are not returned, and the reference to the last one is
    deleted, because a frame that is kept keeps the data of all its callers.
    """
    comparison: _Comparison | None = None
    compares = False
    fits: list[tuple[str, Any]] = []
    frame = inspect.currentframe()
    try:
        for _ in range(_MOST_FRAMES):
            frame = None if frame is None else frame.f_back
            if frame is None:
                break
            function = frame.f_code.co_name
            if not compares and function in _FUNCTIONS and _compares(frame):
                compares, comparison = True, _read(function, frame.f_locals)
            elif function in _FITS and frame.f_globals.get("__name__", "").startswith(_ENCODING):
                fits.extend(_read_fit(frame.f_locals))
        return comparison, fits
    finally:
        del frame


def _read_fit(variables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Read the labels among the local variables of the fit of a meta-estimator."""
    owner = variables.get("self", variables.get("ensemble"))
    if owner is None:  # one-vs-rest, whose y is class indices already
        if variables.get("classes") is not None:
            sides = np.array(to_plain(variables["classes"]), dtype=object)
            yield "scikit-learn's one-vs-rest or one-vs-one", sides
        return
    who = type(owner).__name__
    if who in _HANDS_ON or not is_classifier(owner):
        return
    # Of an ensemble in another process, y is encoded, but its classes are known.
    found = [variables.get(name) for name in ("y", "Y", "classes")]
    classes = getattr(owner, "classes_", None)
    if isinstance(classes, np.ndarray):
        found.append(classes)
    for labels in found:
        if labels is not None:
            yield who, labels


def _compares(frame: FrameType) -> bool:
    """Tell whether a frame is of one of the functions of scikit-learn."""
    module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
    return (
        (module == "sklearn.metrics._scorer" and function in _SCORES)
        or (module == "sklearn.base" and function == "ClassifierMixin.score")
        or (module.startswith(_DISPLAYS) and function.endswith("from_estimator"))
        or (module == "sklearn.model_selection._validation" and function == "cross_val_predict")
    )


def _read(function: str, variables: dict[str, Any]) -> _Comparison | None:
    """Read the labels among the local variables of a function."""
    owner: Any = variables.get("self", variables.get("cls"))
    # Of regressors and outlier detectors, -1 is an ordinary target.
    if not is_classifier(owner if function == "score" else variables.get("estimator")):
        return None
    if function == "cross_val_predict":
        encoder = variables.get("le")  # only where columns are of classes, and y was encoded
        labels = None if encoder is None else encoder.classes_[variables["y"]]
        return _Comparison("scikit-learn's cross_val_predict", labels, _PREDICT)
    if function == "score":
        return _Comparison(f"{type(owner).__name__}.score", variables.get("y"), _LEAVE_OUT)
    if function == "from_estimator":
        return _Comparison(f"{owner.__name__}.from_estimator", variables.get("y"), _LEAVE_OUT)
    if getattr(owner._score_func, "__module__", "").startswith("sksubtomo."):
        return None  # a metric of this package, which knows unlabeled rows
    return _Comparison(f"The scorer {owner!r}", variables.get("y_true"), _LEAVE_OUT)
