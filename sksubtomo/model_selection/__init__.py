"""Hiding labels, and splitting data of which only some are labeled."""

from sksubtomo._utils._labels import UNLABELED, encode_labels
from sksubtomo.model_selection._checkpointed import CheckpointedClassifier
from sksubtomo.model_selection._cross_val_predict import cross_val_predict
from sksubtomo.model_selection._labels import is_unlabeled
from sksubtomo.model_selection._mask_labels import mask_labels
from sksubtomo.model_selection._split import SemiSupervisedSplit

__all__ = [
    "UNLABELED",
    "CheckpointedClassifier",
    "SemiSupervisedSplit",
    "cross_val_predict",
    "encode_labels",
    "is_unlabeled",
    "mask_labels",
]
