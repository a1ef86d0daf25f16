"""Classifiers that learn from labelled and unlabelled volumes together."""

from sksubtomo.semi_supervised._autoencoding import AutoencodingClassifier
from sksubtomo.semi_supervised._shared_volumes import SharedVolumes
from sksubtomo.semi_supervised._with_unlabeled import WithUnlabeled

__all__ = ["AutoencodingClassifier", "SharedVolumes", "WithUnlabeled"]
