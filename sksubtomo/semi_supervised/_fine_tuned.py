"""Pre-training an autoencoder, then fine-tuning a classifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._docs import documented
from sksubtomo._utils._settings import store_parameters
from sksubtomo.base import (
    BaseVolumeClassifier,
    Uses,
    check_first_stage,
    fitted_first_stage,
    resolve,
    with_params,
)
from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder
from sksubtomo.networks import Liu2019, NetworkSettings
from sksubtomo.training import FineTuningTraining, FitSettings, Plan, Training, VolumeNet

_FIRST_STAGES = (Autoencoder, ContrastiveEncoder)


@documented
class FineTunedClassifier(BaseVolumeClassifier):
    """Supervised network that starts from the encoder of an autoencoder.

    Two stages, one after the other: an :class:`~sksubtomo.decomposition.Autoencoder` learns from
    all volumes, labeled or not; then :class:`~sksubtomo.neural_network.CNNClassifier`, its
    convolutions set to those of the autoencoder, learns from the labeled volumes.

    Parameters
    ----------
    autoencoder : Autoencoder, ContrastiveEncoder or FrozenEstimator of one, optional
        The pre-trained model, whose `network` holds for both. One that is not fitted is cloned, and
        fitted to all volumes. A fitted one is used as it is. :func:`sklearn.base.clone`, and with
        it ``GridSearchCV``, forgets fits: there, pass ``FrozenEstimator(autoencoder)``, and
        pre-training is done once for all. By default, an autoencoder with the parameters of this
        estimator, for ``pretrain_epochs`` of `training`.
    freeze_encoder : bool, default=False
        Whether the second stage leaves the convolutions as they are and trains the dense layers
        only.
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    autoencoder_ : Autoencoder, ContrastiveEncoder or None
        The pre-trained model; its ``history_`` tells of it.
    %(transduction_)s
    offset_, scale_ : float
        The two numbers of ``standardize``; those of the autoencoder, if there is one.
    %(fitted_classifier)s
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, the same with ``valid_``, and
        seconds, ``dur``.

    See Also
    --------
    sksubtomo.semi_supervised.AutoencodingClassifier : Both stages at once.

    %(liu2019)s

    Examples
    --------
    One pre-training for a search over the second stage:

    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder
    >>> from sksubtomo.model_selection import SemiSupervisedSplit, mask_labels
    >>> from sksubtomo.semi_supervised import FineTunedClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> autoencoder = Autoencoder(max_epochs=2, random_state=0).fit(X)
    >>> clf = FineTunedClassifier(FrozenEstimator(autoencoder), max_epochs=2, random_state=0)
    >>> grid = {"freeze_encoder": [False, True]}
    >>> search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(2)).fit(X, y_masked)
    >>> search.best_estimator_.autoencoder_ is autoencoder
    True
    """

    is_semi_supervised = True
    learns_from_unlabeled = False
    uses = Uses(FineTuningTraining, latent_dim=128, decoder=True)
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
        "autoencoder": [*_FIRST_STAGES, FrozenEstimator, None],
        "freeze_encoder": ["boolean"],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        freeze_encoder=False,
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
        return resolve(self, with_params("autoencoder", self.autoencoder))

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan the supervised network, with the pre-trained encoder."""
        plan = super().plan(settings, targets)
        network = settings.network
        if self.autoencoder is not None:
            check_first_stage("autoencoder", self.autoencoder, _FIRST_STAGES, self.volume_shape_)
            network = _network_of(unfrozen(self.autoencoder))
            _refuse_what_is_of_the_default(settings, network)
        # The length of the code is the autoencoder's; a classifier has none.
        plan.network_params["network"] = clone(network).set_params(latent_dim=None)
        plan = plan._replace(frozen="encoder.blocks" if self.freeze_encoder else None)
        if self._has_to_fit_first_stage(settings):
            plan = plan._replace(
                no_tilt_ranges="tilt_ranges_deg are not handed on to the pre-training. Fit the "
                "autoencoder with them, and pass it fitted, in a FrozenEstimator."
            )
        return plan

    def prepare(
        self,
        inputs: Any,
        rows: NDArray[np.intp],
        settings: FitSettings,
        checkpoint: CheckpointPart | None = None,
    ) -> None:
        """Pre-train, unless that is done, and take the scale over."""
        self.autoencoder_ = fitted_first_stage(self._first_stage(settings), inputs, checkpoint)
        if self.autoencoder_ is None:
            super().prepare(inputs, rows, settings, checkpoint)
        else:
            self.offset_, self.scale_ = self.autoencoder_.offset_, self.autoencoder_.scale_

    def start_from(self, net: VolumeNet) -> None:
        """Take over the pre-trained convolutions."""
        if self.autoencoder_ is not None:
            trained = self.autoencoder_.net_.predictor_.encoder.blocks
            net.module_.encoder.blocks.load_state_dict(trained.state_dict())

    def _has_to_fit_first_stage(self, settings: FitSettings) -> bool:
        if self.autoencoder is None:
            return settings.training.pretrain_epochs != 0
        return not hasattr(unfrozen(self.autoencoder), "net_")

    def _first_stage(self, settings: FitSettings) -> Autoencoder | ContrastiveEncoder | None:
        """Return the encoder to start from, fitted or not; None to start from nothing."""
        training = settings.training.get_params()
        epochs = training.pop("pretrain_epochs")
        if self.autoencoder is not None or epochs == 0:
            return unfrozen(self.autoencoder)
        shared = {*Autoencoder._get_param_names()} & {*self._get_param_names()}
        params = {name: getattr(self, name) for name in shared}
        params["training"] = Training(**training)
        if epochs is not None:
            params["max_epochs"] = epochs
        return Autoencoder(**{**params, "warm_start": False})


def _network_of(stage: Any) -> NetworkSettings:
    """Return the network of the pre-trained model, or of the one to be."""
    return stage.net_.module__network if hasattr(stage, "net_") else resolve(stage).network


def _refuse_what_is_of_the_default(settings: FitSettings, network: NetworkSettings) -> None:
    """Refuse settings that the autoencoder that was given has, too, and whose own hold."""
    given = (type(settings.network), settings.network.get_params())
    own = [(type(one), one.get_params()) for one in (network, Liu2019())]
    training = settings.training
    if given not in own or training.pretrain_epochs is not None or not training.standardize:
        raise ValueError(
            "network, and pretrain_epochs and standardize of training, are those of the default "
            "autoencoder; with autoencoder given, set them there."
        )
