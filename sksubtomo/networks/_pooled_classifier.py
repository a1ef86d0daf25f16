"""A linear classifier."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo.networks._random import glorot_


class PooledClassifier3d(nn.Module):
    """One dense layer on the feature map of an encoder that averages over space.

    Parameters
    ----------
    feature_shape : tuple of int
        Shape of one feature map, ``(n_channels, depth, height, width)``.
    n_classes : int
        Number of classes.
    """

    def __init__(self, feature_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(feature_shape), n_classes))
        glorot_(self)

    def forward(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Return logits (n, n_classes) of feature maps (n, n_channels, d, h, w)."""
        return self.layers(feature_map)
