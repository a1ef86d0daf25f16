"""Classifiers that learn from labelled and unlabelled volumes together."""

from sksubtomo.semi_supervised._autoencoding import AutoencodingClassifier

__all__ = ["AutoencodingClassifier"]
