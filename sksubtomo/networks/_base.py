"""What encoders have in common, and what decoders have."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo.networks._initialization import glorot_


class BaseEncoder3d(nn.Module):
    r"""Layers that give a feature map, then a dense layer with ReLU that gives the code.

    Parameters
    ----------
    blocks : Module
        From volumes (n, 1, depth, height, width) to feature maps (n, \*feature_shape).
    feature_shape : tuple of int
        Shape of one feature map, ``(n_channels, depth, height, width)``.
    latent_dim : int or None
        Length of the code; None leaves the dense layer out.
    """

    def __init__(
        self, blocks: nn.Module, feature_shape: tuple[int, ...], latent_dim: int | None
    ) -> None:
        super().__init__()
        self.feature_shape = feature_shape
        self.blocks = blocks
        # Drawn after the blocks, so that those are the same without it.
        self.to_code: nn.Module | None = None
        if latent_dim is not None:
            n_features = math.prod(feature_shape)
            self.to_code = nn.Sequential(nn.Flatten(), nn.Linear(n_features, latent_dim), nn.ReLU())
            glorot_(self.to_code)

    def forward(self, volumes: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Encode volumes.

        Parameters
        ----------
        volumes : Tensor of shape (n, 1, depth, height, width)
            The volumes.

        Returns
        -------
        code : Tensor of shape (n, latent_dim) or None
            Non-negative features.
        feature_map : Tensor of shape (n, n_channels, d, h, w)
            Output of the last block, which the classifier reads.
        """
        feature_map = self.blocks(volumes)
        code = None if self.to_code is None else self.to_code(feature_map)
        return code, feature_map


class BaseDecoder3d(nn.Module):
    """A dense layer with ReLU from the code to a feature map, then layers to a volume.

    A subclass sets ``blocks`` and ``to_volume``.

    Parameters
    ----------
    latent_dim : int
        Length of the code.
    feature_shape : tuple of int
        Shape of one feature map, ``(n_channels, depth, height, width)``.
    """

    blocks: nn.Module
    to_volume: nn.Module

    def __init__(self, latent_dim: int, feature_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.from_code = nn.Sequential(
            nn.Linear(latent_dim, math.prod(feature_shape)),
            nn.ReLU(),
            nn.Unflatten(1, feature_shape),
        )

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Decode latent codes of shape (n, latent_dim) to volumes (n, 1, depth, height, width)."""
        return self.to_volume(self.blocks(self.from_code(code)))
