"""A residual decoder."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._linear_convolution import LinearConvolution3d
from sksubtomo.networks._random import glorot_, kaiming_
from sksubtomo.networks._residual_unit import ResidualUnit3d, normalized_convolution
from sksubtomo.networks._shapes import default_n_residual_blocks, pooled_shapes


class ResidualDecoder3d(nn.Module):
    """Mirror image of :class:`ResidualEncoder3d`: a code becomes a volume of the encoder's box.

    A dense layer with ReLU gives the map that the encoder averages. Each block is a residual unit
    that halves the number of channels, then repeats voxels (cut to the size that the encoder had
    there, for odd edges). At full resolution, a normalised convolution with ReLU follows, and one
    to one channel that is linear, since volumes have negative values. Units come before the
    repetition, where they are eight times cheaper.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_blocks, n_filters, latent_dim : int
        As in :class:`ResidualEncoder3d`.

    Raises
    ------
    ValueError
        If the box is too small for the blocks.
    """

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int = 128,
    ) -> None:
        super().__init__()
        n_blocks = default_n_residual_blocks(volume_shape) if n_blocks is None else n_blocks
        shapes = pooled_shapes(volume_shape, n_blocks)[::-1]
        n_channels = n_filters * 2**n_blocks
        first_shape = (n_channels, *shapes[0])
        self.from_code = nn.Sequential(
            nn.Linear(latent_dim, math.prod(first_shape)),
            nn.ReLU(),
            nn.Unflatten(1, first_shape),
        )
        self.blocks = nn.Sequential()
        for shape in shapes[1:]:
            self.blocks.append(ResidualUnit3d(n_channels, n_channels // 2))
            self.blocks.append(nn.Upsample(size=shape, mode="nearest"))
            n_channels //= 2
        self.blocks.extend([*normalized_convolution(n_filters, n_filters), nn.ReLU()])
        self.to_volume = LinearConvolution3d(n_filters, 1)
        kaiming_(self.from_code)
        kaiming_(self.blocks)
        glorot_(self.to_volume)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Decode codes of shape (n, latent_dim) to volumes (n, 1, depth, height, width)."""
        return self.to_volume(self.blocks(self.from_code(code)))
