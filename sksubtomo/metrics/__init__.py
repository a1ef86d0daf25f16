"""Scores that know that -1 is not a class."""

from sksubtomo.metrics._calibration import expected_calibration_error, reliability_curve
from sksubtomo.metrics._scorer import (
    LabeledScorer,
    get_labeled_scorer,
    get_labeled_scorer_names,
    make_labeled_scorer,
)

__all__ = [
    "LabeledScorer",
    "expected_calibration_error",
    "get_labeled_scorer",
    "get_labeled_scorer_names",
    "make_labeled_scorer",
    "reliability_curve",
]
