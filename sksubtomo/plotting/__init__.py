"""Displays, in scikit-learn's way; matplotlib (the extra ``plot``) is imported on use."""

from sksubtomo.plotting._class_averages import ClassAverageDisplay
from sksubtomo.plotting._confusion_matrix import LabeledConfusionMatrixDisplay
from sksubtomo.plotting._gallery import GalleryDisplay
from sksubtomo.plotting._history import TrainingHistoryDisplay
from sksubtomo.plotting._latent_map import LatentMapDisplay
from sksubtomo.plotting._orientations import OrientationDisplay
from sksubtomo.plotting._precision_recall import PrecisionRecallDisplay
from sksubtomo.plotting._reconstruction import ReconstructionDisplay
from sksubtomo.plotting._reliability import ReliabilityDisplay
from sksubtomo.plotting._scale_bar import add_scale_bar
from sksubtomo.plotting._tomogram_picks import TomogramPicksDisplay

__all__ = [
    "ClassAverageDisplay",
    "GalleryDisplay",
    "LabeledConfusionMatrixDisplay",
    "LatentMapDisplay",
    "OrientationDisplay",
    "PrecisionRecallDisplay",
    "ReconstructionDisplay",
    "ReliabilityDisplay",
    "TomogramPicksDisplay",
    "TrainingHistoryDisplay",
    "add_scale_bar",
]
