"""Latent codes of volumes, learned without labels."""

from sksubtomo.decomposition._autoencoder import Autoencoder
from sksubtomo.decomposition._contrastive import ContrastiveEncoder
from sksubtomo.decomposition._variational import VariationalAutoencoder

__all__ = ["Autoencoder", "ContrastiveEncoder", "VariationalAutoencoder"]
