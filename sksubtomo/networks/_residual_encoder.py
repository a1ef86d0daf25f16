"""A residual encoder."""

from __future__ import annotations

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._base_encoder import BaseEncoder3d
from sksubtomo.networks._random import kaiming_
from sksubtomo.networks._residual_unit import ResidualUnit3d, normalized_convolution
from sksubtomo.networks._shapes import default_n_residual_blocks, pooled_shapes


class ResidualEncoder3d(BaseEncoder3d):
    """Residual units on ever smaller maps, averaged over space.

    A normalised 3 x 3 x 3 convolution with ReLU comes first, at full resolution. Each block is a
    2 x 2 x 2 max-pooling that rounds up and a residual unit that doubles the number of channels.
    The mean over all voxels of the last map is the feature map.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_blocks : int, optional
        Number of blocks; by default as many as leave no edge below 4 voxels, at least one:
        2 for boxes of 16, 3 for 28 and 32, 4 for 64.
    n_filters : int, default=32
        Channels of the first convolution.
    latent_dim : int or None, default=128
        Length of the code; None leaves the dense layer out.

    Attributes
    ----------
    feature_shape : tuple of int
        Shape of the feature map, ``(n_filters * 2**n_blocks, 1, 1, 1)``.

    Raises
    ------
    ValueError
        If the box is too small for the blocks.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016; initial weights of the
    convolutions: He et al., "Delving deep into rectifiers", ICCV 2015.
    """

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int | None = 128,
    ) -> None:
        n_blocks = default_n_residual_blocks(volume_shape) if n_blocks is None else n_blocks
        pooled_shapes(volume_shape, n_blocks)  # raises if there is nothing left to pool
        blocks = nn.Sequential(*normalized_convolution(1, n_filters), nn.ReLU())
        n_channels = n_filters
        for _ in range(n_blocks):
            blocks.append(nn.MaxPool3d(2, ceil_mode=True))
            blocks.append(ResidualUnit3d(n_channels, 2 * n_channels))
            n_channels *= 2
        blocks.append(_GlobalAverage())
        kaiming_(blocks)
        super().__init__(blocks, (n_channels, 1, 1, 1), latent_dim)


class _GlobalAverage(nn.Module):
    """Mean over space. PyTorch's adaptive pooling is not deterministic on CUDA."""

    def forward(self, feature_map: torch.Tensor) -> torch.Tensor:
        # Sums of many bfloat16 numbers are kept in float32.
        dtype = torch.promote_types(feature_map.dtype, torch.float32)
        return feature_map.mean(dim=(2, 3, 4), keepdim=True, dtype=dtype)
