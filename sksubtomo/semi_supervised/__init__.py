"""Classifiers that learn from labeled and unlabeled volumes together."""

from sksubtomo.semi_supervised._autoencoding import AutoencodingClassifier
from sksubtomo.semi_supervised._candidate import CandidateClassifier
from sksubtomo.semi_supervised._fine_tuned import FineTunedClassifier
from sksubtomo.semi_supervised._fix_match import FixMatchClassifier
from sksubtomo.semi_supervised._mean_teacher import MeanTeacherClassifier
from sksubtomo.semi_supervised._multi_reference import MultiReferenceClassifier
from sksubtomo.semi_supervised._pseudo_label import PseudoLabelClassifier
from sksubtomo.semi_supervised._self_training import SelfTrainingClassifier
from sksubtomo.semi_supervised._variational import SemiSupervisedVAEClassifier
from sksubtomo.semi_supervised._with_unlabeled import WithUnlabeled

__all__ = [
    "AutoencodingClassifier",
    "CandidateClassifier",
    "FineTunedClassifier",
    "FixMatchClassifier",
    "MeanTeacherClassifier",
    "MultiReferenceClassifier",
    "PseudoLabelClassifier",
    "SelfTrainingClassifier",
    "SemiSupervisedVAEClassifier",
    "WithUnlabeled",
]
