"""The variational autoencoder (M1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._gaussian import GaussianHead, GaussianNoise, log_of_noise
from sksubtomo.networks._registry import resolve_backbone


class VariationalOutput(NamedTuple):
    """What :class:`VariationalNetwork` gives back."""

    volumes: torch.Tensor
    mean: torch.Tensor
    log_variance: torch.Tensor
    reconstruction: torch.Tensor
    log_noise: torch.Tensor


class VariationalNetwork(nn.Module):
    """Variational autoencoder of volumes, M1 of Kingma et al.

    The encoder, with a dense layer of `n_hidden`, gives a Gaussian over codes; the decoder turns a
    draw from it into the mean of a Gaussian over volumes.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_blocks, n_filters : int
        As in :class:`Encoder3d`.
    n_hidden : int, default=128
        Width of the encoder's dense layer.
    latent_dim : int, default=50
        Length of the code.
    noise_std : float, default=1
        Standard deviation of the voxels around the decoded mean.
    network : str, default="paper"
        What encoder and decoder are, see :func:`resolve_backbone`.

    References
    ----------
    Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014.
    """

    log_noise: torch.Tensor

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        n_blocks: int | None = None,
        n_filters: int = 32,
        n_hidden: int = 128,
        latent_dim: int = 50,
        noise_std: float = 1.0,
        network: str = "paper",
    ) -> None:
        super().__init__()
        backbone = resolve_backbone(network)
        self.latent_dim = latent_dim
        self.encoder = backbone.encoder(
            volume_shape, n_blocks=n_blocks, n_filters=n_filters, latent_dim=n_hidden
        )
        self.posterior = GaussianHead(n_hidden, latent_dim)
        self.decoder = backbone.decoder(
            volume_shape, n_blocks=n_blocks, n_filters=n_filters, latent_dim=latent_dim
        )
        self.draw = GaussianNoise()
        self.register_buffer("log_noise", log_of_noise(noise_std))

    def forward(
        self, volumes: torch.Tensor, labeled: torch.Tensor | None = None
    ) -> VariationalOutput:
        """Encode volumes, draw one code for each, and decode it.

        Parameters
        ----------
        volumes : Tensor of shape (n, 1, depth, height, width)
            The volumes.
        labeled : Tensor of shape (n,) of bool, optional
            Not used.

        Returns
        -------
        output : VariationalOutput
            The input, mean and log-variance (n, latent_dim), the decoded draw, and the
            logarithm of `noise_std`.
        """
        mean, log_variance = self.posterior(self.encoder(volumes)[0])
        reconstruction = self.decode(self.draw(mean, log_variance))
        return VariationalOutput(volumes, mean, log_variance, reconstruction, self.log_noise)

    def encode(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the means of the codes (n, latent_dim)."""
        return self.posterior(self.encoder(volumes)[0])[0]

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """Return volumes (n, 1, depth, height, width) of codes (n, latent_dim)."""
        return self.decoder(code)

    def reconstruct(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the decoded mean codes of volumes, of the same shape."""
        return self.decode(self.encode(volumes))
