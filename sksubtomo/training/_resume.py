"""A training that goes on from where an earlier run of the same fit was ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback

from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo.training._callbacks import BestWeights, ProgressBar, TrainingEnd
from sksubtomo.training._data import VolumeDataset
from sksubtomo.training._net_state import load_training_state, own_callbacks, training_state
from sksubtomo.training._volume_net import VolumeNet

#: Weights that early stopping may go back to.
_BEST = ("best_model_weights_", "best_average_")


class TrainingRecord:
    """Keeps the training of one fit in a checkpoint, at the end of every epoch.

    Parameters
    ----------
    checkpoint : CheckpointPart
        Where.
    known : mapping
        What else the fit has to find again, such as its seeds.
    """

    def __init__(self, checkpoint: CheckpointPart, known: Mapping[str, Any]) -> None:
        self._checkpoint, self._known = checkpoint, dict(known)
        if checkpoint.state is None:
            checkpoint.keep({**self._known, "training": None})

    def resume(self, net: VolumeNet, dataset: VolumeDataset) -> int:
        """Bring a net, and labels that it gave, to where the earlier run was.

        Parameters
        ----------
        net : VolumeNet
            At the beginning of its training.
        dataset : VolumeDataset
            What it is trained on.

        Returns
        -------
        n_epochs : int
            How many epochs are done.

        Raises
        ------
        FileFormatError
            If the state is not one of this training.
        TrainingEnd
            If it had ended early.
        """
        self._n_before = len(net.history)
        state = self._checkpoint.state["training"]
        if state is None:
            return 0
        with self._checkpoint.restoring():
            load_training_state(net, _mapped(state["net"], _to_tensor))
            _load_labels(dataset, state["labels"])
            for name, callback in _callbacks_with_weights(net):
                for key in _BEST:
                    setattr(callback, key, _mapped(state["best"][name][key], _to_tensor))
            n_epochs = len(net.history) - self._n_before
        for callback in own_callbacks(net):
            if isinstance(callback, ProgressBar):
                callback.bar_.update(n_epochs, {})
        if state["has_ended"]:
            raise TrainingEnd
        return n_epochs

    def keep(self, net: VolumeNet, dataset: VolumeDataset, *, has_ended: bool = False) -> None:
        """Take note of the state at the end of an epoch.

        Parameters
        ----------
        net : VolumeNet
            Its state is copied.
        dataset : VolumeDataset
            What it is trained on.
        has_ended : bool, default=False
            Whether a callback has ended the training.
        """
        best = {
            name: {key: getattr(callback, key) for key in _BEST}
            for name, callback in _callbacks_with_weights(net)
        }
        training = {
            "net": _mapped(training_state(net), _to_array),
            "best": _mapped(best, _to_array),
            "labels": {
                "rows": dataset.rows.copy(),
                "targets": dataset.targets.copy(),
                "labeled_iter": dataset.labeled_iter.copy(),
            },
            "has_ended": has_ended,
        }
        self._checkpoint.keep({**self._known, "training": training})

    def stay(self) -> None:
        """Leave the checkpoint where it is, of a training that was interrupted and is kept."""
        self._checkpoint.stay()


def _callbacks_with_weights(net: VolumeNet) -> list[tuple[str, Callback]]:
    return [(name, one) for name, one in net.callbacks_ if isinstance(one, BestWeights)]


def _load_labels(dataset: VolumeDataset, labels: Mapping[str, Any]) -> None:
    """Set the labels that were given in the training, and which volumes are trained on."""
    n_volumes = len(dataset.targets)
    rows = np.asarray(labels["rows"], dtype=np.intp)
    if len(rows) and not 0 <= rows.min() <= rows.max() < n_volumes:
        raise ValueError("it trains on volumes that are not there")
    for name in ("targets", "labeled_iter"):
        if labels[name].shape != (n_volumes,) or labels[name].dtype.kind != "i":
            raise ValueError("its labels are not those of the volumes")
    dataset.rows = rows
    dataset.targets, dataset.labeled_iter = labels["targets"], labels["labeled_iter"]


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """Return nested containers with a function of what is inside."""
    if isinstance(value, Mapping):
        return {key: _mapped(one, function) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(one, function) for one in value)
    return function(value)


def _to_array(value: Any) -> Any:
    """Return a copy of a tensor as an array; the training goes on with the tensor."""
    if not isinstance(value, torch.Tensor):
        return value
    return np.array(value.detach().cpu().numpy(), order="K")


def _to_tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
