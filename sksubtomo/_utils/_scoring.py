"""Refusing scores that would count unlabeled rows as a class."""

from __future__ import annotations

import inspect
from types import FrameType
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from sksubtomo._utils._labels import is_unlabeled

# Enough for a pipeline in a search in a meta-estimator; walking on costs about 50 ns a frame.
_MOST_FRAMES = 100
# Functions of scikit-learn that compare predictions with labels: which of their local variables
# are the labels, and the estimator.
_SCORERS = {"_BaseScorer._score", "_Scorer._score", "_CurveScorer._score"}
_DISPLAYS = ("sklearn.metrics._plot.", "sklearn.calibration")


def refuse_scoring_unlabeled() -> None:
    """Raise if a score of scikit-learn asks for predictions and would count -1 as a class.

    To be called first by the methods of a classifier that a scorer asks: ``predict``,
    ``predict_proba`` and ``decision_function``.

    Raises
    ------
    ValueError
        If a scorer, a display or a plain ``score`` of scikit-learn is among the callers, and the
        labels that it was given hold some that mean "unlabeled".

    Notes
    -----
    scikit-learn takes -1 for one more class, which a semi-supervised classifier rightly never
    predicts: a classifier that is always right would score the share of labeled rows. It passes
    `X` to the estimator, never `y`, and there is no tag, request or other hook by which an
    estimator could learn what it is scored on. A subclass of ndarray as the result would be
    stripped by the metric's validation, and changing scikit-learn's scorers would change
    them for other estimators, too. The frames of the callers are the one place where the labels
    can be seen. Predictions in another process or thread than the scorer's are not refused
    (of scikit-learn's estimators, ``BaggingClassifier(n_jobs=2)``), nor are metrics that
    the caller calls with predictions.

    Scorers of :mod:`sksubtomo.metrics` drop unlabeled rows before they call scikit-learn's, so
    that the innermost scorer, which decides, has none.
    """
    found = _innermost_comparison()
    if found is None:
        return
    who, y_true = found
    hidden = is_unlabeled(y_true)
    if hidden.any():
        raise ValueError(
            f"{who} was given {hidden.sum()} unlabeled rows of {hidden.size} and would count "
            f"{np.asarray(y_true)[hidden].tolist()[0]!r} as a class, which is never predicted. Leave these "
            "rows out: score by scoring=sksubtomo.metrics.get_labeled_scorer('accuracy') or "
            "make_labeled_scorer(...) around any other scorer, by scoring=None, or on the rows "
            "that sksubtomo.metrics.drop_unlabeled(y, X) returns."
        )


def _innermost_comparison() -> tuple[str, Any] | None:
    """Return a name and the labels of the innermost caller that compares labels and predictions.

    No frame outlives the call: they are not returned, and the reference to the last one is
    deleted, because a frame that is kept keeps the data of all its callers.
    """
    frame = inspect.currentframe()
    try:
        for _ in range(_MOST_FRAMES):
            frame = None if frame is None else frame.f_back
            if frame is None:
                return None
            names = _variables(frame)
            if names is not None:
                return _read(frame, *names)
        return None
    finally:
        del frame


def _variables(frame: FrameType) -> tuple[str, str] | None:
    """Return the names of labels and estimator in a frame of scikit-learn that compares them."""
    name = frame.f_code.co_name
    if name not in ("_score", "score", "from_estimator"):
        return None
    module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
    if module == "sklearn.metrics._scorer" and function in _SCORERS:
        return "y_true", "estimator"
    if module == "sklearn.base" and function == "ClassifierMixin.score":
        return "y", "self"
    if name == "from_estimator" and module.startswith(_DISPLAYS):
        return "y", "estimator"
    return None


def _knows_unlabeled(score_func: Any) -> bool:
    """Tell whether a metric leaves unlabeled rows out itself, as those of this package do."""
    return getattr(score_func, "__module__", "").startswith("sksubtomo.")


def _read(frame: FrameType, labels: str, estimator: str) -> tuple[str, Any] | None:
    variables = frame.f_locals
    scored = variables.get(estimator)
    # Of regressors and outlier detectors, -1 is an ordinary target.
    if labels not in variables or not is_classifier(scored):
        return None
    if estimator == "self":
        return f"{type(scored).__name__}.score", variables[labels]
    owner = variables.get("self", variables.get("cls"))
    if _knows_unlabeled(getattr(owner, "_score_func", None)):
        return None
    who = f"{owner.__name__}.from_estimator" if isinstance(owner, type) else f"The scorer {owner!r}"
    return who, variables[labels]
