"""What happens between epochs."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from torch.utils.data import Dataset

from sksubtomo._torch import sum_over_processes
from sksubtomo._utils._progress import Progress

_FIGURES = (
    *("_loss", "_error", "_entropy", "_divergence", "_inconsistency", "_kept_share"),
    *("_live_units", "_explained_variance", "_reconstruction_spread"),
)

# Of the one cycle: where the learning rate is highest, and with what share of it it begins.
_RISE, _FIRST_RATE = 0.3, 1 / 25


class TrainingEnd(KeyboardInterrupt):
    """How a callback ends a training early, for which skorch takes any KeyboardInterrupt."""


class EpochLog(Callback):
    """Write an epoch's losses to the history, from sums over its batches.

    Averaging the means of batches, as skorch does, would weigh a batch of one
    label like a batch of ten.
    """

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget the last epoch."""
        self.sums_: dict[bool, dict[str, torch.Tensor]] = {True: {}, False: {}}

    def on_batch_end(self, net: NeuralNet, training: bool, **kwargs: Any) -> None:
        """Add the sums that the criterion left, without waiting for the device."""
        sums = self.sums_[training]
        for name, value in net.criterion_.sums.items():
            sums[name] = sums[name] + value if name in sums else value.double()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Record the means; stop if the training has diverged."""
        for training, prefix in ((True, "train"), (False, "valid")):
            if self.sums_[training]:
                # Of all processes, so that all stop training, or go on, together.
                sums = {n: sum_over_processes(value) for n, value in self.sums_[training].items()}
                for name, value in net.criterion_.summarize(sums).items():
                    net.history.record(f"{prefix}_{name}", value)
                if not training:
                    self._record_stopping_loss(net, sums)
        self.sums_ = {True: {}, False: {}}  # no tensors of a GPU in a pickle
        loss = net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise ValueError(
                f"The training diverged: its loss is {loss} in epoch {net.history[-1, 'epoch']}. "
                f"Lower learning_rate (now {net.lr:g}), or normalize the volumes, for example "
                "with sksubtomo.preprocessing.VolumeNormalizer."
            )

    def _record_stopping_loss(self, net: NeuralNet, sums: dict[str, torch.Tensor]) -> None:
        """Record what early stopping compares, if the loss does not want it to be its whole."""
        stopping_loss = getattr(net.criterion_, "stopping_loss", None)
        value = None if stopping_loss is None else stopping_loss(sums)
        if value is not None:
            net.history.record("valid_stopping_loss", value)


def epoch_figures(epoch: dict[str, Any]) -> dict[str, Any]:
    """Return what an entry of the history keeps of skorch's, which counts batches, too."""
    return {
        name: value
        for name, value in epoch.items()
        if name in ("epoch", "dur") or name.endswith(_FIGURES)
    }


