"""Pre-training an autoencoder, then fine-tuning a classifier."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator

from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._params import NumberInterval
from sksubtomo.base import check_first_stage, fitted_first_stage, with_params
from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder
from sksubtomo.neural_network import CNNClassifier

_FIRST_STAGES = (Autoencoder, ContrastiveEncoder)


class FineTunedClassifier(CNNClassifier):
    """Supervised network that starts from the encoder of an autoencoder.

    Two stages, one after the other: an :class:`~sksubtomo.decomposition.Autoencoder` learns from
    all volumes, labelled or not; then :class:`~sksubtomo.neural_network.CNNClassifier`, its
    convolutions set to those of the autoencoder, learns from the labelled volumes.

    Parameters
    ----------
    autoencoder : Autoencoder, ContrastiveEncoder or FrozenEstimator of one, optional
        The first stage, whose `network` holds for both. One that is not fitted is cloned, and
        fitted to all volumes. A fitted one is used as it is. :func:`sklearn.base.clone`, and with
        it ``GridSearchCV``, forgets fits: there, pass ``FrozenEstimator(autoencoder)``, and the
        first stage is done once for all. By default, an autoencoder with the parameters of this
        estimator.
    pretrain_epochs : int, optional
        Epochs of the default autoencoder; by default `max_epochs`. 0 leaves the first stage out,
        which is :class:`~sksubtomo.neural_network.CNNClassifier`.
    freeze_encoder : bool, default=False
        Whether the second stage leaves the convolutions as they are and trains the dense layers
        only.
    class_weight : dict or "balanced", optional
        Weights of the classes in the cross-entropy.
    classes : array-like of shape (n_classes,), optional
        All classes. By default those that occur in `y`. To be given where a subset of the data may
        lack a class, as in cross-validation with few labels.
    network : str, default="liu2019"
        "liu2019", that of Liu et al.; "resnet", residual, batch-normalised and globally pooled; or
        "monai:NAME", a classification network of MONAI, such as "monai:resnet18".
    network_params : dict, optional
        ``n_blocks`` (by default as many as leave no edge above 7 voxels, 2 for boxes of 28 and 4
        for 64; of "resnet" as many as leave none below 4, 3 for 28; of MONAI's, their own),
        ``n_filters`` (32) and, for the default autoencoder, ``latent_dim`` (128). Not to be given
        with `autoencoder`, whose own hold.
    augmentation : {"none", "rotations"} or dict, default="none"
        Random copies to train on: rotated over all orientations and shifted, the missing wedge
        cut afterwards. A dictionary changes what "rotations" does: ``tilt_range_deg`` (60, or a
        pair, or None for no wedge), ``max_shift_voxels`` (1), ``rotate`` (True), ``noise_std`` (0),
        ``contrast`` (0), ``low_pass`` (None, or a pair of cutoffs in cycles per voxel),
        ``oversampling`` (2) and ``outside`` ("wrap"). See the user guide.
    test_time_rotations : int, default=0
        Rotated copies over which predictions are averaged; 0 takes volumes as they are. Networks
        that were trained on copies should see copies, whose spectrum differs a little.
    training_params : dict, optional
        Adam's ``betas`` ((0.9, 0.99)) and ``weight_decay`` (0); ``n_iter_no_change`` (10), the
        epochs without a better validation loss after which training stops; ``standardize`` (True),
        whether two numbers, the mean and the standard deviation over all voxels trained on, take
        the volumes to the network's scale; ``n_workers`` (0), the processes that read batches
        ahead, for volumes in files; ``optimizer`` ("adam" or "adamw"); ``schedule`` ("constant" or
        "one_cycle") of the learning rate; ``average_decay`` (0), with which weights are averaged
        over steps; ``steps_per_epoch`` (None), batches in an epoch instead of one pass;
        ``accelerate`` (False), whether processes that a launcher started train together.
    learning_rate : float, default=1e-4
        Adam's learning rate.
    batch_size : int, default=64
        Volumes in a batch.
    max_epochs : int, default=100
        Passes over the labelled volumes.
    early_stopping : bool, default=True
        Whether to hold out labelled volumes, stop when their loss no longer falls, and go back to
        the weights that were best.
    validation_fraction : float, default=0.1
        Share of the labelled volumes to hold out, class by class. Only labels given to :meth:`fit`
        are used. One labelled volume of every class stays in training.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the last fit, with its network, optimizer and early
        stopping, which must not have changed.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1"...; "auto" takes a GPU if there is one.
    precision : {"auto", "float32", "tf32", "bfloat16"}, default="auto"
        Of the products in the network's layers; weights, losses, probabilities and results are
        float32. "auto" is float32 on CPUs and bfloat16 on GPUs from Ampere on. Reduced precision
        is only used where a self-test of the device passes, and never for boxes with an edge of 1.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, the order of samples and what is held out. The
        same integer gives the same bits on a CPU with the same number of threads.
    verbose : int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted, without the label that means "unlabelled".
    autoencoder_ : Autoencoder, ContrastiveEncoder or None
        The first stage, fitted; its ``history_`` tells of it.
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the PyTorch network.
    history_ : list of dict
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, the same with ``valid_``, and
        seconds, ``dur``.
    n_iter_ : int
        Epochs trained.
    precision_ : {"float32", "tf32", "bfloat16"}
        What products were computed in.
    transduction_ : ndarray of shape (n_samples,)
        Labels of all volumes of :meth:`fit`: those given, else those predicted.
    offset_, scale_ : float
        The two numbers of ``standardize``; those of the autoencoder, if there is one.

    See Also
    --------
    sksubtomo.semi_supervised.AutoencodingClassifier : Both stages at once.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.

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

    _network_defaults: ClassVar[dict[str, Any]] = Autoencoder._network_defaults
    _is_semi_supervised = True
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **CNNClassifier._parameter_constraints,
        "autoencoder": [*_FIRST_STAGES, FrozenEstimator, None],
        "pretrain_epochs": [NumberInterval(Integral, 0, None, closed="left"), None],
        "freeze_encoder": ["boolean"],
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        pretrain_epochs=None,
        freeze_encoder=False,
        class_weight=None,
        classes=None,
        network="liu2019",
        network_params=None,
        augmentation="none",
        test_time_rotations=0,
        training_params=None,
        learning_rate=1e-4,
        batch_size=64,
        max_epochs=100,
        early_stopping=True,
        validation_fraction=0.1,
        warm_start=False,
        volume_shape=None,
        device="auto",
        precision="auto",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            class_weight=class_weight,
            classes=classes,
            network=network,
            network_params=network_params,
            augmentation=augmentation,
            test_time_rotations=test_time_rotations,
            training_params=training_params,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_epochs=max_epochs,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            volume_shape=volume_shape,
            device=device,
            precision=precision,
            random_state=random_state,
            verbose=verbose,
        )
        self.autoencoder = autoencoder
        self.pretrain_epochs = pretrain_epochs
        self.freeze_encoder = freeze_encoder

    def _first_stage(self) -> Autoencoder | ContrastiveEncoder | None:
        """Return the encoder to start from, fitted or not; None to start from nothing."""
        if self.autoencoder is not None or self.pretrain_epochs == 0:
            return unfrozen(self.autoencoder)
        shared = {*Autoencoder._get_param_names()} & {*self._get_param_names()}
        params = {name: getattr(self, name) for name in shared}
        if self.pretrain_epochs is not None:
            params["max_epochs"] = self.pretrain_epochs
        return Autoencoder(**{**params, "warm_start": False})

    def _check_data(self, X: Any, y: Any, **options: Any) -> tuple[Any, Any]:
        checked = super()._check_data(X, y, **options)
        if self.autoencoder is not None:
            if self.network_params is not None or self.pretrain_epochs is not None:
                raise ValueError(
                    "network_params and pretrain_epochs are those of the default autoencoder; "
                    "with autoencoder given, set them there."
                )
            check_first_stage("autoencoder", self.autoencoder, _FIRST_STAGES, self.volume_shape_)
        return checked

    def _fixed_params(self) -> dict[str, Any]:
        pre_training = {"pretrain_epochs": self.pretrain_epochs}
        inner = with_params("autoencoder", self.autoencoder)
        return {**super()._fixed_params(), **pre_training, **inner}

    def _check_use_of_tilt_ranges(self, X_val: Any) -> None:
        super()._check_use_of_tilt_ranges(X_val)
        stage = self._first_stage()
        if stage is not None and not hasattr(stage, "net_"):
            raise ValueError(
                "tilt_ranges_deg are not handed on to the first stage. Fit the autoencoder with "
                "them, and pass it fitted, in a FrozenEstimator."
            )

    def _module_params(self) -> dict[str, Any]:
        params = super()._module_params()
        if self.autoencoder is not None:
            sizes = self._first_stage()._checked_network_params()
            params.update({name: sizes[name] for name in ("n_blocks", "n_filters")})
            params["network"] = self._first_stage().network
        return params

    def _prepare(self, X: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        self.autoencoder_ = fitted_first_stage(self._first_stage(), X)
        if self.autoencoder_ is None:
            super()._prepare(X, rows)
        else:
            self.offset_, self.scale_ = self.autoencoder_.offset_, self.autoencoder_.scale_

    def _build_net(self, *args: Any) -> None:
        super()._build_net(*args)
        if self.autoencoder_ is not None:
            trained = self.autoencoder_.net_.predictor_.encoder.blocks
            self._blocks().load_state_dict(trained.state_dict())
        self._blocks().requires_grad_(not self.freeze_encoder)

    def _update_net(self, targets: NDArray[np.int64]) -> None:
        super()._update_net(targets)
        self._blocks().requires_grad_(not self.freeze_encoder)

    def _blocks(self) -> torch.nn.Module:
        return self.net_.module_.encoder.blocks
