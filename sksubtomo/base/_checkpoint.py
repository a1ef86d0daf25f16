"""What a checkpoint says of a fit of a network, by which the same fit is recognized."""

from __future__ import annotations

from typing import Any

from sksubtomo._torch import n_processes
from sksubtomo._utils._checkpoint import CheckpointPart
from sksubtomo._utils._fingerprints import (
    array_fingerprint,
    fingerprint,
    state_fingerprint,
    version_fingerprints,
)
from sksubtomo.base._data import FitData
from sksubtomo.base._settings import SETTINGS
from sksubtomo.training import FitSettings, training_state

#: What the result does not depend on; and what is described otherwise.
_WITHOUT_EFFECT = ("keep_interrupted", "n_workers", "verbose", "accelerate")
_ELSEWHERE = ("warm_start", "device", *SETTINGS)


def begin_checkpoint(
    checkpoint: CheckpointPart,
    estimator: Any,
    settings: FitSettings,
    data: FitData,
    *,
    resume: bool,
) -> None:
    """Compare a fit with the one that a checkpoint is of; begin a new one.

    Parameters
    ----------
    checkpoint : CheckpointPart
        Of a file, or of a fit around this one, which has compared all there is.
    estimator : BaseVolumeEstimator
        Not changed.
    settings : FitSettings
        Resolved.
    data : FitData
        Checked.
    resume : bool
        Whether a net that is there is trained further.

    Raises
    ------
    ValueError
        If it is another fit, or one that several processes share.
    """
    if n_processes() > 1:
        raise ValueError(
            "checkpoint is for a fit in one process; with Training(accelerate=True), several share "
            "this one. Leave it out."
        )
    if not checkpoint.needs_fingerprints:
        return
    told = {
        **_of_parameters(estimator, settings),
        "X": array_fingerprint(data.X),
        "y": array_fingerprint(data.targets),
        "X_val": None if data.validation is None else array_fingerprint(data.validation[0]),
        "y_val": None if data.validation is None else array_fingerprint(data.validation[1]),
        "tilt_ranges_deg": fingerprint(data.tilt_ranges_deg),
    }
    if resume:
        told["net_"] = _of_net(estimator.net_)
    if hasattr(estimator, "classes_"):
        told["classes"] = estimator.classes_.tolist()
    checkpoint.begin({**told, **version_fingerprints()})


def _of_parameters(estimator: Any, settings: FitSettings) -> dict[str, Any]:
    """Return fingerprints of all that decides about the result, by the names that users know."""
    params = estimator.get_params(deep=False)
    told = {name: fingerprint(value) for name, value in params.items() if name not in _ELSEWHERE}
    told = {"kind of fit": type(estimator).__name__, **told, "device": settings.device}
    for name in SETTINGS:
        part = getattr(settings, name)
        told[name] = type(part).__name__
        inside = {} if part is None else part.get_params(deep=False)
        told.update({f"{name}__{k}": fingerprint(v) for k, v in inside.items()})
    for name, value in settings.inner.items():
        # Of a fitted one, what it is fitted to counts, too.
        net = getattr(value, "net_", None) or getattr(
            getattr(value, "estimator", None), "net_", None
        )
        told[name] = fingerprint(value)
        if net is not None:
            told[f"{name}.net_"] = _of_net(net)
    ignored = tuple(f"__{name}" for name in _WITHOUT_EFFECT)
    return {name: value for name, value in told.items() if not name.endswith(ignored)}


def _of_net(net: Any) -> str:
    """Return a fingerprint of weights, optimizer and generators; the history has times in it."""
    return state_fingerprint({k: v for k, v in training_state(net).items() if k != "history"})


def seeds_of(checkpoint: CheckpointPart | None, drawn: list[int]) -> list[int]:
    """Return the seeds that the fit began with: those of an earlier run, if there was one."""
    if checkpoint is None or checkpoint.state is None:
        return drawn
    with checkpoint.restoring():
        seeds = [int(seed) for seed in checkpoint.state["seeds"]]
        if len(seeds) != len(drawn):
            raise ValueError("it has other seeds than this fit draws")
    return seeds
