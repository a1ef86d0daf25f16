"""An encoder with a projection, for contrastive learning."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._torch import PartSeeds
from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._initialization import glorot_
from sksubtomo.networks._settings import NetworkSettings, network_settings


class ContrastiveOutput(NamedTuple):
    """The input, and directions of unit length in which alike volumes are to agree."""

    volumes: torch.Tensor
    projections: torch.Tensor


class ContrastiveNetwork(nn.Module):
    """Encoder whose features are projected to directions on a sphere.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    network : str or NetworkSettings, default="resnet"
        What makes the encoder, see :func:`network_settings`.
    latent_dim : int, default=128
        Length of the code, where `network` does not state one: one dense layer on the encoder's
        feature map.
    n_projections : int, default=64
        Dimensions of the sphere's space. The projection, two dense layers, is for training only.

    References
    ----------
    Chen et al., "A simple framework for contrastive learning of visual representations", ICML
    2020.
    """

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        network: str | NetworkSettings = "resnet",
        latent_dim: int = 128,
        n_projections: int = 64,
    ) -> None:
        super().__init__()
        seeds = PartSeeds()
        parts = network_settings(network)
        latent_dim = self.latent_dim = parts.code_length(latent_dim)
        with seeds.of("encoder"):
            self.encoder = parts.encoder(volume_shape, None)
        n_features = math.prod(self.encoder.feature_shape)
        with seeds.of("projection"):
            self.to_code = nn.Linear(n_features, latent_dim)
            self.projection = nn.Sequential(nn.ReLU(), nn.Linear(latent_dim, n_projections))
            glorot_(self.to_code)
            glorot_(self.projection)

    def forward(
        self, volumes: torch.Tensor, labeled: torch.Tensor | None = None
    ) -> ContrastiveOutput:
        """Project volumes (n, 1, depth, height, width); `labeled` is not used."""
        projections = self.projection(self.encode(volumes))
        if projections.dtype == torch.bfloat16:
            projections = projections.float()
        return ContrastiveOutput(volumes, F.normalize(projections, dim=1))

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return latent codes (n, latent_dim)."""
        return self.to_code(self.features(volumes))

    def features(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the flattened feature maps (n, n_features)."""
        return self.encoder.blocks(volumes).flatten(1)
