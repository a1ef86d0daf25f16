"""A block of the paper's decoder."""

from __future__ import annotations

import torch

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._convolution import add_bias, convolve_upsampled
from sksubtomo.networks._linear_convolution import LinearConvolution3d


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
