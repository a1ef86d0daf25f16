"""A dense layer on centered inputs, which keeps a code alive."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._torch import sum_over_processes

_MOMENTUM = 0.1


class CenteredLinear(nn.Module):
    r"""Dense layer :math:`W (x - m) + b`, m being the mean of the inputs over the batch.

    In evaluation, m is a running mean over training batches. Such a layer can compute what a plain
    one can, whose bias is :math:`b - W m`; it differs in how it is trained. Inputs that come out of
    a ReLU are positive. In a plain layer, a gradient that all volumes share, for example while the
    mean volume is not learned yet, moves all weights of a unit in one direction, and the steps add
    up over the inputs: with 11000 inputs and a learning rate of 1e-3, the unit moves by several of
    its standard deviations in one step of Adam. After a few steps, most units are zero for all
    volumes, and the ReLU that follows lets no gradient through that would bring them back. With
    centered inputs, a gradient that all volumes share reaches the bias only.

    The running mean is that of inputs, not of outputs, because outputs change with every step of
    the weights. Where processes share a batch, m is the mean of the whole batch. A single row has
    no mean of its own, and takes the running one; so does a layer that is frozen, its weight
    needing no gradient.

    Parameters
    ----------
    layer : Linear
        Layer whose weight and bias are taken over.

    References
    ----------
    LeCun, Bottou, Orr & Müller, "Efficient BackProp", in Neural Networks: Tricks of the Trade,
    Springer 1998, section 4.3.
    """

    running_mean: torch.Tensor
    num_batches_tracked: torch.Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.register_buffer("running_mean", torch.zeros(layer.in_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return outputs (n, n_outputs) of inputs (n, n_inputs)."""
        return F.linear(input - self._mean(input), self.weight, self.bias)

    def _mean(self, input: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.weight.requires_grad:
            return self.running_mean
        # Sums of bfloat16 numbers are kept in float32.
        total = input.sum(dim=0, dtype=self.running_mean.dtype)
        count = total.new_full((1,), len(input))
        total = sum_over_processes(torch.cat([count, total]))
        enough = total[0] >= 2  # no branch, for which a GPU would have to be waited for
        mean = torch.where(enough, total[1:] / total[0].detach(), self.running_mean)
        with torch.no_grad():
            self.num_batches_tracked += enough
            # The plain mean at first, so that few batches count in full.
            share = (1 / self.num_batches_tracked.clamp_min(1)).clamp_min(_MOMENTUM)
            self.running_mean.lerp_(mean, share)
        return mean


def center_features_(encoder: Any) -> None:
    """Let an encoder, as :class:`Encoder3d`, center what its dense layer reads, in place."""
    encoder.to_code[1] = CenteredLinear(encoder.to_code[1])
