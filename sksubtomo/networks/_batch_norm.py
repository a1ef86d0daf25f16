"""Batch normalisation that can do with one value."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that, for fewer than two values a channel, uses the running statistics.

    A single value has no variance: PyTorch raises, and the value would be normalised to zero. A
    layer that is frozen, its weight needing no gradient, uses and keeps them, too. The input has
    any number of axes, (n, n_channels, ...).
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise each channel."""
        frozen = not self.weight.requires_grad
        if self.training and (frozen or input.numel() < 2 * self.num_features):
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Accept rows and maps alike."""
