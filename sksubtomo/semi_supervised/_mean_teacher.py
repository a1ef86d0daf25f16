"""Consistency with averaged weights."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from skorch.callbacks import Callback

from sksubtomo._utils._params import NumberInterval
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.training import RampUp, SquaredErrorConsistency, ViewPolicy


class MeanTeacherClassifier(CNNClassifier):
    r"""Network that has to give the probabilities that its averaged weights give to other copies.

    The teacher is the network with weights averaged over the steps, exponentially with the
    ``average_decay`` of `training_params`; it also predicts. Teacher and network each see random
    copies of their own (see `augmentation`). For a batch of :math:`n` volumes, of which those in
    :math:`S` are labelled, it minimises

    .. math::

        \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}
        + \frac{\gamma}{n} \sum_i \lVert p_i - q_i \rVert^2

    with the class weights :math:`w`, the probabilities :math:`q` of the teacher, and the weight
    :math:`\gamma`, which grows from 0 to `consistency` over the first epochs.

    Parameters
    ----------
    consistency : float, default=8
        Weight of the squared distance, after the first epochs. [1]_ takes 100 against the mean over
        classes, which is about 10 here for 10 classes.
    ramp_up : float, default=0.3
        Share of the epochs over which the weight grows.
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
        ``train_kept_share``, the share of volumes compared that had a say, here 1; losses of
        volumes held out with ``valid_``; and seconds, ``dur``.
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
    FixMatchClassifier : Compares classes, where the network is sure.

    References
    ----------
    .. [1] Tarvainen & Valpola, "Mean teachers are better role models: weight-averaged consistency
       targets improve semi-supervised deep learning results", NeurIPS 2017.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import MeanTeacherClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> clf = MeanTeacherClassifier(max_epochs=2, random_state=0).fit(X, y_masked)
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
        "average_decay": [NumberInterval(Real, 0, 1, closed="neither")],
        "labeled_share": [None, NumberInterval(Real, 0, 1, closed="neither")],
    }
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **CNNClassifier._parameter_constraints,
        "consistency": [NumberInterval(Real, 0, None, closed="left")],
        "ramp_up": [NumberInterval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        consistency=8.0,
        ramp_up=0.3,
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
        self.ramp_up = ramp_up

    def _callbacks(self) -> list[Callback]:
        return [RampUp(self.ramp_up * self.max_epochs)]

    def _update_net(self, targets: NDArray[np.int64]) -> None:
        super()._update_net(targets)
        dict(self.net_.callbacks_)[RampUp.__name__].n_epochs = self.ramp_up * self.max_epochs

    def _validates_on_unlabeled(self) -> bool:
        return False

    def _views(self) -> ViewPolicy:
        return super()._views()._replace(teacher="average")

    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        params = {
            "consistency_weight": self.consistency,
            "consistency": SquaredErrorConsistency(),
        }
        return {**super()._criterion_params(targets), **params}
