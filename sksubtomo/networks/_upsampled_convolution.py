"""A block of the paper's decoder."""

from __future__ import annotations

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._convolution import add_bias, convolve_upsampled


class UpsampledConvolution3d(nn.Conv3d):
    """Repetition of voxels, cut to a size, then a 3 x 3 x 3 convolution with ReLU.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    size : tuple of int
        Edges afterwards: twice those of the maps to come, or one less.
    """

    bias: torch.Tensor

    def __init__(self, n_inputs: int, n_outputs: int, size: Shape3d) -> None:
        super().__init__(n_inputs, n_outputs, 3, padding=1)
        self.size = size

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        r"""Return maps (n, n_outputs, \*size) of maps (n, n_inputs, d, h, w)."""
        convolved = convolve_upsampled(maps, self.weight, self.size)
        return add_bias(convolved, self.bias).relu_()
