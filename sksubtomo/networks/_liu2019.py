"""Encoder, decoder and classifier of Liu et al. (2019)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._utils._docs import documented
from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._base import BaseDecoder3d, BaseEncoder3d
from sksubtomo.networks._batch_norm import BatchNorm
from sksubtomo.networks._convolution import (
    LinearConvolution3d,
    add_bias,
    convolve,
    convolve_upsampled,
)
from sksubtomo.networks._initialization import glorot_
from sksubtomo.networks._shapes import default_n_blocks, pooled_shapes


class PooledConvolution3d(LinearConvolution3d):
    """A 3 x 3 x 3 convolution, ReLU, and a 2 x 2 x 2 max-pooling that rounds up.

    Bias and ReLU come after the pooling, where there is an eighth of the voxels: neither changes
    which voxel is the largest, so the result is the same.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (n, n_outputs, d', h', w') of maps (n, n_inputs, d, h, w)."""
        convolved = convolve(maps, self.weight)
        # On a CPU, autocast would copy the maps to float32 for this, of which none comes out.
        with torch.autocast(maps.device.type, enabled=False):
            pooled = F.max_pool3d(convolved, 2, ceil_mode=True)
        return add_bias(pooled, self.bias).relu_()


class UpsampledConvolution3d(LinearConvolution3d):
    """Repetition of voxels, cut to a size, then a 3 x 3 x 3 convolution with ReLU.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    size : tuple of int
        Edges afterwards: twice those of the maps to come, or one less.
    """

    def __init__(self, n_inputs: int, n_outputs: int, size: Shape3d) -> None:
        super().__init__(n_inputs, n_outputs)
        self.size = size

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        r"""Return maps (n, n_outputs, \*size) of maps (n, n_inputs, d, h, w)."""
        convolved = convolve_upsampled(maps, self.weight, self.size)
        return add_bias(convolved, self.bias).relu_()


@documented
class Encoder3d(BaseEncoder3d):
    """Convolution and max-pooling blocks, then a dense layer that gives the code.

    Each block is a 3 x 3 x 3 convolution with ReLU and a 2 x 2 x 2 max-pooling that rounds up;
    the dense layer has a ReLU, too.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_blocks : int, optional
        Number of blocks; by default as many as leave no edge above 7 voxels, which is
        the paper's 2 for boxes of 28 and 4 for boxes of 64.
    n_filters : int, default=32
        Channels of every convolution.
    latent_dim : int or None, default=128
        Length of the code; None leaves the dense layer out.

    Attributes
    ----------
    feature_shape : tuple of int
        Shape of the last feature map, ``(n_filters, depth, height, width)``.

    Raises
    ------
    ValueError
        If the box is too small for the blocks.

    %(liu2019_networks)s
    """

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int | None = 128,
    ) -> None:
        n_blocks = default_n_blocks(volume_shape) if n_blocks is None else n_blocks
        last_shape = pooled_shapes(volume_shape, n_blocks)[-1]
        blocks = nn.Sequential()
        for block in range(n_blocks):
            blocks.append(PooledConvolution3d(n_filters if block else 1, n_filters))
        glorot_(blocks)
        super().__init__(blocks, (n_filters, *last_shape), latent_dim)


@documented
class Decoder3d(BaseDecoder3d):
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

    %(liu2019_networks)s
    """

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        latent_dim: int = 128,
    ) -> None:
        n_blocks = default_n_blocks(volume_shape) if n_blocks is None else n_blocks
        shapes = pooled_shapes(volume_shape, n_blocks)[::-1]
        super().__init__(latent_dim, (n_filters, *shapes[0]))
        self.blocks = nn.Sequential()
        for shape in shapes[1:]:
            # Sizes were halved rounding up, so each is twice the one before, or one less.
            self.blocks.append(UpsampledConvolution3d(n_filters, n_filters, shape))
        self.to_volume = LinearConvolution3d(n_filters, 1)
        glorot_(self)


@documented
class Classifier3d(nn.Module):
    """Batch normalization and three dense layers on the last feature map of an encoder.

    Parameters
    ----------
    feature_shape : tuple of int
        Shape of one feature map, ``(n_filters, depth, height, width)``.
    n_classes : int
        Number of classes.
    n_hidden : int, default=128
        Width of the two hidden layers.

    %(liu2019_networks)s
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
