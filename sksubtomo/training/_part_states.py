"""Parts of a net as plain values, and the parts that they make again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from skorch.callbacks import Callback
from torch import nn

from sksubtomo.augmentation import WedgeAwareAugmentation
from sksubtomo.training._callbacks import (
    BestWeights,
    EpochLog,
    OneCycle,
    ProgressBar,
    RampUp,
    Tasks,
)
from sksubtomo.training._consistency import PseudoLabelConsistency, SquaredErrorConsistency
from sksubtomo.training._plan import ViewPolicy
from sksubtomo.training._pseudo_labels import PseudoLabels

#: What an attribute may be that a file sets.
PLAIN = (bool, int, float, str, type(None))
_VIEWS = ("augmentation", "corruption")


def by_name(*classes: type) -> dict[str, Any]:
    """Return classes by their names."""
    return {one.__name__: one for one in classes}


_CONSISTENCIES = by_name(PseudoLabelConsistency, SquaredErrorConsistency)
_CALLBACKS = by_name(PseudoLabels, RampUp, OneCycle, EpochLog, BestWeights, ProgressBar, Tasks)


def name_of(kind: Any, known: Mapping[str, Any]) -> str:
    """Return the name of a class, after checking that it is known."""
    name = getattr(kind, "__name__", repr(kind))
    if known.get(name) is not kind:
        raise ValueError(f"{name} is none of {', '.join(known)}")
    return name


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes after checking that they are numbers or text, and no methods' names."""
    for name, value in values.items():
        if not isinstance(value, PLAIN) or not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"{name} is no plain attribute")
    return dict(values)


def views_state(views: ViewPolicy) -> dict[str, Any]:
    """Return what a network gets to see as plain values."""
    state = views._asdict()
    names = inspect.signature(WedgeAwareAugmentation).parameters
    for key in _VIEWS:
        if state[key] is not None:
            if type(state[key]) is not WedgeAwareAugmentation:
                raise ValueError(f"{type(state[key]).__name__} is no WedgeAwareAugmentation")
            state[key] = {name: getattr(state[key], name) for name in names}
    return state


def views_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the modules that make views."""
    return {
        key: None if state[key] is None else WedgeAwareAugmentation(**state[key]) for key in _VIEWS
    }


def callback_state(callback: Callback) -> dict[str, Any]:
    """Return a callback as plain values."""
    name = name_of(type(callback), _CALLBACKS)
    names = inspect.signature(type(callback)).parameters
    plain = {k: v for k, v in vars(callback).items() if isinstance(v, PLAIN)}
    return {
        "name": name,
        "params": {key: getattr(callback, key) for key in names},
        # Weights that early stopping went back to are those of the network.
        "state": {k: v for k, v in plain.items() if k not in names and v is not None},
    }


def callback_of(state: Mapping[str, Any]) -> Callback:
    """Return a new callback, without what it noted."""
    return _CALLBACKS[state["name"]](**plain(state["params"]))


def consistency_state(module: nn.Module | None) -> dict[str, Any] | None:
    """Return the running means of a loss."""
    if module is None:
        return None
    name = name_of(type(module), _CONSISTENCIES)
    return {"name": name, "buffers": dict(module.named_buffers())}


def consistency_of(state: Mapping[str, Any] | None) -> nn.Module | None:
    """Return what holds the running means of a training; the next fit brings its own settings."""
    if state is None:
        return None
    kind, buffers = _CONSISTENCIES[state["name"]], dict(state["buffers"])
    module = kind(torch.empty_like(buffers["shares"])) if "shares" in buffers else kind()
    module.load_state_dict(buffers, strict=True)
    return module