class BestWeights(EarlyStopping):
    """Stop when the validation loss stays up, and go back to the weights of its minimum.

    Epochs without validation (too few rows to hold any out, or a partial fit) pass unseen. With few
    labels to validate on, ``valid_stopping_loss`` takes the place of ``valid_loss``.

    Parameters
    ----------
    patience : int
        Epochs without a better loss after which to stop.
    """

    def __init__(self, patience: int) -> None:
        super().__init__("valid_loss", patience=patience, load_best=True)

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget the last training."""
        super().on_train_begin(net, **kwargs)
        self.best_average_: dict[str, torch.Tensor] | None = None

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare with the best loss so far."""
        if "valid_loss" not in net.history[-1]:
            return
        few = "valid_stopping_loss" in net.history[-1]
        self.monitor = "valid_stopping_loss" if few else "valid_loss"
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            raise TrainingEnd from None
        if net.averaged_ is not None and self.best_epoch_ == net.history[-1, "epoch"]:
            self.best_average_ = copy.deepcopy(net.averaged_.state_dict())

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Go back to the best weights, and to the best averaged ones."""
        super().on_train_end(net, **kwargs)
        if self.best_average_ is not None:
            net.averaged_.load_state_dict(self.best_average_)
            self.best_average_ = None


def kept_epoch(net: NeuralNet) -> dict[str, Any]:
    """Return the history's entry of the epoch whose weights a trained net has.

    The best one if early stopping went back to it, else the last one that is complete; empty if
    the training was interrupted in the first epoch.
    """
    complete = [epoch for epoch in net.history if "train_loss" in epoch]
    for _, callback in net.callbacks_:
        if isinstance(callback, BestWeights):  # whose best epoch is 0 without validation
            complete = [e for e in complete if e["epoch"] == callback.best_epoch_] or complete
    return complete[-1] if complete else {}


class OneCycle(Callback):
    """Let the learning rate rise to the net's, and fall to 0, along half waves of a cosine.

    It rises from a twenty-fifth over the first three tenths of the training. A training that is
    stopped early stops within the cycle.

    References
    ----------
    Smith & Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018.
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Note where the training begins."""
        self.n_before_ = len(net.history)

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Dataset | None = None, **kwargs: Any
    ) -> None:
        """Count the batches to come; pseudo-labels may have changed their number."""
        self.n_batches_ = len(net.get_iterator(dataset_train, training=True))
        self.done_ = 0

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **kwargs: Any) -> None:
        """Set the rate of the step to come."""
        if not training:
            return
        epoch = len(net.history) - 1 - self.n_before_
        along = (epoch + self.done_ / self.n_batches_) / net.max_epochs
        self.done_ += 1
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * _one_cycle(along)


def _one_cycle(along: float) -> float:
    """Return the share of the highest learning rate at a fraction of the training."""
    if along < _RISE:
        return _FIRST_RATE + (1 - _FIRST_RATE) * (1 - math.cos(math.pi * along / _RISE)) / 2
    return (1 + math.cos(math.pi * (along - _RISE) / (1 - _RISE))) / 2


class RampUp(Callback):
    """Let the weight of the loss's consistency grow from 0 to 1 over the first epochs.

    The factor is ``exp(-5 (1 - t)^2)`` at the fraction t of the ramp, as in Mean Teacher. Epochs of
    earlier fits that are gone on with count.

    Parameters
    ----------
    n_epochs : float
        Length of the ramp.

    References
    ----------
    Tarvainen & Valpola, "Mean teachers are better role models", NeurIPS 2017.
    """

    def __init__(self, n_epochs: float) -> None:
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Set the factor."""
        epoch = len(net.history) - 1
        left = max(0.0, 1 - epoch / self.n_epochs) if self.n_epochs else 0.0
        net.criterion_.ramp = math.exp(-5 * left**2)


class Tasks(Callback):
    """Tell scikit-learn's callbacks of the epochs, by ``net.tasks_`` if that is not None."""

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Tell that an epoch begins."""
        if net.tasks_ is not None:
            net.tasks_.begin_step()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Tell that it has ended; stop if a callback says so."""
        if net.tasks_ is not None and net.tasks_.end_step():
            raise TrainingEnd

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Tell that the epoch has ended in which early stopping ended the training."""
        if net.tasks_ is not None and net.tasks_.in_step:
            net.tasks_.end_step()


class ProgressBar(Callback):
    """Show progress over the epochs with the current losses.

    Parameters
    ----------
    shown : bool, default=True
        Whether to show it.
    """

    def __init__(self, shown: bool = True) -> None:
        self.shown = shown

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = Progress("Training", net.max_epochs, "epoch", shown=self.shown)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Advance the bar."""
        losses = ("train_loss", "valid_loss")
        last = net.history[-1]
        self.bar_.update(1, {name: f"{last[name]:.3g}" for name in losses if name in last})

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar, so that it can be pickled away with the net."""
        self.bar_.close()
        del self.bar_
