"""Self-training inside the training run."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._labels import decode_labels
from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import store_parameters
from sksubtomo.base import BaseVolumeClassifier, Uses
from sksubtomo.training import (
    FitSettings,
    Plan,
    PseudoLabels,
    PseudoLabelTraining,
    VolumeDataset,
)


@documented
class PseudoLabelClassifier(BaseVolumeClassifier):
    r"""Supervised network that labels unlabeled volumes while it trains.

    Trains as :class:`~sksubtomo.neural_network.CNNClassifier`. Between epochs it predicts the
    unlabeled volumes; those whose most probable class :math:`k` has :math:`p_k > t`, the
    threshold, join the training volumes with that class, and stay. Batch normalization, loss and
    scale know the other unlabeled volumes as little as the supervised network does.

    scikit-learn's way, which trains a new classifier in every round, is
    :class:`~sksubtomo.semi_supervised.SelfTrainingClassifier`.

    Parameters
    ----------
    threshold : float, default=0.95
        Probability above which a predicted class is taken for a label; 1 adds nothing. The paper
        found 0.95 for simulated and 0.6 for real volumes, by grid search.
    max_per_class : int, optional
        Most volumes that may join any one class, the most probable first, so that one class
        cannot swallow the rest. By default no limit, as in the paper.
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    transduction_ : ndarray of shape (n_samples,)
        Labels at the end of the last fit, pseudo-labels included; -1 (strings: "unlabeled")
        where there is none.
    labeled_iter_ : ndarray of shape (n_samples,)
        Number of epochs after which a volume got its label: 0 if it had one, -1 if it never did.
    termination_condition_ : {"all_labeled", "no_change", "max_iter"}
        Whether, in the end, every volume had a label; or the last prediction of the unlabeled
        added none; or the epochs ended while it still did.
    %(fitted_classifier)s
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, the same with ``valid_``, and
        seconds, ``dur``.

    See Also
    --------
    sksubtomo.semi_supervised.SelfTrainingClassifier : Self-training around any classifier.
    sksubtomo.semi_supervised.AutoencodingClassifier : Learns from unlabeled volumes by
        reconstruction.

    Notes
    -----
    A fit that goes on (``warm_start``, :meth:`partial_fit`) begins from the given labels again, and
    predicts the unlabeled volumes before its first epoch. Volumes held out for early stopping are
    labeled ones, and are never trained on.

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

    learns_from_unlabeled = False
    uses = Uses(PseudoLabelTraining)
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
        "threshold": [NumberInterval(Real, 0, 1, closed="both")],
        "max_per_class": [NumberInterval(Integral, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        threshold=0.95,
        max_per_class=None,
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

    def plan(self, settings: FitSettings, targets: NDArray[np.int64]) -> Plan:
        """Plan the supervised network, to which labels are added between epochs."""
        pseudo_labels = PseudoLabels(
            threshold=to_plain(self.threshold),
            warm_up_epochs=settings.training.warm_up_epochs,
            refresh_interval=settings.training.refresh_interval,
            max_per_class=to_plain(self.max_per_class),
        )
        return super().plan(settings, targets)._replace(callbacks=(pseudo_labels,))

    def record(self, dataset: VolumeDataset) -> None:
        """Set what became of the unlabeled volumes, and the rest."""
        self.transduction_ = decode_labels(dataset.targets, self.classes_)
        self.labeled_iter_ = dataset.labeled_iter
        callback = dict(self.net_.callbacks_)[PseudoLabels.__name__]
        if (dataset.targets >= 0).all():
            self.termination_condition_ = "all_labeled"
        else:
            self.termination_condition_ = "max_iter" if callback.n_added_ else "no_change"
        super().record(dataset)
