"""Displays, in scikit-learn's way; matplotlib (the extra ``plot``) is imported on use."""

from sksubtomo.plotting._reconstruction import ReconstructionDisplay

__all__ = ["ReconstructionDisplay"]
