"""The semi-supervised variational autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator

from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._params import NumberInterval
from sksubtomo.base import (
    BaseVolumeClassifier,
    check_first_stage,
    fitted_first_stage,
    with_params,
)
from sksubtomo.decomposition import VariationalAutoencoder
from sksubtomo.networks import ConditionalVariationalNetwork
from sksubtomo.training import ConditionalVariationalLoss, ViewPolicy


class SemiSupervisedVAEClassifier(BaseVolumeClassifier):
    r"""Deep generative model of volumes and their classes (M2, and M1+M2).

    A volume comes from a class :math:`y` and a code :math:`z`. The classifier :math:`q(y | x)`, the
    encoder :math:`q(z | x, y)` and the decoder :math:`p(x | y, z)` are trained together on bounds
    of the likelihood: of a labelled volume

    .. math::

        -\log p(x, y) \le L(x, y) = -\mathrm{E}_{q(z | x, y)} \log p(x | y, z) - \log p(y)
        + \mathrm{KL}\left(q(z | x, y) \,\Vert\, N(0, 1)\right)

    and of an unlabelled one, by the exact sum over the classes,

    .. math:: -\log p(x) \le U(x) = \sum_y q(y | x) \left(L(x, y) + \log q(y | x)\right)

    Of a batch, it minimises the mean of :math:`L` and :math:`U` over the volumes, plus ``alpha``
    times the mean cross-entropy of :math:`q(y | x)` over the labelled ones. Classes are equally
    probable a priori.

    Parameters
    ----------
    vae : VariationalAutoencoder or FrozenEstimator of one, optional
        By default, the model describes volumes, by convolutions (M2). With a variational
        autoencoder it describes the autoencoder's mean codes, by dense layers (M1+M2). One that is
        not fitted is cloned, and fitted to all volumes; a fitted one is used as it is. Where
        estimators are cloned, as in ``GridSearchCV``, only ``FrozenEstimator(vae)`` keeps a fit.
    alpha : float, default=0.1
        Weight of the cross-entropy. [1]_ weighs it by 0.1 N against the sum over N volumes,
        which is 0.1 against the mean.
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
        for 64; of "resnet" as many as leave none below 4, 3 for 28; of MONAI's, their own) and
        ``n_filters`` (32), without `vae`; ``n_hidden`` (128), the width of dense layers;
        ``latent_dim`` (50), the length of the code :math:`z`; ``noise_std`` (1), the standard
        deviation of a voxel around its mean, of standardised volumes; of codes, where the learning
        of it begins.
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
        over steps; ``labeled_share`` (None), the share of labelled volumes in every batch;
        ``steps_per_epoch`` (None), batches in an epoch instead of one pass;
        ``accelerate`` (False), whether processes that a launcher started train together.
    learning_rate : float, default=1e-4
        Adam's learning rate.
    batch_size : int, default=64
        Volumes in a batch.
    max_epochs : int, default=100
        Passes over the volumes.
    early_stopping : bool, default=True
        Whether to hold out volumes, stop when their loss no longer falls, and go back to
        the weights that were best.
    validation_fraction : float, default=0.1
        Share of the volumes to hold out, class by class. Only labels given to :meth:`fit`
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
    vae_ : VariationalAutoencoder or None
        M1, fitted, in M1+M2.
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the PyTorch network.
    history_ : list of dict
        One entry an epoch: ``train_loss`` (nats a volume), ``train_cross_entropy``, the same with
        ``valid_``, and seconds, ``dur``.
    n_iter_ : int
        Epochs trained.
    precision_ : {"float32", "tf32", "bfloat16"}
        What products were computed in.
    transduction_ : ndarray of shape (n_samples,)
        Labels of all volumes of :meth:`fit`: those given, else those predicted.
    offset_, scale_ : float
        The two numbers of ``standardize``.

    See Also
    --------
    sksubtomo.decomposition.VariationalAutoencoder : M1; with a classifier on its codes.
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

    _network = ConditionalVariationalNetwork
    _is_semi_supervised = True
    _criterion = ConditionalVariationalLoss
    _network_defaults: ClassVar[dict[str, Any]] = VariationalAutoencoder._network_defaults
    _network_constraints: ClassVar[dict[str, list]] = VariationalAutoencoder._network_constraints
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
        self.vae = vae
        self.alpha = alpha
        self.class_weight = class_weight
        self.classes = classes

    def _check_data(self, X: Any, y: Any, **options: Any) -> tuple[Any, Any]:
        checked = super()._check_data(X, y, **options)
        if self.vae is not None:
            check_first_stage("vae", self.vae, VariationalAutoencoder, self.volume_shape_)
        return checked

    def _fixed_params(self) -> dict[str, Any]:
        return {**super()._fixed_params(), **with_params("vae", self.vae)}

    def _train(
        self,
        X: NDArray[np.float32],
        targets: NDArray[np.int64],
        *,
        resume: bool,
        validation: Any = None,
        **options: Any,
    ) -> None:
        if not resume:
            self.vae_ = fitted_first_stage(unfrozen(self.vae), X)
        if validation is not None:
            validation = self._inputs(validation[0]), validation[1]
        super()._train(self._inputs(X), targets, resume=resume, validation=validation, **options)

    def _views(self) -> ViewPolicy:
        # Codes have no orientation; the first stage has an augmentation of its own.
        return super()._views() if self._sees_volumes() else ViewPolicy()

    def _sees_volumes(self) -> bool:
        return self.vae is None

    def _check_use_of_tilt_ranges(self, X_val: Any) -> None:
        super()._check_use_of_tilt_ranges(X_val)
        if not self._sees_volumes():
            raise ValueError(
                "Codes are not rotated; fit the vae with tilt_ranges_deg, and pass it."
            )

    def _inputs(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the model describes: volumes, or mean codes in the form of volumes."""
        return X if self.vae_ is None else self.vae_.transform(X)[:, np.newaxis, np.newaxis]

    def _forward_batches(self, method: str, inputs: Any) -> Iterator[NDArray[np.float32]]:
        return super()._forward_batches(method, self._inputs(inputs))

    def _module_params(self) -> dict[str, Any]:
        params = super()._module_params()
        if self.vae_ is not None:
            params.update(volume_shape=(1, 1, self.vae_.net_.module_.latent_dim), dense=True)
        return params

    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        return {"alpha": self.alpha, "class_weight": self._class_weights(targets)}
