"""The variational autoencoder of volumes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._params import NumberInterval
from sksubtomo.base import BaseVolumeEstimator, ReconstructionMixin
from sksubtomo.networks import VariationalNetwork
from sksubtomo.training import VariationalLoss


class VariationalAutoencoder(ReconstructionMixin, BaseVolumeEstimator):
    r"""Variational autoencoder: targets with a distribution, without labels (M1).

    For every volume :math:`x`, the encoder gives a Gaussian :math:`q(z | x)` over codes, and the
    decoder the mean of a Gaussian :math:`p(x | z)` over volumes. It minimises minus the bound on
    the likelihood,

    .. math::

        -\log p(x) \le -\mathrm{E}_{q(z | x)} \log p(x | z)
        + \mathrm{KL}\left(q(z | x) \,\Vert\, N(0, 1)\right)

    in nats a volume, with one draw of :math:`z` for each volume and epoch. The mean code is what
    ``transform`` returns; any classifier of scikit-learn can go on from there, which is M1 of [1]_.

    Parameters
    ----------
    network : str, default="liu2019"
        "liu2019", that of Liu et al.; "resnet", residual, batch-normalised and globally pooled; or
        "monai:NAME", a classification network of MONAI, such as "monai:resnet18".
    network_params : dict, optional
        ``n_blocks`` (by default as many as leave no edge above 7 voxels, 2 for boxes of 28 and 4
        for 64; of "resnet" as many as leave none below 4, 3 for 28; of MONAI's, their own),
        ``n_filters`` (32), ``n_hidden`` (128), the width of the encoder's dense layer,
        ``latent_dim`` (50), the length of the code, and ``noise_std`` (1), the standard deviation
        of a voxel around its mean, of standardised volumes: the smaller, the more a code tells.
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
        Passes over the training volumes.
    early_stopping : bool, default=True
        Whether to hold out training volumes, stop when their loss no longer falls, and go back to
        the weights that were best.
    validation_fraction : float, default=0.1
        Share of the training volumes to hold out.
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
        One entry an epoch: ``train_loss``, ``train_divergence`` (nats a volume),
        ``train_reconstruction_error`` (of standardised volumes), the same with ``valid_``, and
        seconds, ``dur``.
    n_iter_ : int
        Epochs trained.
    precision_ : {"float32", "tf32", "bfloat16"}
        What products were computed in.
    offset_, scale_ : float
        The two numbers of ``standardize``.

    See Also
    --------
    sksubtomo.decomposition.Autoencoder : Codes without a distribution.
    sksubtomo.semi_supervised.SemiSupervisedVAEClassifier : A variational autoencoder that knows
        classes.

    References
    ----------
    .. [1] Kingma et al., "Semi-supervised learning with deep generative models", NeurIPS 2014.
    .. [2] Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014.

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.decomposition import VariationalAutoencoder
    >>> X, _ = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> vae = VariationalAutoencoder(max_epochs=2, random_state=0).fit(X)
    >>> vae.transform(X).shape, vae.inverse_transform(vae.transform(X)).shape
    ((40, 50), (40, 16, 16, 16))
    """

    _network = VariationalNetwork
    _criterion = VariationalLoss
    _network_defaults: ClassVar[dict[str, Any]] = {
        **BaseVolumeEstimator._network_defaults,
        "n_hidden": 128,
        "latent_dim": 50,
        "noise_std": 1.0,
    }
    _training_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._training_constraints,
        "labeled_share": [None],
    }
    _network_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeEstimator._network_constraints,
        "n_hidden": [NumberInterval(Integral, 1, None, closed="left")],
        "noise_std": [NumberInterval(Real, 0, None, closed="neither")],
    }

    def score(self, X, y=None):
        """Return minus the mean squared error of the reconstructions from the mean codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.
        y : object
            Not used.

        Returns
        -------
        score : float
            In the squared units of `X`; higher is better, 0 is perfect.
        """
        return -float(self.reconstruction_error(X).mean())

    def _criterion_params(self, targets: NDArray[np.int64]) -> dict[str, Any]:
        return {}
