"""A block of the paper's encoder."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo.networks._convolution import add_bias, convolve


class PooledConvolution3d(nn.Conv3d):
    """A 3 x 3 x 3 convolution, ReLU, and a 2 x 2 x 2 max-pooling that rounds up.

    Bias and ReLU come after the pooling, where there is an eighth of the voxels: neither changes
    which voxel is the largest, so the result is the same.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    """

    bias: torch.Tensor

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__(n_inputs, n_outputs, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (n, n_outputs, d', h', w') of maps (n, n_inputs, d, h, w)."""
        pooled = F.max_pool3d(convolve(maps, self.weight), 2, ceil_mode=True)
        return add_bias(pooled, self.bias).relu_()
