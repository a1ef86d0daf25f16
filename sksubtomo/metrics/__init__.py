"""Scores that know that -1 is not a class."""

from sksubtomo.metrics._calibration import expected_calibration_error, reliability_curve
from sksubtomo.metrics._drop_unlabeled import drop_unlabeled
from sksubtomo.metrics._operating_point import operating_point
from sksubtomo.metrics._scorer import (
    LabeledScorer,
    get_labeled_scorer,
    get_labeled_scorer_names,
    make_labeled_scorer,
)

__all__ = [
    "LabeledScorer",
    "drop_unlabeled",
    "expected_calibration_error",
    "get_labeled_scorer",
    "get_labeled_scorer_names",
    "make_labeled_scorer",
    "operating_point",
    "reliability_curve",
]
