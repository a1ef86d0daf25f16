"""The decoder of the paper."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._linear_convolution import LinearConvolution3d
from sksubtomo.networks._random import glorot_
from sksubtomo.networks._shapes import default_n_blocks, pooled_shapes
from sksubtomo.networks._upsampled_convolution import UpsampledConvolution3d


class Decoder3d(nn.Module):
    """Mirror image of :class:`Encoder3d`: a code becomes a volume of the encoder's box.

    A dense layer with ReLU restores the last feature map; each block doubles it by repeating
    voxels (cut to the size that the encoder had there, for odd edges), then convolves
    3 x 3 x 3 with ReLU; a last convolution to one channel is linear, since volumes have negative
    values.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_blocks, n_filters, latent_dim : int
        As in :class:`Encoder3d`.

    Raises
    ------
    ValueError
        If the box is too small for the blocks.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019, section 3.2.
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
        n_blocks = default_n_blocks(volume_shape) if n_blocks is None else n_blocks
        shapes = pooled_shapes(volume_shape, n_blocks)[::-1]
        feature_shape = (n_filters, *shapes[0])
        self.from_code = nn.Sequential(
            nn.Linear(latent_dim, math.prod(feature_shape)),
            nn.ReLU(),
            nn.Unflatten(1, feature_shape),
        )
        self.blocks = nn.Sequential()
        for shape in shapes[1:]:
            # Sizes were halved rounding up, so each is twice the one before, or one less.
            self.blocks.append(UpsampledConvolution3d(n_filters, n_filters, shape))
        self.to_volume = LinearConvolution3d(n_filters, 1)
        glorot_(self)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """Decode codes of shape (n, latent_dim) to volumes (n, 1, depth, height, width)."""
        return self.to_volume(self.blocks(self.from_code(code)))
