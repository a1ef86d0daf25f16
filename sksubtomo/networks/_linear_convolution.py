"""A layer that convolves; the last one of decoders."""

from __future__ import annotations

import torch
from torch import nn

from sksubtomo.networks._convolution import add_bias, convolve


class LinearConvolution3d(nn.Conv3d):
    """A 3 x 3 x 3 convolution with zeros around and nothing after it.

    The blocks of encoder and decoder, which go on with its result, have its weights.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    """

    bias: torch.Tensor

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__(n_inputs, n_outputs, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (n, n_outputs, d, h, w) of maps (n, n_inputs, d, h, w)."""
        return add_bias(convolve(maps, self.weight), self.bias)
