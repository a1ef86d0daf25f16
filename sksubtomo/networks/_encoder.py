"""The encoder of the paper."""

from __future__ import annotations

from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._base_encoder import BaseEncoder3d
from sksubtomo.networks._pooled_convolution import PooledConvolution3d
from sksubtomo.networks._random import glorot_
from sksubtomo.networks._shapes import default_n_blocks, pooled_shapes


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
        latent_dim: int | None = 128,
    ) -> None:
        n_blocks = default_n_blocks(volume_shape) if n_blocks is None else n_blocks
        last_shape = pooled_shapes(volume_shape, n_blocks)[-1]
        blocks = nn.Sequential()
        for block in range(n_blocks):
            blocks.append(PooledConvolution3d(n_filters if block else 1, n_filters))
        glorot_(blocks)
        super().__init__(blocks, (n_filters, *last_shape), latent_dim)
