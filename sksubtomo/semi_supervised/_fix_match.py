"""Consistency of pseudo-labels between views of a volume."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import StrOptions
from sksubtomo.base import BaseVolumeClassifier, Uses
from sksubtomo.training import (
    FitSettings,
    FixMatchTraining,
    JointLoss,
    Plan,
    PseudoLabelConsistency,
)


@documented
class FixMatchClassifier(BaseVolumeClassifier):
    r"""Network that has to put strongly and weakly augmented views into the same class.

    Of every unlabeled volume, two random views are made (see `augmentation`). The class that the
    network gives to the first, where it is confident, is the target of the second, which is
    changed further (``strong_augmentation`` of `training`). For a batch with labeled volumes
    :math:`S` and unlabeled volumes :math:`U` it minimizes

    .. math::

        \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}
        + \frac{\gamma}{|U|} \sum_{i \in U} [\max_k q_{ik} \ge t] \,
        \mathrm{CE}(\arg\max_k q_{ik}, p_i)

    with the class weights :math:`w`, the weight :math:`\gamma` = `consistency`, the threshold
    :math:`t`, and the probabilities :math:`q` of the first view, aligned with the class
    proportions of the labels (ReMixMatch). The adaptive threshold is that of FreeMatch.

    Parameters
    ----------
    consistency : float, default=1
        Weight of the unlabeled volumes.
    threshold : float or "adaptive", default=0.95
        Probability from which the first view has a say. "adaptive" follows the network's
        confidence, class by class.
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    %(transduction_)s
    %(fitted_classifier)s
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, ``train_inconsistency`` and
        ``train_kept_share``, the share of volumes compared that had a say; losses of volumes held
        out with ``valid_``; and seconds, ``dur``.

    See Also
    --------
    MeanTeacherClassifier : Compares probabilities with those of averaged weights.
    PseudoLabelClassifier : Keeps the labels it once gave.

    %(fix_match)s

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

    is_semi_supervised = True
    uses = Uses(
        FixMatchTraining, average_decay=0.99, labeled_share=0.25, unused=("batch_norm_rows",)
    )
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
        "consistency": [NumberInterval(Real, 0, None, closed="left")],
        "threshold": [StrOptions({"adaptive"}), NumberInterval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        consistency=1.0,
        threshold=0.95,
        class_weight=None,
        classes=None,
        network="liu2019",
        augmentation="rotations",
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
        """Plan the supervised network with pseudo-labels of plainer views of the unlabeled."""
        plan = super().plan(settings, targets)
        training, views = settings.training, plan.views
        loss = JointLoss(
            class_weight=self._class_weights(targets),
            consistency_weight=to_plain(self.consistency),
            consistency=PseudoLabelConsistency(
                self._class_shares(targets),
                to_plain(self.threshold),
                training.distribution_alignment,
            ),
        )
        corruption = training.strong_augmentation.make(views.augmentation)
        return plan._replace(loss=loss, views=views._replace(corruption=corruption, teacher="self"))
