"""Parameters that all estimators with a network have: defaults and constraints."""

from __future__ import annotations

import reprlib
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from sksubtomo._torch import PRECISIONS
from sksubtomo._utils._params import NumberInterval
from sksubtomo.training import OPTIMIZERS

NETWORK_DEFAULTS: dict[str, Any] = {
    "n_blocks": None,
    "n_filters": 32,
    "latent_dim": 128,
}
NETWORK_CONSTRAINTS: dict[str, list] = {
    "n_blocks": [None, NumberInterval(Integral, 1, None, closed="left")],
    "n_filters": [NumberInterval(Integral, 1, None, closed="left")],
    "latent_dim": [NumberInterval(Integral, 1, None, closed="left")],
}
TRAINING_DEFAULTS: dict[str, Any] = {
    "betas": (0.9, 0.99),
    "weight_decay": 0.0,
    "n_iter_no_change": 10,
    "standardize": True,
    "n_workers": 0,
    "optimizer": "adam",
    "schedule": "constant",
    "average_decay": 0.0,
    "labeled_share": None,
    "steps_per_epoch": None,
    "accelerate": False,
    "keep_interrupted": False,
}
TRAINING_CONSTRAINTS: dict[str, list] = {
    "betas": ["array-like"],
    "weight_decay": [NumberInterval(Real, 0, None, closed="left")],
    "n_iter_no_change": [NumberInterval(Integral, 1, None, closed="left")],
    "standardize": ["boolean"],
    "n_workers": [NumberInterval(Integral, 0, None, closed="left")],
    "optimizer": [StrOptions({*OPTIMIZERS})],
    "schedule": [StrOptions({"constant", "one_cycle"})],
    "average_decay": [NumberInterval(Real, 0, 1, closed="left")],
    "labeled_share": [None, NumberInterval(Real, 0, 1, closed="neither")],
    "steps_per_epoch": [None, NumberInterval(Integral, 1, None, closed="left")],
    "accelerate": ["boolean"],
    "keep_interrupted": ["boolean"],
}
#: Of a net that is trained further, these stay as they are.
_FIXED_IN_TRAINING = (
    *("optimizer", "betas", "weight_decay", "schedule", "average_decay"),
    *("n_iter_no_change", "standardize"),
)
CONSTRAINTS: dict[str, list] = {
    "network": [str],
    "network_params": [dict, None],
    "augmentation": [StrOptions({"none", "rotations"}), dict],
    "test_time_rotations": [NumberInterval(Integral, 0, None, closed="left")],
    "training_params": [dict, None],
    "learning_rate": [NumberInterval(Real, 0, None, closed="neither")],
    "batch_size": [NumberInterval(Integral, 1, None, closed="left")],
    "max_epochs": [NumberInterval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [NumberInterval(Real, 0, 1, closed="neither")],
    "warm_start": ["boolean"],
    "volume_shape": [None, NumberInterval(Integral, 1, None, closed="left"), "array-like"],
    "device": [str],
    "precision": [StrOptions({*PRECISIONS})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def fixed_params(
    network_params: dict[str, Any], training_params: dict[str, Any], **named: Any
) -> dict[str, Any]:
    """Return what a net is made with for good; the two mappings are complete."""
    training = {name: training_params[name] for name in _FIXED_IN_TRAINING}
    return {**named, **network_params, **training}


def check_betas(betas: Any) -> tuple[float, float]:
    """Return Adam's two decay rates.

    Raises
    ------
    ValueError
        If they are not two numbers from 0 to below 1.
    """
    try:
        first, second = (float(beta) for beta in betas)
    except (TypeError, ValueError):
        first = second = np.nan
    if not (0 <= first < 1 and 0 <= second < 1):
        raise ValueError(
            f"betas={reprlib.repr(betas)} in training_params must be two numbers, from 0 to below "
            "1, such as (0.9, 0.99)."
        )
    return first, second


def with_params(name: str, estimator: Any) -> dict[str, Any]:
    """Return an estimator inside of another one and its parameters, by the name it has there."""
    params = {} if estimator is None else estimator.get_params(deep=True)
    return {name: estimator, **{f"{name}__{key}": value for key, value in params.items()}}


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(np.all(one == other))


def check_unchanged(fixed: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to train a net further with other parameters than those that it was made with.

    Raises
    ------
    ValueError
        If one of :func:`fixed_params` is another one now.
    """
    changed = [n for n, value in fixed.items() if not _same(value, now.get(n))]
    if changed:
        was = ", ".join(f"{name}={fixed[name]!r}, not {now.get(name)!r}" for name in changed)
        raise ValueError(
            f"A fit that goes on (warm_start, partial_fit) keeps its network, optimizer and early "
            f"stopping, and was begun with {was}. Set that again, or begin anew: fit with "
            "warm_start=False."
        )
