"""Consistency of pseudo-labels between copies of a volume."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from sksubtomo._utils._params import NumberInterval
from sksubtomo.base import make_corruption
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.training import PseudoLabelConsistency, ViewPolicy

_DEFAULT_STRENGTH = {"noise_std": 0.3}


class FixMatchClassifier(CNNClassifier):
    r"""Network that has to say of a strongly changed copy what it says of a plain one.

    Of every unlabelled volume, two random copies are made (see `augmentation`). The class that the
    network gives to the first, where it is sure, is the target of the second, which is
    changed further (`strong_augmentation`). For a batch with labelled volumes :math:`S` and
    unlabelled volumes :math:`U` it minimises

    .. math::

        \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}
        + \frac{\gamma}{|U|} \sum_{i \in U} [\max_k q_{ik} \ge t] \,
        \mathrm{CE}(\arg\max_k q_{ik}, p_i)

    with the class weights :math:`w`, the weight :math:`\gamma` = `consistency`, the threshold
    :math:`t`, and the probabilities :math:`q` of the first copy, aligned with the shares of the
    given labels (ReMixMatch). The adaptive threshold is that of FreeMatch.

    Parameters
    ----------
    consistency : float, default=1
        Weight of the unlabelled volumes.
    threshold : float or "adaptive", default=0.95
        Probability from which the first copy has a say. "adaptive" follows the network's
        confidence, class by class.
    distribution_alignment : bool, default=True
        Whether :math:`q` is multiplied by the share of each class among the labels over its running
        mean, so that frequent classes do not swallow the others.
    strong_augmentation : dict, optional
        ``noise_std`` in standard deviations of the volumes, ``contrast`` and ``low_pass``, by which
        the second copies (and the labelled ones) are changed. By default noise of 0.3.
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
        ``n_filters`` (32).
    augmentation : {"none", "rotations"} or dict, default="rotations"
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
        "one_cycle") of the learning rate; ``average_decay`` (0.99), with which weights are averaged
        over steps; ``labeled_share`` (0.25), the share of labelled volumes in every batch;
        ``steps_per_epoch`` (None), batches in an epoch instead of one pass;
        ``accelerate`` (False), whether processes that a launcher started train together.
    learning_rate : float, default=1e-4
        Adam's learning rate.
    batch_size : int, default=64
        Volumes in a batch.
    max_epochs : int, default=100
        Passes over the volumes.
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
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the PyTorch network.
    history_ : list of dict
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, ``train_inconsistency`` and
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
    MeanTeacherClassifier : Compares probabilities with those of averaged weights.
    PseudoLabelClassifier : Keeps the labels it once gave.

    References
    ----------
    Sohn et al., "FixMatch: simplifying semi-supervised learning with consistency and confidence",
    NeurIPS 2020.

    Berthelot et al., "ReMixMatch: semi-supervised learning with distribution alignment and
    augmentation anchoring", ICLR 2020.

    Wang et al., "FreeMatch: self-adaptive thresholding for semi-supervised learning", ICLR 2023.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import FixMatchClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> clf = FixMatchClassifier(max_epochs=2, random_state=0).fit(X, y_masked)
    >>> clf.predict_proba(X).shape
    (40, 2)
    """

    _is_semi_supervised = True
    _learns_from_unlabeled = True
    _training_defaults: ClassVar[dict[str, Any]] = {
        **CNNClassifier._training_defaults,
        "average_decay": 0.99,
        "labeled_share": 0.25,
    }
    _training_constraints: ClassVar[dict[str, list]] = {
        **CNNClassifier._training_constraints,
        "labeled_share": [None, NumberInterval(Real, 0, 1, closed="neither")],
    }
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **CNNClassifier._parameter_constraints,
        "consistency": [NumberInterval(Real, 0, None, closed="left")],
        "threshold": [StrOptions({"adaptive"}), NumberInterval(Real, 0, 1, closed="both")],
        "distribution_alignment": ["boolean"],
        "strong_augmentation": [dict, None],
    }

    def __init__(
        self,
        *,
        consistency=1.0,
        threshold=0.95,
        distribution_alignment=True,
        strong_augmentation=None,
        class_weight=None,
        classes=None,
        network="liu2019",
        network_params=None,
        augmentation="rotations",
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
        self.class_weight = class_weight
        self.classes = classes
        self.consistency = consistency
        self.threshold = threshold
        self.distribution_alignment = distribution_alignment
        self.strong_augmentation = strong_augmentation

    def _views(self) -> ViewPolicy:
        views = super()._views()
        given = self.strong_augmentation
        strength = _DEFAULT_STRENGTH if given is None else given
        corruption = make_corruption(
            type(self).__name__, strength, "strong_augmentation", views.augmentation
        )
        return views._replace(corruption=corruption, teacher="self")

    def _validates_on_unlabeled(self) -> bool:
        return False

    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        module = PseudoLabelConsistency(
            self._class_shares(targets), self.threshold, self.distribution_alignment
        )
        params = {"consistency_weight": self.consistency, "consistency": module}
        return {**super()._criterion_params(targets), **params}
