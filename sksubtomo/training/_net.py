"""Putting network, loss, data and callbacks into a skorch net, reproducibly."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback

from sksubtomo.networks._device import resolve_device
from sksubtomo.networks._random import seeded_cpu
from sksubtomo.training._callbacks import BestWeights, EpochLog, ProgressBar
from sksubtomo.training._data import split_dataset, volume_loader


def build_net(
    module: type[torch.nn.Module],
    criterion: type[torch.nn.Module],
    *,
    module_params: dict[str, Any],
    criterion_params: dict[str, Any],
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
    batch_size: int,
    max_epochs: int,
    patience: int | None,
    n_workers: int,
    device: str,
    verbose: int,
    extra_callbacks: list[Callback],
    init_seed: int,
    shuffle_seed: int,
) -> NeuralNet:
    """Return an initialised skorch net that trains with Adam on a :class:`VolumeDataset`.

    Parameters
    ----------
    module, criterion : type
        Classes of the network and of a loss that offers ``sums`` and ``summarize``.
    module_params, criterion_params : dict
        Their arguments.
    learning_rate, betas, weight_decay : float, (float, float), float
        Adam's.
    batch_size, max_epochs : int
        Length of batches and of the training.
    patience : int or None
        Epochs without a better validation loss after which the training stops and goes
        back to the best weights; None never stops early.
    n_workers : int
        Processes that read batches ahead; 0 reads them in this process.
    device : str
        "auto", "cpu", "cuda" or "cuda:1".
    verbose : int
        Whether to show progress.
    extra_callbacks : list of Callback
        Callbacks of the estimator; they see the network before losses are logged.
    init_seed, shuffle_seed : int
        Seeds of the initial weights and of the order of samples.
    """
    net = NeuralNet(
        module,
        criterion,
        optimizer=torch.optim.Adam,
        optimizer__betas=betas,
        optimizer__weight_decay=weight_decay,
        lr=learning_rate,
        max_epochs=max_epochs,
        batch_size=batch_size,
        iterator_train=volume_loader,
        iterator_train__shuffle=True,
        iterator_train__generator=_generator(shuffle_seed),
        iterator_train__num_workers=n_workers,
        iterator_valid=volume_loader,
        # Without a generator of its own, every loader draws a seed from the global one.
        iterator_valid__generator=_generator(shuffle_seed),
        iterator_valid__num_workers=n_workers,
        train_split=split_dataset,
        callbacks=[*extra_callbacks, *_callbacks(patience, verbose)],
        callbacks__train_loss=None,
        callbacks__valid_loss=None,
        callbacks__print_log=None,
        device=resolve_device(device),
        verbose=0,
        **{f"module__{name}": value for name, value in module_params.items()},
        **{f"criterion__{name}": value for name, value in criterion_params.items()},
    )
    with seeded_cpu(init_seed):
        net.initialize()
    return net


def _generator(seed: int) -> torch.Generator:
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


def _callbacks(patience: int | None, verbose: int) -> list[Callback]:
    callbacks: list[Callback] = [EpochLog()]
    if patience is not None:
        callbacks.append(BestWeights(patience))
    if verbose:
        callbacks.append(ProgressBar())
    return callbacks
