"""Supervised networks, which learn from the labeled volumes only."""

from sksubtomo.neural_network._cnn import CNNClassifier

__all__ = ["CNNClassifier"]
