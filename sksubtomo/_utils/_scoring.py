"""Refusing results of scikit-learn's tools that count unlabeled rows as a class."""

from __future__ import annotations

import inspect
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

from sksubtomo._utils._labels import is_unlabeled

# Enough for a pipeline in a search in a meta-estimator; walking on costs about 0.1 us a frame.
_MOST_FRAMES = 100
_SCORES = ("_BaseScorer._score", "_Scorer._score", "_CurveScorer._score")
_DISPLAYS = ("sklearn.metrics._plot.", "sklearn.calibration")
_FUNCTIONS = ("_score", "score", "from_estimator", "cross_val_predict")

_LEAVE_OUT = (
    "Leave these rows out: score by scoring=sksubtomo.metrics.get_labeled_scorer('accuracy') or "
    "make_labeled_scorer(...) around any other scorer, by scoring=None, or on the rows that "
    "sksubtomo.metrics.drop_unlabeled(y, X) returns."
)
_PREDICT = "Use sksubtomo.model_selection.cross_val_predict, which gives them no result."


class _Comparison(NamedTuple):
    """What compares predictions with labels, these labels, and what to do instead."""

    who: str
    labels: Any
    remedy: str


def refuse_scoring_unlabeled() -> None:
    """Raise if scikit-learn asks for predictions and would count -1 as a class.

    To be called first by the methods of a classifier that a scorer asks: ``predict``,
    ``predict_proba`` and ``decision_function``.

    Raises
    ------
    ValueError
        If a scorer, a display, a plain ``score`` or ``cross_val_predict`` of scikit-learn is among
        the callers, and the labels that it was given hold some that mean "unlabeled".

    Notes
    -----
    scikit-learn takes -1 for one more class, which a semi-supervised classifier rightly never
    predicts: a classifier that is always right would score the share of labeled rows. It passes
    `X` to the estimator, never `y`, and there is no tag, request or other hook by which an
    estimator could learn what it is scored on. A subclass of ndarray as the result would be
    stripped by the metric's validation, and changing scikit-learn's scorers would change
    them for other estimators, too. The frames of the callers are the one place where the labels
    can be seen. Predictions in another process or thread than their scorer's are not refused
    (``BaggingClassifier(n_jobs=2)``; ``cross_val_predict(n_jobs=2)``), nor are metrics that the
    caller calls with predictions.

    Scorers of :mod:`sksubtomo.metrics` drop unlabeled rows before they call scikit-learn's, so
    that the innermost scorer, which decides, has none.
    """
    found = _innermost_comparison()
    if found is None or found.labels is None:
        return
    hidden = is_unlabeled(found.labels)
    if hidden.any():
        label = np.asarray(found.labels)[hidden].tolist()[0]
        raise ValueError(
            f"{found.who} was given {hidden.sum()} unlabeled rows of {hidden.size} and would count "
            f"{label!r} as a class, which is never predicted. {found.remedy}"
        )


def _innermost_comparison() -> _Comparison | None:
    """Return the innermost caller that compares labels and predictions.

    No frame outlives the call: they are not returned, and the reference to the last one is
    deleted, because a frame that is kept keeps the data of all its callers.
    """
    frame = inspect.currentframe()
    try:
        for _ in range(_MOST_FRAMES):
            frame = None if frame is None else frame.f_back
            if frame is None:
                return None
            if frame.f_code.co_name in _FUNCTIONS and _compares(frame):
                return _read(frame.f_code.co_name, frame.f_locals)
        return None
    finally:
        del frame


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
