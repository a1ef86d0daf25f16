"""The reconstruction branch by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo.base import Uses
from sksubtomo.decomposition._base import BaseAutoencoder
from sksubtomo.networks import AutoencodingNetwork
from sksubtomo.training import AutoencoderTraining, FitSettings, JointLoss, Plan, centers_features


@documented
class Autoencoder(BaseAutoencoder):
    r"""Convolutional autoencoder: volumes to latent codes and back, without labels.

    Encoder and decoder of :class:`~sksubtomo.semi_supervised.AutoencodingClassifier`, without its
    classifier. For a batch of :math:`n` volumes :math:`x_i` it minimizes

    .. math::

        \frac{1}{n} \sum_i \mathrm{MSE}(x_i, \hat x_i)
        + \frac{\lambda}{n} \sum_i \lVert c_i \rVert_1

    where MSE is the mean over voxels and :math:`c_i` the code. With k-means on latent codes it
    groups particles whose classes nobody knows yet [2]_.

    %(parameters_of_an_encoder)s

    Attributes
    ----------
    %(fitted)s
        One entry an epoch: ``train_loss``, ``train_reconstruction_error`` (of
        standardized volumes), the same with ``valid_``, and seconds, ``dur``.

    See Also
    --------
    sksubtomo.decomposition.VariationalAutoencoder : Latent codes with a distribution.
    sksubtomo.semi_supervised.FineTunedClassifier : A classifier that starts from its encoder.

    References
    ----------
    .. [1] Liu et al., "Semi-supervised macromolecule structural classification in cellular
       electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.
    .. [2] Zeng et al., "A convolutional autoencoder approach for mining features in cellular
       electron cryo-tomograms and weakly supervised coarse segmentation", J. Struct. Biol. 202,
       2018.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.decomposition import Autoencoder
    >>> X, _ = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> autoencoder = Autoencoder(max_epochs=2, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape, autoencoder.reconstruct(X).shape
    ((40, 128), (40, 16, 16, 16))
    """

    uses = Uses(AutoencoderTraining, latent_dim=128, decoder=True)

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan encoder and decoder, trained by the reconstruction error."""
        sparsity = settings.training.sparsity
        return Plan(
            AutoencodingNetwork,
            {
                "volume_shape": self.volume_shape_,
                "network": settings.network,
                "n_classes": None,
                "latent_dim": settings.latent_dim,
                "centers_features": centers_features(sparsity),
            },
            JointLoss(sparsity=sparsity),
            settings.views(),
        )
