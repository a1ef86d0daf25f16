"""How to train, as settings."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import Settings, checked
from sksubtomo._utils._sklearn import StrOptions

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class Training(Settings):
    """How to train a network.

    Every estimator with a network takes one. Methods with settings of their own have a subclass,
    such as :class:`JointTraining`; they take a plain ``Training``, too, their own settings then
    being at their defaults.

    Parameters
    ----------
    %(training_settings)s

    Examples
    --------
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> from sksubtomo.training import Training
    >>> clf = CNNClassifier(training=Training(optimizer="adamw", weight_decay=0.05))
    >>> clf.set_params(training__weight_decay=0.01)
    CNNClassifier(training=Training(optimizer='adamw', weight_decay=0.01))
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "optimizer": [StrOptions({*OPTIMIZERS})],
        "betas": ["array-like"],
        "weight_decay": [NumberInterval(Real, 0, None, closed="left")],
        "schedule": [StrOptions({"constant", "one_cycle"})],
        "average_decay": [None, NumberInterval(Real, 0, 1, closed="left")],
        "labeled_share": [None, NumberInterval(Real, 0, 1, closed="left")],
        "steps_per_epoch": [None, NumberInterval(Integral, 1, None, closed="left")],
        "validation_fraction": [NumberInterval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [NumberInterval(Integral, 1, None, closed="left")],
        "standardize": ["boolean"],
        "n_workers": [NumberInterval(Integral, 0, None, closed="left")],
        "accelerate": ["boolean"],
        "keep_interrupted": ["boolean"],
        "verbose": ["verbose"],
    }
    #: Of a net that is trained further, these stay as they are.
    fixed: ClassVar[tuple[str, ...]] = (
        *("optimizer", "betas", "weight_decay", "schedule", "average_decay"),
        *("n_iter_no_change", "standardize"),
    )

    optimizer: str = "adam"
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    schedule: str = "constant"
    average_decay: float | None = None
    labeled_share: float | None = None
    steps_per_epoch: int | None = None
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    standardize: bool = True
    n_workers: int = 0
    accelerate: bool = False
    keep_interrupted: bool = False
    verbose: int = 0

    def _check(self) -> None:
        check_betas(self.betas)

    def complete(self, kind: type[Training], **defaults: Any) -> Any:
        """Return the settings as an object of a class, with nothing left to an estimator's default.

        Parameters
        ----------
        kind : type
            The training settings of an estimator; it has all settings of this object.
        **defaults : dict
            What None stands for, by name.

        Returns
        -------
        training : Training
            A new object of class `kind`.
        """
        params = self.get_params(deep=False)
        params["betas"] = check_betas(self.betas)
        for name, value in defaults.items():
            if params.get(name) is None:
                params[name] = value
        for name, make in kind._defaults.items():
            if params.get(name) is None:
                params[name] = make()
        params["labeled_share"] = params["labeled_share"] or None
        return kind(**params)


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
            f"betas={reprlib.repr(betas)} of training must be two numbers, from 0 to below 1, such "
            "as (0.9, 0.99)."
        )
    return first, second


def training_settings(training: Any, kind: type[Training]) -> Any:
    """Return settings as an object of an estimator's class, its own settings at their defaults.

    Parameters
    ----------
    training : Training or None
        What was given; None is an object with its defaults.
    kind : type
        The class that has the estimator's settings.

    Raises
    ------
    ValueError
        If it is something else, or has settings that `kind` does not have.
    """
    if training is None:
        return kind()
    if not isinstance(training, Training):
        raise ValueError(
            f"training={reprlib.repr(training)} must be a sksubtomo.training.{kind.__name__}, a "
            "Training, or None."
        )
    params = checked(training).get_params(deep=False)
    unknown = sorted(set(params) - set(kind._get_param_names()))
    if unknown:
        raise ValueError(
            f"training={type(training).__name__}(...) has settings without a use here, "
            f"{unknown}. Pass a sksubtomo.training.{kind.__name__}"
            f"{'' if kind is Training else ', or a plain Training'}."
        )
    return kind(**params)
