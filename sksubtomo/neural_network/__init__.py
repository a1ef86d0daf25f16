"""Supervised networks, which learn from the labelled volumes only."""

from sksubtomo.neural_network._cnn import CNNClassifier

__all__ = ["CNNClassifier"]
