"""The contrastive encoder."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import store_parameters
from sksubtomo.base import BaseVolumeEstimator, EncodingMixin, Uses
from sksubtomo.networks import ContrastiveNetwork
from sksubtomo.training import ContrastiveLoss, ContrastiveTraining, FitSettings, Plan


@documented
class ContrastiveEncoder(EncodingMixin, BaseVolumeEstimator):
    """Encoder that learns, without labels, to know views of one volume among all others.

    Of every volume in a batch, two random views are made (see `augmentation`): rotated, shifted,
    the missing wedge cut afterwards. The encoder is trained to send both in the same direction, and
    views of other volumes elsewhere [1]_. Its latent codes, which then depend little on orientation
    and wedge, are for classifiers such as :class:`sklearn.semi_supervised.LabelSpreading`, or for
    :class:`~sksubtomo.semi_supervised.FineTunedClassifier`.

    The noise of a volume is rotated with it, and is as good a mark to know it by as the molecule;
    noise and blur in `augmentation` make it a worse one. Do not count on latent codes at low
    signal-to-noise ratios before you compared them with references or a supervised network.

    %(parameters_of_an_encoder)s

    Attributes
    ----------
    %(fitted)s
        One entry an epoch: ``train_loss``, ``valid_loss`` and seconds, ``dur``.

    See Also
    --------
    Autoencoder : Latent codes that reconstruct.

    References
    ----------
    .. [1] Chen et al., "A simple framework for contrastive learning of visual representations",
       ICML 2020.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.decomposition import ContrastiveEncoder
    >>> X, _ = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> ContrastiveEncoder(max_epochs=2, random_state=0).fit_transform(X).shape
    (40, 128)
    """

    uses = Uses(
        ContrastiveTraining,
        latent_dim=128,
        unused=("batch_norm_rows", "labeled_share", "steps_per_epoch"),
    )
    fewest_volumes = 2
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._parameter_constraints,
        "batch_size": [NumberInterval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        *,
        network="resnet",
        augmentation="rotations",
        training=None,
        learning_rate=1e-3,
        batch_size=64,
        max_epochs=100,
        early_stopping=True,
        warm_start=False,
        volume_shape=None,
        device="auto",
        precision="auto",
        random_state=None,
    ):
        store_parameters(self, locals())

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan an encoder with a projection, trained on two views of each volume."""
        if settings.augmentation is None:
            raise ValueError(
                "augmentation='none' makes two equal views, and there is nothing to learn; set "
                "'rotations' or a sksubtomo.augmentation.WedgeAwareRotations."
            )
        training = settings.training
        return Plan(
            ContrastiveNetwork,
            {
                "volume_shape": self.volume_shape_,
                "network": settings.network,
                "latent_dim": settings.latent_dim,
                "n_projections": training.n_projections,
            },
            ContrastiveLoss(temperature=training.temperature),
            settings.views()._replace(n_views=2),
        )
