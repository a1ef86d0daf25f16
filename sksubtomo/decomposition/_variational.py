"""The variational autoencoder of volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo.base import Uses
from sksubtomo.decomposition._base import BaseAutoencoder
from sksubtomo.networks import VariationalNetwork
from sksubtomo.training import FitSettings, Plan, VariationalLoss, VariationalTraining


@documented
class VariationalAutoencoder(BaseAutoencoder):
    r"""Variational autoencoder: latent codes with a distribution, without labels (M1).

    For every volume :math:`x`, the encoder gives a Gaussian :math:`q(z | x)` over latent codes, and
    the decoder the mean of a Gaussian :math:`p(x | z)` over volumes. It minimizes minus the bound
    on the likelihood,

    .. math::

        -\log p(x) \le -\mathrm{E}_{q(z | x)} \log p(x | z)
        + \mathrm{KL}\left(q(z | x) \,\Vert\, N(0, 1)\right)

    in nats a volume, with one draw of :math:`z` for each volume and epoch. The mean code is what
    ``transform`` returns; any classifier of scikit-learn can go on from there, which is M1 of [1]_.

    %(parameters_of_an_encoder)s

    Attributes
    ----------
    %(fitted)s
        One entry an epoch: ``train_loss``, ``train_divergence`` (nats a volume),
        ``train_reconstruction_error`` (of standardized volumes), the same with ``valid_``, and
        seconds, ``dur``.

    See Also
    --------
    sksubtomo.decomposition.Autoencoder : Latent codes without a distribution.
    sksubtomo.semi_supervised.SemiSupervisedVAEClassifier : A variational autoencoder that knows
        classes.

    References
    ----------
    .. [1] Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014.
    .. [2] Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.decomposition import VariationalAutoencoder
    >>> X, _ = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> vae = VariationalAutoencoder(max_epochs=2, random_state=0).fit(X)
    >>> vae.transform(X).shape, vae.inverse_transform(vae.transform(X)).shape
    ((40, 50), (40, 16, 16, 16))
    """

    uses = Uses(VariationalTraining, latent_dim=50, decoder=True)

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan the variational network, trained by minus the bound on the likelihood."""
        return Plan(
            VariationalNetwork,
            {
                "volume_shape": self.volume_shape_,
                "network": settings.network,
                "latent_dim": settings.latent_dim,
                "n_hidden": settings.training.n_hidden,
                "noise_std": settings.training.noise_std,
            },
            VariationalLoss(),
            settings.views(),
        )
