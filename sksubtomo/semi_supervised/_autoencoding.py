"""The autoencoding classifier."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from sksubtomo._utils._params import NumberInterval
from sksubtomo.base import BaseVolumeClassifier, ReconstructionMixin, make_corruption
from sksubtomo.fourier import missing_wedge_mask
from sksubtomo.networks import AutoencodingNetwork
from sksubtomo.training import JointLoss, PseudoLabelConsistency, ViewPolicy


class AutoencodingClassifier(ReconstructionMixin, BaseVolumeClassifier):
    r"""Classifier and autoencoder that share an encoder and are trained together.

    A convolutional encoder feeds a decoder, which reconstructs every volume, and a
    classifier, which learns from the labelled ones. For a batch of :math:`n` volumes :math:`x_i`,
    of which those in :math:`S` have a label :math:`y_i`, it minimises

    .. math::

        \frac{1}{n} \sum_i a_i \mathrm{MSE}(x_i, \hat x_i)
        + \beta \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}
        + \frac{\lambda}{n} \sum_i \lVert c_i \rVert_1 + \gamma C

    where :math:`a_i` is ``alpha`` for labelled and ``unlabeled_weight`` for unlabelled volumes,
    MSE is the mean over voxels, :math:`c_i` the code, :math:`w` the class weights, and :math:`C`,
    with the weight `consistency`, is what unlabelled volumes cost whose copies the network puts
    into different classes. Every term can be switched off, and copies are made with `augmentation`.

    Parameters
    ----------
    alpha : float, default=1
        Weight of the reconstruction error of labelled volumes. 0 switches the
        reconstruction branch off, unless `unlabeled_weight` is given. That leaves the supervised
        network; the decoder, most of the cost, is then never run.
    beta : float, default=1
        Weight of the cross-entropy.
    unlabeled_weight : float, optional
        Weight of the reconstruction error of unlabelled volumes. By default 1, as in Algorithm 1
        of the paper, or 0 if `alpha` is 0.
    consistency : float, default=0
        Weight :math:`\gamma` of the cross-entropy of unlabelled volumes with the class that the
        network, its weights averaged if ``average_decay`` says so, gives to another copy of
        them, where it is sure; see :class:`FixMatchClassifier`. Needs `augmentation`.
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
        ``n_filters`` (32), ``latent_dim`` (128), and ``batch_norm_rows``: "all" rows of a batch
        enter the statistics of the classifier's batch normalisation, which is the default, or only
        the "labeled" ones. See Notes.
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
        Adam's ``betas`` ((0.9, 0.99)) and ``weight_decay`` (0); the weight
        ``sparsity`` (1e-4) of the L1 norm of the code; ``measured_region`` (False), whether the
        reconstruction error counts only what the tilts of `augmentation` measure; ``corruption``
        (None), a dictionary of ``noise_std``, ``contrast`` and ``low_pass``: what is done to
        copies that are to be reconstructed without it; ``threshold`` ("adaptive", or a
        probability) of `consistency`; ``n_iter_no_change`` (10), the epochs
        without a better validation loss after which training stops; ``standardize`` (True),
        whether two numbers, the mean and the standard deviation over all training voxels, take
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
        Passes over the training volumes.
    early_stopping : bool, default=True
        Whether to hold out volumes, stop when their loss no longer falls, and go back to the
        weights that were best.
    validation_fraction : float, default=0.1
        Share of the volumes, labelled (class by class) and unlabelled alike, to hold out. Only
        labels given to :meth:`fit` are used. One labelled volume of every class stays in training.
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
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the PyTorch network.
    history_ : list of dict
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, ``train_reconstruction_error``
        (of standardised volumes), with `consistency` also ``train_inconsistency`` and
        ``train_kept_share``, the share of volumes compared that had a say; losses of volumes held
        out with ``valid_``; and seconds, ``dur``.
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
    sksubtomo.model_selection.SemiSupervisedSplit : Cross-validation with unlabelled volumes.
    sksubtomo.preprocessing.VolumeNormalizer : Brings volumes to a common scale one by one.
    sksubtomo.semi_supervised.WithUnlabeled : For meta-estimators that do not know -1.

    Notes
    -----
    The cross-entropy is the mean over the labelled volumes of a batch, as in the published
    implementation. Algorithm 1, which takes one sample at a time, is the same
    up to scaling `beta` by the labelled fraction.

    The paper says that unlabelled volumes, too, are put into the classifier, without
    their having a part in its loss; so they count in the statistics of its batch normalisation.
    ``network_params={"batch_norm_rows": "labeled"}`` keeps them out, as Algorithm 1 is
    written. Then a batch with a single labelled volume is normalised by the running statistics.

    References
    ----------
    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import AutoencodingClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> clf = AutoencodingClassifier(max_epochs=2, random_state=0).fit(X, y_masked)
    >>> clf.predict_proba(X).shape, clf.transform(X).shape, clf.reconstruct(X).shape
    ((40, 2), (40, 128), (40, 16, 16, 16))
    """

    _network = AutoencodingNetwork
    _is_semi_supervised = True
    _criterion = JointLoss
    _network_defaults: ClassVar[dict[str, Any]] = {
        **BaseVolumeClassifier._network_defaults,
        "batch_norm_rows": "all",
    }
    _network_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._network_constraints,
        "batch_norm_rows": [StrOptions({"all", "labeled"})],
    }
    _training_defaults: ClassVar[dict[str, Any]] = {
        **BaseVolumeClassifier._training_defaults,
        "sparsity": 1e-4,
        "measured_region": False,
        "corruption": None,
        "threshold": "adaptive",
    }
    _training_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._training_constraints,
        "sparsity": [NumberInterval(Real, 0, None, closed="left")],
        "measured_region": ["boolean"],
        "corruption": [dict, None],
        "threshold": [StrOptions({"adaptive"}), NumberInterval(Real, 0, 1, closed="both")],
    }
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
        "alpha": [NumberInterval(Real, 0, None, closed="left")],
        "beta": [NumberInterval(Real, 0, None, closed="left")],
        "unlabeled_weight": [NumberInterval(Real, 0, None, closed="left"), None],
        "consistency": [NumberInterval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        alpha=1.0,
        beta=1.0,
        unlabeled_weight=None,
        consistency=0.0,
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
        self.alpha = alpha
        self.beta = beta
        self.unlabeled_weight = unlabeled_weight
        self.consistency = consistency
        self.class_weight = class_weight
        self.classes = classes

    def _unlabeled_weight(self) -> float:
        if self.unlabeled_weight is None:
            return 0.0 if self.alpha == 0 else 1.0
        return self.unlabeled_weight

    def _trains_decoder(self) -> bool:
        return self.alpha > 0 or self._unlabeled_weight() > 0

    def _module_params(self) -> dict[str, Any]:
        return {**super()._module_params(), "reconstructs": self._trains_decoder()}

    def _views(self) -> ViewPolicy:
        views = super()._views()
        params = self._checked_training_params()
        if views.augmentation is None and (self.consistency or params["measured_region"]):
            raise ValueError(
                "consistency compares copies of volumes, and measured_region takes the tilts from "
                "augmentation: set augmentation, for example to 'rotations'."
            )
        if self.consistency and self._checked_network_params()["batch_norm_rows"] == "labeled":
            raise ValueError(
                "With batch_norm_rows='labeled' the classifier never sees unlabelled volumes, and "
                "consistency cannot be asked for; leave batch_norm_rows='all'."
            )
        if params["corruption"] is not None:
            corruption = make_corruption(
                type(self).__name__, params["corruption"], "corruption", views.augmentation
            )
            views = views._replace(corruption=corruption, clean_target=True)
        teacher = "average" if params["average_decay"] else "self"
        return views._replace(teacher=teacher) if self.consistency else views

    def _validates_on_unlabeled(self) -> bool:
        return self._trains_decoder()

    def _check_use_of_tilt_ranges(self, X_val: Any) -> None:
        super()._check_use_of_tilt_ranges(X_val)
        if self._checked_training_params()["measured_region"]:
            raise ValueError(
                "measured_region knows one tilt range for all volumes; leave it False with "
                "tilt_ranges_deg."
            )

    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        params = self._checked_training_params()
        compared = {}
        if self.consistency:
            module = PseudoLabelConsistency(self._class_shares(targets), params["threshold"])
            compared = {"consistency_weight": self.consistency, "consistency": module}
        return {
            "alpha": self.alpha,
            "beta": self.beta,
            "unlabeled_weight": self._unlabeled_weight(),
            "sparsity": params["sparsity"],
            "class_weight": self._class_weights(targets),
            "measured": self._measured() if params["measured_region"] else None,
            **compared,
        }

    def _measured(self) -> torch.Tensor:
        """Where the tilts measure."""
        tilts = self._views().augmentation.tilt_range_deg
        if tilts is None:
            raise ValueError(
                "measured_region needs a tilt range, but tilt_range_deg of augmentation is None."
            )
        return torch.from_numpy(missing_wedge_mask(self.volume_shape_, tilts)).float()

    def _update_net(self, targets: NDArray[np.int64]) -> None:
        super()._update_net(targets)
        for network in {self.net_.module_, self.net_.predictor_}:
            network.reconstructs = self._trains_decoder()
