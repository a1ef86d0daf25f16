"""The classifier of the paper."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo.networks._batch_norm import BatchNorm
from sksubtomo.networks._random import glorot_


class Classifier3d(nn.Module):
    """Batch normalisation and three dense layers on the last feature map of an encoder.

    Parameters
    ----------
    feature_shape : tuple of int
        Shape of one feature map, ``(n_filters, depth, height, width)``.
    n_classes : int
        Number of classes.
    n_hidden : int, default=128
        Width of the two hidden layers.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019, section 3.2.
    """

    def __init__(
        self, feature_shape: tuple[int, ...], n_classes: int, *, n_hidden: int = 128
    ) -> None:
        super().__init__()
        n_features = math.prod(feature_shape)
        self.n_classes = n_classes
        self.layers = nn.Sequential(
            nn.Flatten(),
            BatchNorm(n_features),
            nn.Linear(n_features, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_classes),
        )
        glorot_(self)

    def forward(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Return logits (n, n_classes) of feature maps (n, n_filters, d, h, w)."""
        return self.layers(feature_map)
