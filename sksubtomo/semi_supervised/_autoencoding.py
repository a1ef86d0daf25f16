"""The autoencoding classifier."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import store_parameters
from sksubtomo.base import BaseVolumeClassifier, ReconstructionMixin, Uses
from sksubtomo.fourier import missing_wedge_mask
from sksubtomo.training import (
    FitSettings,
    JointLoss,
    JointTraining,
    Plan,
    PseudoLabelConsistency,
    ViewPolicy,
    code_scale,
)


@documented
class AutoencodingClassifier(ReconstructionMixin, BaseVolumeClassifier):
    r"""Classifier and autoencoder that share an encoder and are trained together.

    A convolutional encoder feeds a decoder, which reconstructs every volume, and a
    classifier, which learns from the labeled ones. For a batch of :math:`n` volumes :math:`x_i`,
    of which those in :math:`S` have a label :math:`y_i`, it minimizes

    .. math::

        \frac{1}{n} \sum_i a_i \mathrm{MSE}(x_i, \hat x_i)
        + \beta \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}
        + \frac{\lambda}{n} \sum_i \lVert c_i \rVert_1 + \gamma C

    where :math:`a_i` is `alpha` for labeled and ``unlabeled_weight`` for unlabeled volumes, MSE is
    the mean over voxels, :math:`c_i` the code, :math:`\lambda` its ``sparsity``, :math:`w` the
    class weights, and :math:`C`, with the weight :math:`\gamma` (0 by default), is what unlabeled
    volumes cost whose views the network puts into different classes. Every term can be switched
    off. What is not a parameter here is a setting of :class:`~sksubtomo.training.JointTraining`, in
    its ``reconstruction`` and ``consistency``; views are made with `augmentation`.

    Parameters
    ----------
    alpha : float, default=1
        Weight of the reconstruction error of labeled volumes. 0 switches the
        reconstruction branch off, unless ``unlabeled_weight`` is given. That leaves the supervised
        network; the decoder, most of the cost, is then never run.
    beta : float, default=1
        Weight of the cross-entropy.
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    %(transduction_)s
    %(fitted_classifier)s
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, ``train_reconstruction_error``
        (of standardized volumes), with consistency also ``train_inconsistency`` and
        ``train_kept_share``, the share of volumes compared that had a say; losses of volumes held
        out with ``valid_``; and seconds, ``dur``.

    See Also
    --------
    sksubtomo.model_selection.SemiSupervisedSplit : Cross-validation with unlabeled volumes.
    sksubtomo.preprocessing.VolumeNormalizer : Brings volumes to a common scale one by one.
    sksubtomo.semi_supervised.WithUnlabeled : For meta-estimators that do not know -1.

    Notes
    -----
    The cross-entropy is the mean over the labeled volumes of a batch, as in the published
    implementation. Algorithm 1, which takes one sample at a time, is the same
    up to scaling `beta` by the labeled fraction.

    The paper says that unlabeled volumes, too, are put into the classifier, without
    their having a part in its loss; so they count in the statistics of its batch normalization.
    ``network=Liu2019(batch_norm_rows="labeled")`` keeps them out, as Algorithm 1 is
    written. Then a batch with a single labeled volume is normalized by the running statistics.

    %(liu2019)s

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

    is_semi_supervised = True
    uses = Uses(JointTraining, latent_dim=128, decoder=True, unused=())
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
        "alpha": [NumberInterval(Real, 0, None, closed="left")],
        "beta": [NumberInterval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        alpha=1.0,
        beta=1.0,
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

    def trains_decoder(self) -> bool:
        """Return whether the next fit will train the reconstruction branch."""
        given = getattr(getattr(self.training, "reconstruction", None), "unlabeled_weight", None)
        return self.alpha > 0 or self._unlabeled_weight(given) > 0

    def _unlabeled_weight(self, given: float | None) -> float:
        if given is None:
            return 0.0 if self.alpha == 0 else 1.0
        return given

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan the joint network with all terms of its loss."""
        reconstruction = settings.training.reconstruction
        views = self._views(settings)
        reconstructs = self.trains_decoder()
        plan = super().plan(settings, targets)
        return plan._replace(
            network_params={
                **plan.network_params,
                "latent_dim": settings.latent_dim,
                "reconstructs": reconstructs,
                "code_scale": code_scale(reconstruction.sparsity),
            },
            loss=self._loss(settings, views, targets),
            views=views,
            watches_unlabeled=reconstructs,
            switches={"reconstructs": reconstructs},
            no_tilt_ranges="measured_region knows one tilt range for all volumes; leave it False "
            "with tilt_ranges_deg."
            if reconstruction.measured_region
            else None,
        )

    def _views(self, settings: FitSettings) -> ViewPolicy:
        views, training = settings.views(), settings.training
        consistency, reconstruction = training.consistency, training.reconstruction
        if views.augmentation is None and (consistency.weight or reconstruction.measured_region):
            raise ValueError(
                "consistency compares views of volumes, and measured_region takes the tilts from "
                "augmentation: set augmentation, for example to 'rotations'."
            )
        if consistency.weight and getattr(settings.network, "batch_norm_rows", "") == "labeled":
            raise ValueError(
                "With batch_norm_rows='labeled' the classifier never sees unlabeled volumes, and "
                "consistency cannot be asked for; leave batch_norm_rows='all'."
            )
        if reconstruction.corruption is not None:
            corruption = reconstruction.corruption.make(views.augmentation)
            views = views._replace(corruption=corruption, clean_target=True)
        teacher: Literal["self", "average"] = "average" if training.average_decay else "self"
        return views._replace(teacher=teacher) if consistency.weight else views

    def _loss(
        self, settings: FitSettings, views: ViewPolicy, targets: NDArray[np.int64]
    ) -> JointLoss:
        consistency = settings.training.consistency
        reconstruction = settings.training.reconstruction
        compared: dict[str, Any] = {}
        if consistency.weight:
            module = PseudoLabelConsistency(self._class_shares(targets), consistency.threshold)
            compared = {"consistency_weight": consistency.weight, "consistency": module}
        return JointLoss(
            alpha=to_plain(self.alpha),
            beta=to_plain(self.beta),
            unlabeled_weight=self._unlabeled_weight(reconstruction.unlabeled_weight),
            sparsity=reconstruction.sparsity,
            class_weight=self._class_weights(targets),
            measured=self._measured(views) if reconstruction.measured_region else None,
            **compared,
        )

    def _measured(self, views: ViewPolicy) -> torch.Tensor:
        """Where the tilts measure."""
        tilts = None if views.augmentation is None else views.augmentation.tilt_range_deg
        if tilts is None:
            raise ValueError(
                "measured_region needs a tilt range, but tilt_range_deg of augmentation is None."
            )
        return torch.from_numpy(missing_wedge_mask(self.volume_shape_, tilts)).float()
