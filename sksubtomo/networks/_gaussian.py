"""Gaussian distributions that networks parameterize."""

from __future__ import annotations

import math

import torch
from torch import nn

from sksubtomo.networks._initialization import glorot_

# Standard deviations between exp(-5) and exp(5): no overflow, and a gradient everywhere.
_LARGEST_LOG_VARIANCE = 10.0


class GaussianHead(nn.Module):
    """Dense layer that gives the mean and the log-variance of a diagonal Gaussian.

    Log-variances are bounded smoothly to plus and minus 10, so that their exponential is finite.

    Parameters
    ----------
    n_features : int
        Length of the input.
    latent_dim : int
        Dimension of the Gaussian.
    """

    def __init__(self, n_features: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(n_features, latent_dim)
        self.log_variance = nn.Linear(n_features, latent_dim)
        glorot_(self)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log-variance, each (..., latent_dim), of features (..., n_features)."""
        mean, log_variance = self.mean(features), self.log_variance(features)
        if mean.dtype == torch.bfloat16:  # draws and exponentials of it would be coarse
            mean, log_variance = mean.float(), log_variance.float()
        return mean, _LARGEST_LOG_VARIANCE * torch.tanh(log_variance / _LARGEST_LOG_VARIANCE)


class GaussianNoise(nn.Module):
    """Independent draws from Gaussians, from a stream of its own.

    Draws are made on the CPU, so that they are the same on every device, and leave PyTorch's global
    generator alone. The stream begins from the generator's state when the module is made. In
    evaluation mode, every call makes the same draws, so that the losses of epochs compare.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()
        self.generator.manual_seed(int(torch.randint(2**31 - 1, (), device="cpu")))

    def restart(self, index: int) -> None:
        """Begin another stream, that of an index; 0 is the one that the module was made with."""
        self.generator.manual_seed(self.generator.initial_seed() + index)

    def forward(self, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
        """Draw from each Gaussian, differentiably in mean and log-variance."""
        generator = self.generator if self.training else torch.Generator().manual_seed(0)
        standard = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        return mean + (0.5 * log_variance).exp() * standard.to(mean.device)


def log_of_noise(noise_std: float) -> torch.Tensor:
    """Return the logarithm of a standard deviation as a tensor."""
    return torch.tensor(math.log(noise_std), dtype=torch.float32)
