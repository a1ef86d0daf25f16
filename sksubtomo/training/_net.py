"""Putting network, loss, data and callbacks into a skorch net, reproducibly."""

from __future__ import annotations

from typing import Any

import torch
from skorch.callbacks import Callback

from sksubtomo._torch import n_processes, process_index, resolve_device, seeded_cpu
from sksubtomo._utils._params import to_plain
from sksubtomo.training._callbacks import BestWeights, EpochLog, OneCycle, ProgressBar, Tasks
from sksubtomo.training._data import split_dataset, volume_loader
from sksubtomo.training._volume_net import ViewPolicy, VolumeNet

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_net(
    module: type[torch.nn.Module],
    criterion: type[torch.nn.Module],
    *,
    module_params: dict[str, Any],
    criterion_params: dict[str, Any],
    training_params: dict[str, Any],
    views: ViewPolicy,
    learning_rate: float,
    batch_size: int,
    max_epochs: int,
    early_stopping: bool,
    device: str,
    precision: str,
    verbose: int,
    extra_callbacks: list[Callback],
    init_seed: int,
    shuffle_seed: int,
) -> VolumeNet:
    """Return an initialised skorch net that trains on a :class:`VolumeDataset`.

    Parameters
    ----------
    module, criterion : type
        Classes of the network and of a loss that offers ``sums`` and ``summarize``.
    module_params, criterion_params : dict
        Their arguments.
    training_params : dict
        The estimators' ``training_params``, complete.
    views : ViewPolicy
        What the network gets to see of a batch.
    learning_rate, batch_size, max_epochs : float, int, int
        The highest learning rate, length of batches (of a process, if several share them) and of
        the training.
    early_stopping : bool
        Whether the training stops when the validation loss stays up, and goes back to the best
        weights.
    device : str
        "auto", "cpu", "cuda" or "cuda:1".
    precision : {"auto", "float32", "tf32", "bfloat16"}
        Of the products in the network's layers.
    verbose : int
        Whether to show progress.
    extra_callbacks : list of Callback
        Callbacks of the estimator; they see the network before losses are logged.
    init_seed, shuffle_seed : int
        Seeds of the initial weights; of the order of samples and of their random copies.
    """
    n_workers = training_params["n_workers"]
    patience = training_params["n_iter_no_change"] if early_stopping else None
    schedule = [OneCycle()] if training_params["schedule"] == "one_cycle" else []
    net = VolumeNet(
        module,
        criterion,
        views=views,
        average_decay=training_params["average_decay"],
        view_seed=shuffle_seed,
        precision=precision,
        keep_interrupted=training_params.get("keep_interrupted", False),
        optimizer=OPTIMIZERS[training_params["optimizer"]],
        optimizer__betas=tuple(training_params["betas"]),
        optimizer__weight_decay=training_params["weight_decay"],
        optimizer__fused=True,
        lr=to_plain(learning_rate),
        max_epochs=to_plain(max_epochs),
        batch_size=to_plain(batch_size) * n_processes(),
        iterator_train=volume_loader,
        iterator_train__shuffle=True,
        iterator_train__generator=torch.Generator().manual_seed(shuffle_seed),
        iterator_train__num_workers=n_workers,
        iterator_train__labeled_share=training_params["labeled_share"],
        iterator_train__n_batches=training_params["steps_per_epoch"],
        iterator_valid=volume_loader,
        # Without a generator of its own, every loader draws a seed from the global one.
        iterator_valid__generator=torch.Generator().manual_seed(shuffle_seed),
        iterator_valid__num_workers=n_workers,
        train_split=split_dataset,
        callbacks=[*extra_callbacks, *schedule, *_callbacks(patience, verbose)],
        callbacks__train_loss=None,
        callbacks__valid_loss=None,
        callbacks__print_log=None,
        device=resolve_device(device),
        verbose=0,
        **{f"module__{name}": to_plain(value) for name, value in module_params.items()},
        **{f"criterion__{name}": to_plain(value) for name, value in criterion_params.items()},
    )
    with seeded_cpu(init_seed):
        net.initialize()
    return net


def set_progress_bar(net: VolumeNet, verbose: int) -> None:
    """Let a net show its progress from now on, or not."""
    dict(net.callbacks_)[ProgressBar.__name__].shown = _shows_progress(verbose)


def _callbacks(patience: int | None, verbose: int) -> list[Callback]:
    callbacks: list[Callback] = [EpochLog()]
    if patience is not None:
        callbacks.append(BestWeights(patience))
    # Last, since nothing comes after a callback that ends the training.
    return [*callbacks, ProgressBar(shown=_shows_progress(verbose)), Tasks()]


def _shows_progress(verbose: int) -> bool:
    return bool(verbose) and process_index() == 0
