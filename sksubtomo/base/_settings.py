"""Settings of an estimator: what it has a use for, and how they are resolved for a fit."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions

from sksubtomo._torch import PRECISIONS, resolve_device
from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._params import NumberInterval, to_plain
from sksubtomo._utils._settings import Settings, checked, refuse_unused
from sksubtomo.augmentation import WedgeAwareRotations, augmentation_settings
from sksubtomo.networks import NetworkSettings, network_settings
from sksubtomo.training import FitSettings, Training, training_settings

#: Parameters that hold settings.
SETTINGS = ("network", "augmentation", "training")

#: Of the parameters that all estimators with a network have.
CONSTRAINTS: dict[str, list] = {
    "network": [str, NetworkSettings],
    "augmentation": [StrOptions({"none", "rotations"}), WedgeAwareRotations],
    "training": [Training, None],
    "learning_rate": [NumberInterval(Real, 0, None, closed="neither")],
    "batch_size": [NumberInterval(Integral, 1, None, closed="left")],
    "max_epochs": [NumberInterval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "warm_start": ["boolean"],
    "volume_shape": [None, NumberInterval(Integral, 1, None, closed="left"), "array-like"],
    "device": [str],
    "precision": [StrOptions({*PRECISIONS})],
    "random_state": ["random_state"],
}


class Uses(NamedTuple):
    """What an estimator does with its settings.

    Parameters
    ----------
    training : type
        Class of its training settings.
    latent_dim : int or None
        Default length of the code; None of an estimator without a code.
    decoder : bool
        Whether there is a decoder.
    average_decay, labeled_share : float
        What None in the training settings stands for.
    unused : tuple of str
        Settings that the estimator has no use for; it refuses values other than their defaults.
    """

    training: type[Training] = Training
    latent_dim: int | None = None
    decoder: bool = False
    average_decay: float = 0.0
    labeled_share: float = 0.0
    unused: tuple[str, ...] = ("batch_norm_rows", "labeled_share")


def resolve(estimator: Any, inner: dict[str, Any] | None = None) -> FitSettings:
    """Check all settings of an estimator and put them into one value, once for a fit.

    Parameters
    ----------
    estimator : BaseVolumeEstimator
        Not changed.
    inner : dict, optional
        Parameters of an estimator inside of it that have to stay as they are, by name.

    Raises
    ------
    ImportError
        If the network is MONAI's, and MONAI is not installed.
    ValueError
        If a setting is wrong, or the estimator has no use for it.
    """
    name, uses = type(estimator).__name__, estimator.uses
    network = checked(network_settings(estimator.network))
    unused = [*uses.unused, *(["latent_dim"] if uses.latent_dim is None else [])]
    refuse_unused(name, "network", network, unused)
    if not uses.decoder:
        refuse_unused(name, "network", network, network.decoder_only)
    augmentation = augmentation_settings(estimator.augmentation)
    training = training_settings(estimator.training, uses.training)
    refuse_unused(name, "training", training, unused)
    return FitSettings(
        network=network,
        augmentation=None if augmentation is None else checked(augmentation),
        training=training.complete(
            uses.training, average_decay=uses.average_decay, labeled_share=uses.labeled_share
        ),
        latent_dim=network.code_length(uses.latent_dim),
        learning_rate=to_plain(estimator.learning_rate),
        batch_size=to_plain(estimator.batch_size),
        max_epochs=to_plain(estimator.max_epochs),
        early_stopping=bool(estimator.early_stopping),
        device=resolve_device(estimator.device),
        precision=estimator.precision,
        inner=inner or {},
    )


def make_settings(estimator: Any, name: str, wanted: Iterable[str]) -> Settings:
    """Return a new settings object that says what a parameter of an estimator holds.

    Parameters
    ----------
    estimator : BaseVolumeEstimator
        Not changed.
    name : {"network", "augmentation", "training"}
        The parameter; it may hold a shortcut.
    wanted : iterable of str
        Settings that the object has to have.

    Raises
    ------
    ValueError
        If the parameter is "none", or nothing that settings can be made of.
    """
    given = getattr(estimator, name)
    if name == "network":
        return clone(network_settings(given))
    if name == "augmentation":
        settings = augmentation_settings(given)
        if settings is None:
            raise ValueError(
                "augmentation='none' has no settings. Set augmentation='rotations', or a "
                "sksubtomo.augmentation.WedgeAwareRotations, first."
            )
        return clone(settings)
    if isinstance(given, Training) and {*wanted} <= {*given.get_params(deep=False)}:
        return clone(given)
    # A plain Training does not have the settings of the method.
    return training_settings(given, estimator.uses.training)


def with_params(name: str, estimator: Any) -> dict[str, Any]:
    """Return an estimator inside of another one and its parameters, by the name it has there.

    Of settings, what they resolve to counts, not the object or shortcut that they are given by.
    """
    if estimator is None:
        return {name: None}
    stage = unfrozen(estimator)
    params = stage.get_params(deep=False)
    if hasattr(stage, "uses"):
        settings = resolve(stage)
        for part in SETTINGS:
            params[part] = type(getattr(settings, part)).__name__
            if getattr(settings, part) is not None:
                inside = getattr(settings, part).get_params()
                params.update({f"{part}__{key}": value for key, value in inside.items()})
    plain = {key: value for key, value in params.items() if not isinstance(value, Settings)}
    return {name: estimator, **{f"{name}__{key}": value for key, value in plain.items()}}


def check_unchanged(fixed: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to train a net further with other settings than those that it was made with.

    Raises
    ------
    ValueError
        If one of :meth:`FitSettings.fixed` is another one now.
    """
    # Another network has other settings; that it is another one is enough to say.
    changed = [name for name in fixed if name in now and not _same(fixed[name], now[name])]
    if changed:
        was = ", ".join(f"{name}={fixed[name]!r}, not {now[name]!r}" for name in changed)
        raise ValueError(
            f"A fit that goes on (warm_start, partial_fit) keeps its network, optimizer and early "
            f"stopping, and was begun with {was}. Set that again, or begin anew: fit with "
            "warm_start=False."
        )


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(np.all(one == other))
