"""What the estimators share: the base validates, the subclass computes."""

from sksubtomo.base._augmented import make_augmentation, make_corruption
from sksubtomo.base._classifier import BaseVolumeClassifier
from sksubtomo.base._encoding import EncodingMixin
from sksubtomo.base._estimator import BaseVolumeEstimator
from sksubtomo.base._first_stage import check_first_stage, fitted_first_stage
from sksubtomo.base._parameters import with_params
from sksubtomo.base._reconstruction import ReconstructionMixin

__all__ = [
    "BaseVolumeClassifier",
    "BaseVolumeEstimator",
    "EncodingMixin",
    "ReconstructionMixin",
    "check_first_stage",
    "fitted_first_stage",
    "make_augmentation",
    "make_corruption",
    "with_params",
]
