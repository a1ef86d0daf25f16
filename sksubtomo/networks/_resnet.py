"""Residual encoder, residual decoder and linear classifier."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._base import BaseDecoder3d, BaseEncoder3d
from sksubtomo.networks._batch_norm import BatchNorm
from sksubtomo.networks._convolution import LinearConvolution3d
from sksubtomo.networks._initialization import glorot_, kaiming_
from sksubtomo.networks._shapes import default_n_residual_blocks, pooled_shapes


class ResidualUnit3d(nn.Module):
    """Basic residual unit: ReLU of the sum of the input and of two normalized convolutions.

    Convolutions are 3 x 3 x 3 and keep the size of the map; there is a ReLU between them. Where
    the number of channels changes, the input passes a normalized 1 x 1 x 1 convolution. The map
    between the convolutions has the smaller of the two numbers of channels, which makes the unit
    cheaper by a third of its multiplications.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        n_between = min(n_inputs, n_outputs)
        self.branch = nn.Sequential(
            *normalized_convolution(n_inputs, n_between),
            nn.ReLU(),
            *normalized_convolution(n_between, n_outputs),
        )
        self.skip = nn.Sequential()
        if n_inputs != n_outputs:
            self.skip = nn.Sequential(*normalized_convolution(n_inputs, n_outputs, size=1))

    def forward(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Return maps (n, n_outputs, d, h, w) of maps (n, n_inputs, d, h, w)."""
        return torch.relu(self.branch(feature_map) + self.skip(feature_map))


def normalized_convolution(n_inputs: int, n_outputs: int, size: int = 3) -> list[nn.Module]:
    """Return a convolution without bias, which the batch normalization after it would remove."""
    return [
        nn.Conv3d(n_inputs, n_outputs, size, padding=size // 2, bias=False),
        BatchNorm(n_outputs),
    ]


class ResidualEncoder3d(BaseEncoder3d):
    """Residual units on ever smaller maps, averaged over space.

    A normalized 3 x 3 x 3 convolution with ReLU comes first, at full resolution. Each block is a
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


class ResidualDecoder3d(BaseDecoder3d):
    """Mirror image of :class:`ResidualEncoder3d`: a code becomes a volume of the encoder's box.

    A dense layer with ReLU gives the map that the encoder averages. Each block is a residual unit
    that halves the number of channels, then repeats voxels (cut to the size that the encoder had
    there, for odd edges). At full resolution, a normalized convolution with ReLU follows, and one
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
        n_blocks = default_n_residual_blocks(volume_shape) if n_blocks is None else n_blocks
        shapes = pooled_shapes(volume_shape, n_blocks)[::-1]
        n_channels = n_filters * 2**n_blocks
        super().__init__(latent_dim, (n_channels, *shapes[0]))
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
