"""The contrastive encoder."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._params import NumberInterval
from sksubtomo.base import BaseVolumeEstimator, EncodingMixin
from sksubtomo.networks import ContrastiveNetwork
from sksubtomo.training import ContrastiveLoss, ViewPolicy


class ContrastiveEncoder(EncodingMixin, BaseVolumeEstimator):
    """Encoder that learns, without labels, to know copies of one volume among all others.

    Of every volume in a batch, two random copies are made (see `augmentation`): rotated, shifted,
    the missing wedge cut afterwards. The encoder is trained to send both in the same direction, and
    copies of other volumes elsewhere [1]_. Its codes, which then depend little on orientation and
    wedge, are for classifiers such as :class:`sklearn.semi_supervised.LabelSpreading`, or for
    :class:`~sksubtomo.semi_supervised.FineTunedClassifier`.

    The noise of a volume is rotated with it, and is as good a mark to know it by as the molecule;
    noise and blur in `augmentation` make it a worse one. Do not count on the codes at low
    signal-to-noise ratios before you compared them with references or a supervised network.

    Parameters
    ----------
    network : str, default="resnet"
        "liu2019", that of Liu et al.; "resnet", residual, batch-normalised and globally pooled; or
        "monai:NAME", a classification network of MONAI, such as "monai:resnet18".
    network_params : dict, optional
        ``n_blocks`` and ``n_filters`` (32) of the encoder, ``latent_dim`` (128), the length of the
        code, and ``n_projections`` (64), the dimensions of the space where copies are compared.
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
        ``temperature`` (0.2) of the loss; Adam's ``betas`` ((0.9, 0.99)) and ``weight_decay`` (0);
        ``n_iter_no_change`` (10), the epochs without a better validation loss after which
        training stops; ``standardize`` (True), whether two numbers, the mean and the standard
        deviation over all training voxels, take the volumes to the network's scale; ``n_workers``
        (0), the processes that read batches ahead, for volumes in files; ``optimizer`` ("adam" or
        "adamw"); ``schedule`` ("constant" or "one_cycle") of the learning rate; ``average_decay``
        (0), with which weights are averaged over steps; ``accelerate`` (False), whether processes
        that a launcher started train together.
    learning_rate : float, default=1e-3
        Adam's learning rate.
    batch_size : int, default=64
        Volumes in a batch, at least 2. One left over for the last batch is passed over, since it
        has nothing to be compared with; in another epoch it will be another one.
    max_epochs : int, default=100
        Passes over the training volumes.
    early_stopping : bool, default=True
        Whether to hold out training volumes, stop when their loss no longer falls, and go back to
        the weights that were best.
    validation_fraction : float, default=0.1
        Share of the training volumes to hold out; none where that is a single volume.
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
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the PyTorch network.
    history_ : list of dict
        One entry an epoch: ``train_loss``, ``valid_loss`` and seconds, ``dur``.
    n_iter_ : int
        Epochs trained.
    precision_ : {"float32", "tf32", "bfloat16"}
        What products were computed in.
    offset_, scale_ : float
        The two numbers of ``standardize``.

    See Also
    --------
    Autoencoder : Codes that reconstruct.

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

    _network = ContrastiveNetwork
    _criterion = ContrastiveLoss
    _fewest_volumes = 2
    _network_defaults: ClassVar[dict[str, Any]] = {
        **BaseVolumeEstimator._network_defaults,
        "n_projections": 64,
    }
    _network_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._network_constraints,
        "n_projections": [NumberInterval(Integral, 1, None, closed="left")],
    }
    _training_defaults: ClassVar[dict[str, Any]] = {
        **BaseVolumeEstimator._training_defaults,
        "temperature": 0.2,
    }
    _training_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._training_constraints,
        "temperature": [NumberInterval(Real, 0, None, closed="neither")],
        "labeled_share": [None],
        "steps_per_epoch": [None],
    }
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._parameter_constraints,
        "batch_size": [NumberInterval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        *,
        network="resnet",
        network_params=None,
        augmentation="rotations",
        test_time_rotations=0,
        training_params=None,
        learning_rate=1e-3,
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

    def _views(self) -> ViewPolicy:
        if self.augmentation == "none":
            raise ValueError(
                "augmentation='none' makes two equal copies, and there is nothing to learn; set "
                "'rotations' or a dictionary."
            )
        return super()._views()._replace(n_views=2)

    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        return {"temperature": self._checked_training_params()["temperature"]}
