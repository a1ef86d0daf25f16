"""Two convolutions and a way around them."""

from __future__ import annotations

import torch
from torch import nn

from sksubtomo.networks._batch_norm import BatchNorm


class ResidualUnit3d(nn.Module):
    """Basic residual unit: ReLU of the sum of the input and of two normalised convolutions.

    Convolutions are 3 x 3 x 3 and keep the size of the map; there is a ReLU between them. Where
    the number of channels changes, the input passes a normalised 1 x 1 x 1 convolution. The map
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
    """Return a convolution without bias, which the batch normalisation after it would remove."""
    return [
        nn.Conv3d(n_inputs, n_outputs, size, padding=size // 2, bias=False),
        BatchNorm(n_outputs),
    ]
