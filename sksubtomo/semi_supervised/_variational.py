"""The semi-supervised variational autoencoder."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator

from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import refuse_unused, store_parameters
from sksubtomo.base import (
    BaseVolumeClassifier,
    Uses,
    check_first_stage,
    code_length,
    fitted_first_stage,
    resolve,
    with_params,
)
from sksubtomo.decomposition import VariationalAutoencoder
from sksubtomo.networks import ConditionalVariationalNetwork, Liu2019
from sksubtomo.training import (
    ConditionalVariationalLoss,
    FitSettings,
    Plan,
    VariationalTraining,
)


@documented
class SemiSupervisedVAEClassifier(BaseVolumeClassifier):
    r"""Deep generative model of volumes and their classes (M2, and M1+M2).

    A volume comes from a class :math:`y` and a code :math:`z`. The classifier :math:`q(y | x)`, the
    encoder :math:`q(z | x, y)` and the decoder :math:`p(x | y, z)` are trained together on bounds
    of the likelihood: of a labeled volume

    .. math::

        -\log p(x, y) \le L(x, y) = -\mathrm{E}_{q(z | x, y)} \log p(x | y, z) - \log p(y)
        + \mathrm{KL}\left(q(z | x, y) \,\Vert\, N(0, 1)\right)

    and of an unlabeled one, by the exact sum over the classes,

    .. math:: -\log p(x) \le U(x) = \sum_y q(y | x) \left(L(x, y) + \log q(y | x)\right)

    Of a batch, it minimizes the mean of :math:`L` and :math:`U` over the volumes, plus ``alpha``
    times the mean cross-entropy of :math:`q(y | x)` over the labeled ones. Classes are equally
    probable a priori.

    Parameters
    ----------
    vae : VariationalAutoencoder or FrozenEstimator of one, optional
        By default, the model describes volumes, by convolutions (M2). With a variational
        autoencoder it describes the autoencoder's mean latent codes, by dense layers (M1+M2). One
        that is not fitted is cloned, and fitted to all volumes; a fitted one is used as it is.
        Where estimators are cloned, as in ``GridSearchCV``, only ``FrozenEstimator(vae)`` keeps a
        fit. Of `network`, only ``latent_dim`` has a use then, and `augmentation` none.
    alpha : float, default=0.1
        Weight of the cross-entropy. [1]_ weighs it by 0.1 N against the sum over N volumes,
        which is 0.1 against the mean.
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    vae_ : VariationalAutoencoder or None
        M1, fitted, in M1+M2.
    %(transduction_)s
    %(fitted_classifier)s
        One entry an epoch: ``train_loss`` (nats a volume), ``train_cross_entropy``, the same with
        ``valid_``, and seconds, ``dur``.

    See Also
    --------
    sksubtomo.decomposition.VariationalAutoencoder : M1; with a classifier on its latents.
    sksubtomo.semi_supervised.AutoencodingClassifier : Reconstruction without a distribution.

    Notes
    -----
    The sum over classes runs the decoder once for every class: time and memory of an epoch are
    those of an autoencoder, times the number of classes. Take a smaller `batch_size` for large
    boxes.

    Likelihoods are sums over voxels, the cross-entropy is one number a volume; so the classes that
    the model finds are mostly those that help to describe the volumes. Where orientation explains
    more voxels than the class does, raise `alpha`.

    References
    ----------
    .. [1] Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.decomposition import VariationalAutoencoder
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import SemiSupervisedVAEClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> m2 = SemiSupervisedVAEClassifier(max_epochs=2, random_state=0).fit(X, y_masked)
    >>> vae = VariationalAutoencoder(max_epochs=2, random_state=0)
    >>> stacked = SemiSupervisedVAEClassifier(vae, max_epochs=2, random_state=0).fit(X, y_masked)
    >>> m2.predict_proba(X).shape, stacked.predict_proba(X).shape
    ((40, 2), (40, 2))
    """

    is_semi_supervised = True
    uses = Uses(VariationalTraining, latent_dim=50, decoder=True, unused=("batch_norm_rows",))
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
        "vae": [VariationalAutoencoder, FrozenEstimator, None],
        "alpha": [NumberInterval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        vae=None,
        *,
        alpha=0.1,
        class_weight=None,
        classes=None,
        network="liu2019",
        augmentation="none",
        training=None,
        learning_rate=1e-4,
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

    def resolve_settings(self) -> FitSettings:
        """Return all settings; those of the autoencoder cannot change, either."""
        return resolve(self, with_params("vae", self.vae))

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan the conditional network, on volumes or on latent codes."""
        params = {
            "volume_shape": self.volume_shape_,
            "network": settings.network,
            "n_classes": len(self.classes_),
            "latent_dim": settings.latent_dim,
            "n_hidden": settings.training.n_hidden,
            "noise_std": settings.training.noise_std,
        }
        if self.vae is not None:
            check_first_stage("vae", self.vae, VariationalAutoencoder, self.volume_shape_)
            self._refuse_what_is_of_volumes(settings)
            length = code_length(unfrozen(self.vae))
            params.update(volume_shape=(1, 1, length), dense=True)
        return Plan(
            ConditionalVariationalNetwork,
            params,
            ConditionalVariationalLoss(to_plain(self.alpha), self._class_weights(targets)),
            settings.views(),
            no_tilt_ranges=None
            if self.vae is None
            else "Latent codes are not rotated; fit the vae with tilt_ranges_deg, and pass it.",
        )

    def _refuse_what_is_of_volumes(self, settings: FitSettings) -> None:
        name = type(self).__name__
        if settings.augmentation is not None:
            raise ValueError(
                f"{name} has no use for augmentation with a vae, as latent codes are not rotated. "
                "Set augmentation='none' here, and that of the vae."
            )
        if not isinstance(settings.network, Liu2019):
            raise ValueError(
                f"{name} has no use for network={type(settings.network).__name__}(...) with a vae, "
                "since latent codes go through dense layers. Set network='liu2019' here, and that "
                "of the vae."
            )
        refuse_unused(name, "network", settings.network, ("n_blocks", "n_filters"))

    def network_inputs(
        self, volumes: Any, *, beginning: bool = False, checkpoint: CheckpointPart | None = None
    ) -> Any:
        """Return volumes, or mean latent codes of the autoencoder in the form of volumes."""
        if beginning:
            self.vae_ = fitted_first_stage(unfrozen(self.vae), volumes, checkpoint)
        if self.vae_ is None:
            return volumes
        return self.vae_.transform(volumes)[:, np.newaxis, np.newaxis]
