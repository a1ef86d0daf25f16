"""Variational autoencoders: M1, and the semi-supervised M2 on volumes or on latent codes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

from sksubtomo._utils._docs import documented
from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._centered import center_features_
from sksubtomo.networks._gaussian import GaussianHead, GaussianNoise, log_of_noise
from sksubtomo.networks._initialization import glorot_
from sksubtomo.networks._settings import NetworkSettings, network_settings


class VariationalOutput(NamedTuple):
    """What :class:`VariationalNetwork` gives back."""

    volumes: torch.Tensor
    mean: torch.Tensor
    log_variance: torch.Tensor
    reconstruction: torch.Tensor
    log_noise: torch.Tensor


@documented
class VariationalNetwork(nn.Module):
    """Variational autoencoder of volumes, M1 of Kingma et al.

    The encoder, with a dense layer of `n_hidden`, gives a Gaussian over latent codes; the decoder
    turns a draw from it into the mean of a Gaussian over volumes. The features that the dense layer
    reads are centered, see :class:`CenteredLinear`; otherwise, Adam's first steps kill most of its
    units.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_hidden : int, default=128
        Width of the encoder's dense layer.
    latent_dim : int, default=50
        Length of the code, where `network` does not state one.
    noise_std : float, default=1
        Standard deviation of the voxels around the decoded mean.
    network : str or NetworkSettings, default="liu2019"
        What makes encoder and decoder, see :func:`network_settings`.

    References
    ----------
    Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014.
    """

    log_noise: torch.Tensor

    def __init__(
        self,
        volume_shape: Shape3d,
        *,
        n_hidden: int = 128,
        latent_dim: int = 50,
        noise_std: float = 1.0,
        network: str | NetworkSettings = "liu2019",
    ) -> None:
        super().__init__()
        parts = network_settings(network)
        latent_dim = self.latent_dim = parts.code_length(latent_dim)
        self.encoder = parts.encoder(volume_shape, n_hidden)
        center_features_(self.encoder)
        self.posterior = GaussianHead(n_hidden, latent_dim)
        self.decoder = parts.decoder(volume_shape, latent_dim)
        self.draw = GaussianNoise()
        self.register_buffer("log_noise", log_of_noise(noise_std))

    def forward(
        self, volumes: torch.Tensor, labeled: torch.Tensor | None = None
    ) -> VariationalOutput:
        """Encode volumes, draw one code for each, and decode it.

        %(network_input)s

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
        """Return the means of the latent codes (n, latent_dim)."""
        return self.posterior(self.encoder(volumes)[0])[0]

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """Return volumes (n, 1, depth, height, width) of latent codes (n, latent_dim)."""
        return self.decoder(code)

    def reconstruct(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return the decoded mean latent codes of volumes, of the same shape."""
        return self.decode(self.encode(volumes))


class ConditionalOutput(NamedTuple):
    """What :class:`ConditionalVariationalNetwork` gives back, for every volume and class."""

    volumes: torch.Tensor
    logits: torch.Tensor
    means: torch.Tensor
    log_variances: torch.Tensor
    reconstructions: torch.Tensor
    log_noise: torch.Tensor


@documented
class ConditionalVariationalNetwork(nn.Module):
    """Variational autoencoder whose code goes with a class, M2 of Kingma et al.

    A classifier gives :math:`q(y | x)`; the encoder gives :math:`q(z | x, y)` and the decoder
    :math:`p(x | y, z)`, for every class :math:`y`, so that the sum over classes can be exact: time
    and memory grow with their number. The features that the dense layer of a convolutional encoder
    reads are centered, as in :class:`VariationalNetwork`.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_classes : int
        Number of classes.
    n_hidden : int, default=128
        Width of the dense layers.
    latent_dim : int, default=50
        Length of the code, where `network` does not state one.
    noise_std : float, default=1
        Standard deviation of the voxels around the decoded mean.
    dense : bool, default=False
        Whether to use dense layers instead of convolutions, for latent codes instead of volumes;
        then `noise_std` is where a standard deviation of each entry, which is learned, begins.
    network : str or NetworkSettings, default="liu2019"
        What makes encoder, decoder and classifier if not dense, see :func:`network_settings`.

    References
    ----------
    Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014.
    """

    log_noise: torch.Tensor

    def __init__(
        self,
        volume_shape: Shape3d,
        n_classes: int,
        *,
        n_hidden: int = 128,
        latent_dim: int = 50,
        noise_std: float = 1.0,
        dense: bool = False,
        network: str | NetworkSettings = "liu2019",
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        parts = network_settings(network)
        latent_dim = parts.code_length(latent_dim)
        n_inputs = latent_dim + n_classes
        if dense:
            self.encoder: nn.Module = _DenseEncoder(volume_shape, n_hidden)
            self.classifier: nn.Module = nn.Sequential(
                *_dense(math.prod(volume_shape), n_hidden, n_classes)
            )
            self.decoder: nn.Module = nn.Sequential(
                *_dense(n_inputs, n_hidden, math.prod(volume_shape)),
                nn.Unflatten(1, (1, *volume_shape)),
            )
            for part in (self.encoder, self.classifier, self.decoder):
                glorot_(part)
            self.log_noise = nn.Parameter(torch.full(volume_shape, math.log(noise_std)))
        else:
            encoder = parts.encoder(volume_shape, n_hidden)
            center_features_(encoder)
            self.encoder = encoder
            self.classifier = parts.classifier(encoder.feature_shape, n_classes)
            self.decoder = parts.decoder(volume_shape, n_inputs)
            self.register_buffer("log_noise", log_of_noise(noise_std))
        self.posterior = GaussianHead(n_hidden + n_classes, latent_dim)
        self.draw = GaussianNoise()

    def forward(
        self, volumes: torch.Tensor, labeled: torch.Tensor | None = None
    ) -> ConditionalOutput:
        """Classify volumes, and for every class encode, draw one code, and decode it.

        %(network_input)s

        Returns
        -------
        output : ConditionalOutput
            The input; logits (n, n_classes); means and log-variances (n, n_classes, latent_dim);
            decoded draws (n, n_classes, depth, height, width); and the logarithm of
            the standard deviation of voxels.
        """
        hidden, features = self.encoder(volumes)
        classes = torch.eye(self.n_classes, device=volumes.device).expand(len(volumes), -1, -1)
        repeated = hidden.unsqueeze(1).expand(-1, self.n_classes, -1)
        means, log_variances = self.posterior(torch.cat([repeated, classes], dim=2))
        drawn = torch.cat([self.draw(means, log_variances), classes], dim=2)
        decoded = self.decoder(drawn.flatten(0, 1))
        return ConditionalOutput(
            volumes,
            self.classifier(features),
            means,
            log_variances,
            decoded.reshape(len(volumes), self.n_classes, *volumes.shape[2:]),
            self.log_noise,
        )

    def classify(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return class probabilities (n, n_classes) without running the decoder."""
        return self.logits(volumes).softmax(dim=1)

    def logits(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return unnormalized log-probabilities (n, n_classes)."""
        return self.classifier(self.encoder(volumes)[1])

    def features(self, volumes: torch.Tensor) -> torch.Tensor:
        """Return what the classifier reads, flattened, shape (n, n_features)."""
        return self.encoder(volumes)[1].flatten(1)


class _DenseEncoder(nn.Module):
    """Dense counterpart of the encoder: hidden features, and its input for the classifier."""

    def __init__(self, shape: Shape3d, n_hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(math.prod(shape), n_hidden), nn.ReLU())

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flat = inputs.flatten(1)
        return self.layers(flat), flat


def _dense(n_inputs: int, n_hidden: int, n_outputs: int) -> list[nn.Module]:
    return [nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs)]
