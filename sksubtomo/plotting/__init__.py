"""Displays, in scikit-learn's way; matplotlib (the extra ``plot``) is imported on use."""

from sksubtomo.plotting._reconstruction import ReconstructionDisplay
from sksubtomo.plotting._scale_bar import add_scale_bar

__all__ = ["ReconstructionDisplay", "add_scale_bar"]
