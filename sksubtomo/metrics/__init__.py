"""Scorers that know that -1 is not a class."""

from sksubtomo.metrics._scorer import (
    LabeledScorer,
    get_labeled_scorer,
    get_labeled_scorer_names,
    make_labeled_scorer,
)

__all__ = [
    "LabeledScorer",
    "get_labeled_scorer",
    "get_labeled_scorer_names",
    "make_labeled_scorer",
]
