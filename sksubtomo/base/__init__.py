"""What the estimators share: the base fits, the subclass says what to train."""

from sksubtomo.base._classifier import BaseVolumeClassifier
from sksubtomo.base._encoding import EncodingMixin
from sksubtomo.base._estimator import BaseVolumeEstimator
from sksubtomo.base._first_stage import check_first_stage, code_length, fitted_first_stage
from sksubtomo.base._reconstruction import ReconstructionMixin
from sksubtomo.base._settings import Uses, resolve, with_params

__all__ = [
    "BaseVolumeClassifier",
    "BaseVolumeEstimator",
    "EncodingMixin",
    "ReconstructionMixin",
    "Uses",
    "check_first_stage",
    "code_length",
    "fitted_first_stage",
    "resolve",
    "with_params",
]
