"""Labeling candidates: a session in Python, and its page for a browser."""

from sksubtomo.labeling._app import make_app
from sksubtomo.labeling._export import Exported
from sksubtomo.labeling._features import radial_features
from sksubtomo.labeling._match import match_labels
from sksubtomo.labeling._queries import CandidateScores, query_candidates
from sksubtomo.labeling._serve import serve
from sksubtomo.labeling._session import LabelingSession
from sksubtomo.labeling._work import WorkStatus

__all__ = [
    "CandidateScores",
    "Exported",
    "LabelingSession",
    "WorkStatus",
    "make_app",
    "match_labels",
    "query_candidates",
    "radial_features",
    "serve",
]
