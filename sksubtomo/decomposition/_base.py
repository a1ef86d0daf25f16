"""What autoencoders share."""

from __future__ import annotations

from sksubtomo._utils._docs import documented
from sksubtomo.base import BaseVolumeEstimator, ReconstructionMixin


@documented
class BaseAutoencoder(ReconstructionMixin, BaseVolumeEstimator):
    """Base of transformers that learn from volumes alone, and reconstruct them."""

    def score(self, X, y=None):
        """Return minus the mean squared error of the reconstructions.

        %(volumes)s
        y : object
            Not used.

        Returns
        -------
        score : float
            In the squared units of `X`; higher is better, 0 is perfect. Variational latent codes
            are their means.
        """
        return -float(self.reconstruction_error(X).mean())
