"""What happens between epochs."""

from __future__ import annotations

import math
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from tqdm.auto import tqdm


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
                for name, value in net.criterion_.summarize(self.sums_[training]).items():
                    net.history.record(f"{prefix}_{name}", value)
        loss = net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise ValueError(
                f"The training diverged: its loss is {loss} in epoch {net.history[-1, 'epoch']}. "
                f"Lower learning_rate (now {net.lr:g}), or normalize the volumes, for example "
                "with sksubtomo.preprocessing.VolumeNormalizer."
            )


class BestWeights(EarlyStopping):
    """Stop when the validation loss stays up, and go back to the weights of its minimum.

    Epochs without validation (too few rows to hold any out, or a partial fit) pass unseen.

    Parameters
    ----------
    patience : int
        Epochs without a better loss after which to stop.
    """

    def __init__(self, patience: int) -> None:
        super().__init__("valid_loss", patience=patience, load_best=True)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare with the best loss so far."""
        if self.monitor in net.history[-1]:
            super().on_epoch_end(net, **kwargs)


class ProgressBar(Callback):
    """Show a bar over the epochs with the current losses, on the standard error stream."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="Training", unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Advance the bar."""
        losses = ("train_loss", "valid_loss")
        last = net.history[-1]
        self.bar_.set_postfix(
            {name: f"{last[name]:.3g}" for name in losses if name in last}, refresh=False
        )
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar, so that it can be pickled away with the net."""
        self.bar_.close()
        del self.bar_
