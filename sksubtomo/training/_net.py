"""Putting network, loss, data and callbacks into a skorch net, reproducibly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from skorch.callbacks import Callback
from torch import nn

from sksubtomo._torch import n_processes, seeded_cpu
from sksubtomo.training._callbacks import BestWeights, EpochLog, OneCycle, ProgressBar, Tasks
from sksubtomo.training._data import split_dataset, volume_loader
from sksubtomo.training._plan import FitSettings, Plan
from sksubtomo.training._settings import OPTIMIZERS
from sksubtomo.training._volume_net import VolumeNet


def make_net(plan: Plan, settings: FitSettings, *, init_seed: int, shuffle_seed: int) -> VolumeNet:
    """Return an initialized skorch net that trains on a :class:`VolumeDataset`.

    It has what stays for good; :meth:`VolumeNet.apply` gives it the rest.

    Parameters
    ----------
    plan : Plan
        What to train.
    settings : FitSettings
        How to train it.
    init_seed, shuffle_seed : int
        Seeds of the initial weights; of the order of samples and of their random views.
    """
    training = settings.training
    net = empty_net(
        plan.network,
        type(plan.loss),
        plan.network_params,
        OPTIMIZERS[training.optimizer],
        _callbacks(plan, settings),
        average_decay=training.average_decay,
        view_seed=shuffle_seed,
        optimizer__betas=training.betas,
        optimizer__weight_decay=training.weight_decay,
        lr=settings.learning_rate,
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_size * n_processes(),
        device=settings.device,
    )
    with seeded_cpu(init_seed):
        net.initialize()
    return net


def empty_net(
    network: type[nn.Module],
    loss: type[nn.Module],
    network_params: Mapping[str, Any],
    optimizer: type[torch.optim.Optimizer],
    callbacks: list[Callback],
    *,
    view_seed: int,
    **options: Any,
) -> VolumeNet:
    """Return a net that is not initialized, with all that nets have in common.

    Parameters
    ----------
    network, loss, optimizer : type
        Classes.
    network_params : mapping
        Arguments of the network.
    callbacks : list of Callback
        In their order.
    view_seed : int
        Seed of the order of samples and of their random views.
    **options : dict
        Further arguments of :class:`VolumeNet`.
    """
    return VolumeNet(
        network,
        loss,
        view_seed=view_seed,
        optimizer=optimizer,
        optimizer__fused=True,
        iterator_train=volume_loader,
        iterator_train__shuffle=True,
        iterator_train__generator=torch.Generator().manual_seed(view_seed),
        iterator_valid=volume_loader,
        # Without a generator of its own, every loader draws a seed from the global one.
        iterator_valid__generator=torch.Generator().manual_seed(view_seed),
        train_split=split_dataset,
        callbacks=callbacks,
        callbacks__train_loss=None,
        callbacks__valid_loss=None,
        callbacks__print_log=None,
        verbose=0,
        **options,
        **{f"module__{name}": value for name, value in network_params.items()},
    )


def _callbacks(plan: Plan, settings: FitSettings) -> list[Callback]:
    callbacks: list[Callback] = [*plan.callbacks]
    if settings.training.schedule == "one_cycle":
        callbacks.append(OneCycle())
    callbacks.append(EpochLog())
    if settings.early_stopping:
        callbacks.append(BestWeights(settings.training.n_iter_no_change))
    # Last, since nothing comes after a callback that ends the training.
    return [*callbacks, ProgressBar(), Tasks()]
