"""A block of the paper's encoder."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from sksubtomo.networks._convolution import add_bias, convolve
from sksubtomo.networks._linear_convolution import LinearConvolution3d


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
        pooled = F.max_pool3d(convolve(maps, self.weight), 2, ceil_mode=True)
        return add_bias(pooled, self.bias).relu_()
