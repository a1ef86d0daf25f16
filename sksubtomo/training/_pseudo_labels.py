"""Labels that the network gives itself while it trains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback

from sksubtomo._torch import of_first_process
from sksubtomo.training._data import VolumeDataset
from sksubtomo.training._inference import collect, forward_batches


def choose_confident(
    probabilities: NDArray[np.float32],
    threshold: float,
    room: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the rows whose most probable class is probable enough.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Class probabilities.
    threshold : float
        A probability has to be larger than this.
    room : ndarray of shape (n_classes,) of int, optional
        How many rows each class may take at most; the most probable are taken first.

    Returns
    -------
    rows, targets : ndarray of int
        Sorted row numbers, and the class of each.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05]])
    >>> choose_confident(p, 0.7)
    (array([0, 2, 3]), array([0, 1, 0]))
    >>> choose_confident(p, 0.7, room=np.array([1, 1]))
    (array([2, 3]), array([1, 0]))
    """
    targets, best = probabilities.argmax(axis=1), probabilities.max(axis=1)
    sure = best > threshold
    if room is not None:
        for code, limit in enumerate(room):
            members = np.flatnonzero(sure & (targets == code))
            by_probability = members[np.argsort(-best[members], kind="stable")]
            sure[by_probability[max(limit, 0) :]] = False
    rows = np.flatnonzero(sure)
    return rows, targets[rows]


class PseudoLabels(Callback):
    """Before an epoch, label the unlabeled volumes whose prediction is confident.

    They join the rows to train on, and stay. The data set is to be a :class:`VolumeDataset`.

    Parameters
    ----------
    threshold : float
        See :func:`choose_confident`.
    warm_up_epochs : int
        Epochs that the network must have been trained for before.
    refresh_interval : int
        Epochs from one choice to the next.
    max_per_class : int or None
        Most rows that any class may get over the whole training.
    """

    def __init__(
        self,
        threshold: float,
        warm_up_epochs: int = 1,
        refresh_interval: int = 1,
        max_per_class: int | None = None,
    ) -> None:
        self.threshold = threshold
        self.warm_up_epochs = warm_up_epochs
        self.refresh_interval = refresh_interval
        self.max_per_class = max_per_class

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget what was added in an earlier training."""
        self.n_added_ = 0

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: VolumeDataset | None = None, **kwargs: Any
    ) -> None:
        """Add labels, if it is time to."""
        assert dataset_train is not None
        n_epochs = len(net.history) - 1
        waited = n_epochs - self.warm_up_epochs
        if waited < 0 or waited % self.refresh_interval:
            return
        unlabeled = np.flatnonzero(dataset_train.targets < 0)
        if not len(unlabeled):
            return
        rows, targets = choose_confident(
            _predict(net, dataset_train, unlabeled), self.threshold, self._room(net, dataset_train)
        )
        self.n_added_ = len(rows)
        dataset_train.add_labels(unlabeled[rows], targets, n_epochs)

    def _room(self, net: NeuralNet, dataset: VolumeDataset) -> NDArray[np.int64] | None:
        if self.max_per_class is None:
            return None
        added = dataset.targets[dataset.labeled_iter > 0]
        n_classes = net.module_.classifier.n_classes
        return self.max_per_class - np.bincount(added, minlength=n_classes)


def _predict(net: NeuralNet, dataset: VolumeDataset, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Class probabilities of some of the volumes, read a batch at a time."""
    batches = forward_batches(
        net.prediction_function("classify"),
        rows,
        dataset.read,
        module=net.predictor_,
        device=net.device,
        voxels_per_sample=math.prod(dataset.volumes.shape[1:]),
    )
    probabilities = torch.from_numpy(collect(batches, len(rows)))
    # A last bit that differs between processes would give them other rows to train on.
    return of_first_process(probabilities.to(net.device)).cpu().numpy()
