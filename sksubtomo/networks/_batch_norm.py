"""Batch normalization that can do with one value."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo._torch import n_processes, sum_over_processes


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization that, for fewer than two values a channel, uses the running statistics.

    A single value has no variance: PyTorch raises, and the value would be normalized to zero. A
    layer that is frozen, its weight needing no gradient, uses and keeps them, too. The input has
    any number of axes, (n, n_channels, ...). Where processes share a batch, statistics are of the
    whole batch.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor
    momentum: float

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalize each channel, in float32 whatever the precision of the layers around."""
        with torch.autocast(input.device.type, enabled=False):
            return self._normalize(input.float() if input.dtype == torch.bfloat16 else input)

    def _normalize(self, input: torch.Tensor) -> torch.Tensor:
        frozen = not self.weight.requires_grad
        if self.training and not frozen and n_processes() > 1:
            return self._normalize_shared(input)
        if self.training and (frozen or input.numel() < 2 * self.num_features):
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def _normalize_shared(self, input: torch.Tensor) -> torch.Tensor:
        """Normalize with the statistics over all processes.

        PyTorch's SyncBatchNorm is for GPUs only.
        """
        axes = [0, *range(2, input.ndim)]
        shape = (1, -1, *[1] * (input.ndim - 2))
        count = input.new_full((1,), input.numel() / self.num_features)
        total = sum_over_processes(torch.cat([count, input.sum(axes)]))
        n = total[0].detach()
        if n < 2:  # the same in all processes, or some would wait for ever
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        mean = total[1:] / n
        centered = input - mean.view(shape)
        variance = sum_over_processes(centered.square().sum(axes)) / n
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return centered * scale.view(shape) + self.bias.view(shape)

    def _check_input_dim(self, input: torch.Tensor) -> None:
        """Accept rows and maps alike."""
