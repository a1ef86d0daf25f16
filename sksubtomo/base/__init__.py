"""What the estimators share: the base validates, the subclass computes."""

from sksubtomo.base._classifier import BaseVolumeClassifier
from sksubtomo.base._estimator import BaseVolumeEstimator
from sksubtomo.base._reconstruction import ReconstructionMixin

__all__ = ["BaseVolumeClassifier", "BaseVolumeEstimator", "ReconstructionMixin"]
