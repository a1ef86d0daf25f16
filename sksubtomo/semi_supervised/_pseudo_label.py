"""Self-training inside the training run."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from skorch.callbacks import Callback

from sksubtomo._utils._labels import decode_labels
from sksubtomo._utils._params import NumberInterval
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.training import PseudoLabels, VolumeDataset


class PseudoLabelClassifier(CNNClassifier):
    r"""Supervised network that labels unlabelled volumes while it trains.

    Trains as :class:`~sksubtomo.neural_network.CNNClassifier`. Between epochs it predicts the
    unlabelled volumes; those whose most probable class :math:`k` has :math:`p_k > t`, the
    threshold, join the training volumes with that class, and stay. Batch normalisation, loss and
    scale know the other unlabelled volumes as little as the supervised network does.

    scikit-learn's way, which trains a new classifier in every round, is
    :class:`~sksubtomo.semi_supervised.SelfTrainingClassifier`.

    Parameters
    ----------
    threshold : float, default=0.95
        Probability above which a predicted class is taken for a label; 1 adds nothing. The paper
        found 0.95 for simulated and 0.6 for real volumes, by grid search.
    warm_up_epochs : int, default=1
        Epochs on the given labels alone, before the first prediction of the unlabelled.
    refresh_interval : int, default=1
        Epochs between predictions of the unlabelled.
    max_per_class : int, optional
        Most volumes that may join any one class, the most probable first, so that one class
        cannot swallow the rest. By default no limit, as in the paper.
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
    transduction_ : ndarray of shape (n_samples,)
        Labels at the end of the last fit, pseudo-labels included; -1 (strings: "unlabeled")
        where there is none.
    labeled_iter_ : ndarray of shape (n_samples,)
        Number of epochs after which a volume got its label: 0 if it had one, -1 if it never did.
    termination_condition_ : {"all_labeled", "no_change", "max_iter"}
        Whether, in the end, every volume had a label; or the last prediction of the unlabelled
        added none; or the epochs ended while it still did.
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
    offset_, scale_ : float
        The two numbers of ``standardize``.

    See Also
    --------
    sksubtomo.semi_supervised.SelfTrainingClassifier : Self-training around any classifier.
    sksubtomo.semi_supervised.AutoencodingClassifier : Learns from unlabelled volumes by
        reconstruction.

    Notes
    -----
    A fit that goes on (``warm_start``, :meth:`partial_fit`) begins from the given labels again, and
    predicts the unlabelled volumes before its first epoch. Volumes held out for early stopping are
    labelled ones, and are never trained on.

    References
    ----------
    Lee, "Pseudo-label: the simple and efficient semi-supervised learning method for deep neural
    networks", ICML workshop 2013.

    Liu et al., "Semi-supervised macromolecule structural classification in cellular
    electron cryo-tomograms using 3D autoencoding classifier", BMVC 2019.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.model_selection import mask_labels
    >>> from sksubtomo.semi_supervised import PseudoLabelClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> y_masked = mask_labels(y, n_per_class=5, random_state=0)
    >>> clf = PseudoLabelClassifier(threshold=0.6, max_epochs=3, random_state=0).fit(X, y_masked)
    >>> clf.transduction_.shape, clf.labeled_iter_.shape
    ((40,), (40,))
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **CNNClassifier._parameter_constraints,
        "threshold": [NumberInterval(Real, 0, 1, closed="both")],
        "warm_up_epochs": [NumberInterval(Integral, 1, None, closed="left")],
        "refresh_interval": [NumberInterval(Integral, 1, None, closed="left")],
        "max_per_class": [NumberInterval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        threshold=0.95,
        warm_up_epochs=1,
        refresh_interval=1,
        max_per_class=None,
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
        self.threshold = threshold
        self.warm_up_epochs = warm_up_epochs
        self.refresh_interval = refresh_interval
        self.max_per_class = max_per_class

    def _selection(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "warm_up_epochs": self.warm_up_epochs,
            "refresh_interval": self.refresh_interval,
            "max_per_class": self.max_per_class,
        }

    def _callbacks(self) -> list[Callback]:
        return [PseudoLabels(**self._selection())]

    def _update_net(self, targets: NDArray[np.int64]) -> None:
        super()._update_net(targets)
        callback = dict(self.net_.callbacks_)[PseudoLabels.__name__]
        for name, value in self._selection().items():
            setattr(callback, name, value)

    def _record(self, dataset: VolumeDataset) -> None:
        self.transduction_ = decode_labels(dataset.targets, self.classes_)
        self.labeled_iter_ = dataset.labeled_iter
        callback = dict(self.net_.callbacks_)[PseudoLabels.__name__]
        if (dataset.targets >= 0).all():
            self.termination_condition_ = "all_labeled"
        else:
            self.termination_condition_ = "max_iter" if callback.n_added_ else "no_change"
        super()._record(dataset)
