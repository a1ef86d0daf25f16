"""A trained net as plain values and tensors, and the net that they make again.

Nothing in a state chooses code: classes are looked up by name in the tables below, networks are
built without memory (on PyTorch's device "meta") and compared with the tensors before these are
taken over, and numbers are checked where they decide about sizes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from sksubtomo._torch import seeded_cpu
from sksubtomo._utils._settings import checked
from sksubtomo.networks import (
    AutoencodingNetwork,
    ConditionalVariationalNetwork,
    ContrastiveNetwork,
    NetworkSettings,
    VariationalNetwork,
    network_settings,
)
from sksubtomo.training._contrastive_loss import ContrastiveLoss
from sksubtomo.training._losses import JointLoss
from sksubtomo.training._net import empty_net
from sksubtomo.training._part_states import (
    PLAIN,
    by_name,
    callback_of,
    callback_state,
    consistency_of,
    consistency_state,
    name_of,
    plain,
    views_of,
    views_state,
)
from sksubtomo.training._plan import ViewPolicy
from sksubtomo.training._settings import OPTIMIZERS
from sksubtomo.training._variational_losses import ConditionalVariationalLoss, VariationalLoss
from sksubtomo.training._volume_net import VolumeNet

_NETWORKS = by_name(
    AutoencodingNetwork, ConditionalVariationalNetwork, ContrastiveNetwork, VariationalNetwork
)
_LOSSES = by_name(JointLoss, VariationalLoss, ConditionalVariationalLoss, ContrastiveLoss)

#: What a net was made with, by attribute.
_OPTIONS = (
    *("average_decay", "view_seed", "precision", "keep_interrupted", "lr", "max_epochs"),
    *("batch_size", "device", "optimizer__betas", "optimizer__weight_decay"),
)
#: What :meth:`VolumeNet.apply` sets on top.
_APPLIED = (
    *("iterator_train__labeled_share", "iterator_train__n_batches"),
    *("iterator_train__num_workers", "iterator_valid__num_workers"),
)
#: Attributes that hold random streams.
_STREAMS = ("generator_", "iterator_train__generator", "iterator_valid__generator")
#: Entries of a group of the optimizer that a training may have changed.
_OF_GROUPS = ("lr", "betas", "eps", "weight_decay")
# How the state of PyTorch's generator begins: seed, numbers left in the block, whether seeded,
# and place in the block.
_STREAM = np.dtype([("seed", "<u8"), ("left", "<i4"), ("seeded", "<i4"), ("next", "<u8")])
_BLOCK = 624
_DEVICES = ("cpu", "cuda", "mps", "xpu")
# Of one argument of a network; and of an edge of a box.
_LARGEST_NUMBER, _LONGEST_EDGE = 2**24, 2**12


def net_state(net: VolumeNet) -> dict[str, Any]:
    """Return everything that a net needs to predict, and to be trained further.

    Parameters
    ----------
    net : VolumeNet
        Initialized.

    Returns
    -------
    state : dict
        Numbers, text, lists, tuples, mappings, tensors (those of the net, not copied) and settings
        of the network; for :func:`restored_net`.

    Raises
    ------
    ValueError
        If the net has a network, a loss or a callback that is not of this package.
    """
    optimizer = {kind: name for name, kind in OPTIMIZERS.items()}
    return {
        "network": name_of(net.module, _NETWORKS),
        "network_params": net.get_params_for("module"),
        "loss": name_of(net.criterion, _LOSSES),
        "optimizer": optimizer[net.optimizer],
        "options": {name: getattr(net, name) for name in _OPTIONS},
        "applied": {name: getattr(net, name) for name in _APPLIED if hasattr(net, name)},
        "views": views_state(net.views),
        **training_state(net),
    }


def training_state(net: VolumeNet) -> dict[str, Any]:
    """Return what the training of a net changes, for ``load_training_state``.

    Parameters
    ----------
    net : VolumeNet
        Initialized.
    """
    return {
        "callbacks": [callback_state(callback) for callback in own_callbacks(net)],
        "history": [_without_batches(epoch) for epoch in net.history],
        "weights": dict(net.module_.state_dict()),
        "average": None if net.averaged_ is None else dict(net.averaged_.state_dict()),
        "attributes": dict(_attributes(net.module_)),
        "training": net.module_.training,
        "frozen": [name for name, p in net.module_.named_parameters() if not p.requires_grad],
        "moments": _moments(net.optimizer_),
        "groups": [{k: group[k] for k in _OF_GROUPS} for group in net.optimizer_.param_groups],
        "consistency": consistency_state(getattr(net.criterion_, "consistency", None)),
        "streams": {name: getattr(net, name).get_state() for name in _STREAMS},
        "noise": {name: one.get_state() for name, one in _generators(net.module_)},
        "n_steps": net.n_steps_,
    }


def restored_net(state: Mapping[str, Any]) -> VolumeNet:
    """Return the net of a state.

    Parameters
    ----------
    state : mapping
        From :func:`net_state`, read back. Tensors are taken over, not copied.

    Returns
    -------
    net : VolumeNet
        Predicts the same bits as the one that the state is of. On the CPU if the device that it
        was on is not there.

    Raises
    ------
    ValueError
        If the state names a class that is not of this package, or its tensors are not those of its
        network.
    """
    options = {name: state["options"][name] for name in _OPTIONS}
    options["device"] = _available(options["device"])
    params = _network_params(_NETWORKS[state["network"]], state["network_params"])
    network = _built(_NETWORKS[state["network"]], params, state["weights"])
    callbacks = [callback_of(one) for one in state["callbacks"]]
    net = empty_net(
        _NETWORKS[state["network"]],
        _LOSSES[state["loss"]],
        params,
        OPTIMIZERS[state["optimizer"]],
        callbacks,
        **options,
    )
    # Past skorch, which takes every module that is set for a part of the net.
    net.__dict__["ready_module"] = network
    with seeded_cpu(0):
        net.initialize()
    consistency = consistency_of(state["consistency"])
    if consistency is not None:
        net.criterion_.consistency = consistency
    _load_all_but_weights(net, state)
    for name, value in state["applied"].items():
        if name not in _APPLIED:
            raise ValueError(f"a net has no attribute {name}")
        setattr(net, name, value)
    net.views = ViewPolicy(**{**state["views"], **views_of(state["views"])})
    return net


def load_training_state(net: VolumeNet, state: Mapping[str, Any]) -> None:
    """Bring a net to where another one of the same plan and settings was in its training.

    Parameters
    ----------
    net : VolumeNet
        Initialized, its settings applied.
    state : mapping
        From :func:`training_state`. Tensors are copied.

    Raises
    ------
    ValueError, RuntimeError, KeyError
        If the state is that of another network, or of none.
    """
    consistency = getattr(net.criterion_, "consistency", None)
    if (consistency is None) != (state["consistency"] is None):
        raise ValueError("running means and their loss do not go together")
    if consistency is not None:
        consistency.load_state_dict(dict(state["consistency"]["buffers"]), strict=True)
    net.module_.load_state_dict(dict(state["weights"]), strict=True)
    _load_all_but_weights(net, state)


def _load_all_but_weights(net: VolumeNet, state: Mapping[str, Any]) -> None:
    _restore_network(net, state)
    _restore_optimizer(net, state)
    for name in _STREAMS:
        _set_stream(getattr(net, name), state["streams"][name])
    for callback, one in zip(own_callbacks(net), state["callbacks"], strict=True):
        vars(callback).update(plain(one["state"]))
    net.history.clear()
    net.history.extend({"batches": [], **epoch} for epoch in state["history"])
    net.n_steps_ = int(state["n_steps"])


def _available(device: Any) -> str:
    """Return the device, or the CPU where there is no such one."""
    if torch.device(device).type not in _DEVICES:
        raise ValueError(f"{str(device)[:40]} is no device to train on")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        return "cpu"
    return str(device)


# --- The network -------------------------------------------------------------------------------


def _network_params(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a network, after checking what decides about its size."""
    params = dict(given)
    unknown = sorted(set(params) - set(inspect.signature(kind).parameters))
    if unknown:
        raise ValueError(f"{kind.__name__} has no parameters {unknown}")
    shape = tuple(params["volume_shape"])
    if len(shape) != 3 or not all(_is_size(edge, _LONGEST_EDGE) for edge in shape):
        raise ValueError(f"volume_shape {shape} is not of a box")
    if "network" in params:
        settings = checked(network_settings(params["network"]))
        params["network"] = settings
        _check_sizes(settings.get_params(deep=False))
    _check_sizes({k: v for k, v in params.items() if not isinstance(v, NetworkSettings)})
    return {**params, "volume_shape": shape}


