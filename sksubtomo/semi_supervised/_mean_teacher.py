"""Consistency with averaged weights."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import store_parameters
from sksubtomo.base import BaseVolumeClassifier, Uses
from sksubtomo.training import FitSettings, JointLoss, Plan, RampUp, SquaredErrorConsistency


@documented
class MeanTeacherClassifier(BaseVolumeClassifier):
    r"""Network whose probabilities have to be those of its averaged weights for other views.

    The teacher is the network with weights averaged over the steps, exponentially with the
    ``average_decay`` of `training`; it also predicts. Teacher and network each see random
    views of their own (see `augmentation`). For a batch of :math:`n` volumes, of which those in
    :math:`S` are labeled, it minimizes

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
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    %(transduction_)s
    %(fitted_classifier)s
        ``train_loss``, ``train_cross_entropy`` and ``train_inconsistency`` of each epoch, the same
        with ``valid_``; ``train_kept_share``, which is 1 here; and seconds, ``dur``.

    See Also
    --------
    FixMatchClassifier : Compares classes, where the network is confident.

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

    is_semi_supervised = True
    uses = Uses(average_decay=0.99, labeled_share=0.25, unused=("batch_norm_rows",))
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseVolumeClassifier._parameter_constraints,
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
        """Plan the supervised network with a teacher of averaged weights."""
        if not settings.training.average_decay:
            raise ValueError(
                "MeanTeacherClassifier has no teacher without averaged weights: set average_decay "
                "of training above 0."
            )
        plan = super().plan(settings, targets)
        loss = JointLoss(
            class_weight=self._class_weights(targets),
            consistency_weight=to_plain(self.consistency),
            consistency=SquaredErrorConsistency(),
        )
        return plan._replace(
            loss=loss,
            views=plan.views._replace(teacher="average"),
            callbacks=(RampUp(to_plain(self.ramp_up) * settings.max_epochs),),
        )
