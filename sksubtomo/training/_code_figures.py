"""Figures that tell whether the code of an autoencoder lives, and what it explains."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from sksubtomo._torch import n_processes, sum_over_processes
from sksubtomo.exceptions import DeadCodeWarning

# A unit whose standard deviation is below 1e-4 of its root mean square varies by rounding only.
_LEAST_RELATIVE_VARIANCE = 1e-8
# Of reconstructions, in standard deviations of the volumes.
_LEAST_SPREAD = 1e-3

GENERAL_REMEDY = (
    "Train for more epochs, change learning_rate, or normalize the volumes, for example with "
    "sksubtomo.preprocessing.VolumeNormalizer."
)


@torch.no_grad()
def scatter(values: torch.Tensor) -> torch.Tensor:
    """Sum over the rows of a batch of the squared distances from their mean, entry by entry.

    If processes share the batch, the mean is that of all rows, and each has the sum over its own.

    Parameters
    ----------
    values : Tensor of shape (n, ...)
        A row for each volume.

    Returns
    -------
    sums : Tensor of shape (...)
        Divided by n - 1, unbiased variances.
    """
    n = sum_over_processes(values.new_full((), len(values)))
    mean = sum_over_processes(values.sum(dim=0)) / n
    return (values - mean).square().sum(dim=0)


@torch.no_grad()
def code_sums(
    volumes: torch.Tensor, reconstruction: torch.Tensor, code: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return what :func:`code_figures` needs of a batch.

    Deviations are from the means of the batch, not of the epoch: between batches a training
    network changes, and a constant would seem to vary.

    Parameters
    ----------
    volumes, reconstruction : Tensor of shape (n, ...)
        Volumes and their reconstructions.
    code : Tensor of shape (n, latent_dim)
        Latent codes; of a distribution, its mean.
    """
    return {
        # The degrees of freedom of all processes together are one less than the volumes.
        "n_free": code.new_full((), len(code) - 1 / n_processes()),
        "volume_scatter": scatter(volumes).mean(),
        "reconstruction_scatter": scatter(reconstruction).mean(),
        "code_scatter": scatter(code),
        "code_power": code.square().sum(dim=0),
    }


def explained(sums: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Variance of the volumes, a voxel, minus the mean squared error of their reconstruction.

    Zero for a reconstruction that is the mean of all volumes, whatever the volume.
    """
    variance = sums["volume_scatter"] / sums["n_free"].clamp_min(1)
    return variance - sums["squared_error"] / sums["n_volumes"]


def code_figures(
    sums: Mapping[str, torch.Tensor], live_variance: float | None = None
) -> dict[str, float]:
    """Turn sums over the batches of an epoch into figures for the history.

    Parameters
    ----------
    sums : dict
        Those of :func:`code_sums`, "squared_error" and "n_volumes".
    live_variance : float, optional
        Variance over the volumes above which a unit is live. By default, any that is more than
        rounding.

    Returns
    -------
    figures : dict
        "live_units", how many units of the code vary between volumes. "explained_variance", the
        share of the variance of the volumes about their mean that the reconstruction explains: 1
        if it is perfect, 0 for the mean volume, negative if worse.
        "reconstruction_spread", the standard deviation of reconstructions over that of the
        volumes. Without a batch of two volumes, or without a difference between volumes, empty.
    """
    n_free, volume_scatter = sums["n_free"], sums["volume_scatter"]
    if not (n_free > 0 and volume_scatter > 0):
        return {}
    if live_variance is None:
        live = sums["code_scatter"] > _LEAST_RELATIVE_VARIANCE * sums["code_power"]
    else:
        live = sums["code_scatter"] > live_variance * n_free
    spread = (sums["reconstruction_scatter"] / volume_scatter).sqrt()
    return {
        "live_units": int(live.sum()),
        "explained_variance": float(explained(sums) / (volume_scatter / n_free)),
        "reconstruction_spread": float(spread),
    }


def warn_of_dead_code(epoch: Mapping[str, Any], remedy: str, *, stacklevel: int = 2) -> None:
    """Warn if, in an epoch of the history, the code was dead or reconstructions all alike.

    Parameters
    ----------
    epoch : dict
        Entry of the history; figures of validation count before those of training.
    remedy : str
        What the user can do, a sentence; losses have it as ``dead_code_remedy``.
    stacklevel : int, default=2
        As of :func:`warnings.warn`; 2 is who calls this.

    Warns
    -----
    DeadCodeWarning
        If no unit of the code varies between volumes, or reconstructions do not.
    """
    prefix = "valid" if "valid_live_units" in epoch else "train"
    if f"{prefix}_live_units" not in epoch:
        return
    explained_variance = epoch[f"{prefix}_explained_variance"]
    if epoch[f"{prefix}_live_units"] == 0:
        problem = "No unit of the code differs between volumes: the code is dead"
    elif epoch[f"{prefix}_reconstruction_spread"] < _LEAST_SPREAD:
        problem = "All volumes have the same reconstruction, whatever their code"
    else:
        return
    warnings.warn(
        f"{problem}. The reconstruction explains {explained_variance:.2g} of the variance between "
        f"volumes. {remedy}",
        DeadCodeWarning,
        stacklevel=stacklevel,
    )