def _check_sizes(params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        if name != "volume_shape" and not isinstance(value, PLAIN):
            raise ValueError(f"{name} of the network is no number or text")
        if isinstance(value, int) and not isinstance(value, bool):
            _check_size(name, value)


def _check_size(name: str, value: int) -> None:
    if not _is_size(value, _LARGEST_NUMBER):
        raise ValueError(f"{name}={value} of the network is out of range")


def _is_size(value: Any, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= largest


def _built(kind: Any, params: dict[str, Any], weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a network with the weights, which it takes over."""
    with torch.device("meta"), seeded_cpu(0):
        network = kind(**params)
    for name, value in network.state_dict().items():
        if name in weights and weights[name].dtype != value.dtype:
            raise ValueError(f"{name} has numbers of {weights[name].dtype}, not {value.dtype}")
    network.load_state_dict(dict(weights), strict=True, assign=True)
    left = [name for name, value in _tensors(network) if value.is_meta]
    if left:
        raise ValueError(f"there are no numbers for {left}")
    return network


def _tensors(network: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def _restore_network(net: VolumeNet, state: Mapping[str, Any]) -> None:
    for network in {net.module_, net.predictor_}:
        parts = dict(network.named_modules())
        for name, values in state["attributes"].items():
            for key, value in plain(values).items():
                if not isinstance(vars(parts[name])[key], PLAIN):
                    raise ValueError(f"{name}.{key} is no plain attribute")
                setattr(parts[name], key, value)
    net.module_.train(bool(state["training"]))
    if (net.averaged_ is None) != (state["average"] is None):
        raise ValueError("averaged weights and their decay do not go together")
    if net.averaged_ is not None:
        net.averaged_.load_state_dict(dict(state["average"]), strict=True)
    frozen = set(state["frozen"])
    for name, parameter in net.module_.named_parameters():
        parameter.requires_grad_(name not in frozen)
    streams = dict(_generators(net.module_))
    for name, stream in state["noise"].items():
        _set_stream(streams[name], stream)


def _attributes(network: nn.Module) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the plain attributes of all parts, which a fit may have changed."""
    for name, part in network.named_modules():
        own = {
            key: value
            for key, value in vars(part).items()
            if isinstance(value, (bool, int, float, str))
            and not key.startswith("_")
            and key != "training"
        }
        if own and type(part).__module__.startswith("sksubtomo"):
            yield name, own


def _generators(network: nn.Module) -> Iterator[tuple[str, torch.Generator]]:
    for name, part in network.named_modules():
        generator = vars(part).get("generator")
        if isinstance(generator, torch.Generator):
            yield name, generator


def _set_stream(generator: torch.Generator, state: torch.Tensor) -> None:
    """Set the state of a generator, after checking the place at which it will read its block."""
    head = state.numpy()[: _STREAM.itemsize].view(_STREAM)[0]
    left, place = int(head["left"]), int(head["next"])
    # A block is counted down and gone through at the same time; a new generator has none.
    if (left, place) != (1, 0) and not (0 < left <= _BLOCK and left + place == _BLOCK + 1):
        raise ValueError("the state of a random generator cannot be")
    generator.set_state(state)


# --- The optimizer -----------------------------------------------------------------------------


def _moments(optimizer: torch.optim.Optimizer) -> list[dict[str, torch.Tensor] | None]:
    """Return the state of every parameter, in the optimizer's order."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [dict(optimizer.state[p]) if p in optimizer.state else None for p in parameters]


def _restore_optimizer(net: VolumeNet, state: Mapping[str, Any]) -> None:
    groups = net.optimizer_.param_groups
    for group, options in zip(groups, state["groups"], strict=True):
        group.update({name: options[name] for name in _OF_GROUPS})
    parameters = [p for group in groups for p in group["params"]]
    for parameter, moments in zip(parameters, state["moments"], strict=True):
        if moments is not None:
            net.optimizer_.state[parameter] = {
                name: _laid_out(name, value, parameter) for name, value in moments.items()
            }


def _laid_out(name: str, value: torch.Tensor, parameter: nn.Parameter) -> torch.Tensor:
    """Return a moment with the layout of its parameter, which fused steps rely on."""
    if name == "step":
        if value.shape != ():
            raise ValueError("the optimizer counts steps by one number a parameter")
        # Fused steps on a GPU want their count there.
        return value.to(parameter.device)
    if value.shape != parameter.shape or value.dtype != parameter.dtype:
        raise ValueError(f"{name} of the optimizer is not of the shape of its parameter")
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def own_callbacks(net: VolumeNet) -> list[Callback]:
    """Return the callbacks in use, without those that every net of skorch has."""
    return [one for _, one in net.callbacks_ if type(one).__module__.startswith("sksubtomo")]


def _without_batches(epoch: Mapping[str, Any]) -> dict[str, Any]:
    # Nothing of single batches is recorded.
    return {name: value for name, value in epoch.items() if name != "batches"}
