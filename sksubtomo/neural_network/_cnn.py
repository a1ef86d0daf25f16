"""The supervised network."""

from __future__ import annotations

from sksubtomo._utils._docs import documented
from sksubtomo._utils._settings import store_parameters
from sksubtomo.base import BaseVolumeClassifier


@documented
class CNNClassifier(BaseVolumeClassifier):
    r"""Supervised convolutional network: the classification branch, on labeled volumes only.

    The encoder's convolutions and the classifier of
    :class:`~sksubtomo.semi_supervised.AutoencodingClassifier`, without code and decoder. For a
    batch of labeled volumes :math:`S` it minimizes the cross-entropy

    .. math::

        \frac{\sum_{i \in S} w_{y_i} \mathrm{CE}(y_i, p_i)}{\sum_{i \in S} w_{y_i}}

    with the class weights :math:`w`. Unlabeled volumes may be passed; they are left out.

    Parameters
    ----------
    %(parameters_of_a_classifier)s

    Attributes
    ----------
    %(fitted_classifier)s
        One entry an epoch: ``train_loss``, ``train_cross_entropy``, the same with ``valid_``, and
        seconds, ``dur``.

    See Also
    --------
    sksubtomo.semi_supervised.AutoencodingClassifier : Learns from unlabeled volumes, too.
    sksubtomo.semi_supervised.PseudoLabelClassifier : Labels unlabeled volumes while it trains.
    sksubtomo.semi_supervised.FineTunedClassifier : Starts from a trained autoencoder.

    %(liu2019)s

    Examples
    --------
    >>> from sksubtomo.datasets import make_subtomograms
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> X, y = make_subtomograms(40, classes=2, box_size=16, voxel_size_angstrom=20.0,
    ...                          return_X_y=True, random_state=0)
    >>> CNNClassifier(max_epochs=2, random_state=0).fit(X, y).predict_proba(X).shape
    (40, 2)
    """

    learns_from_unlabeled = False

    def __init__(
        self,
        *,
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
