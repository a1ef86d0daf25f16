"""Power by Fourier shell, of volumes on average and of single ones."""

from __future__ import annotations

import math

import torch

from sksubtomo.alignment._gains import check_kinds
from sksubtomo.alignment._identity_pose import IdentityPose
from sksubtomo.alignment._pose_grid import PoseGrid

Poses = PoseGrid | IdentityPose
# Volumes whose squares are held at once.
_ROWS_PER_BLOCK = 1024


def shell_means(shells: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the mean of values over every shell; 0 where it is empty."""
    count = torch.bincount(shells).clamp_min(1)
    return torch.bincount(shells, values.double()).div(count).float()


def root_mean_square(coefficients: torch.Tensor) -> float:
    """Return the square root of the mean square, block by block as a bound on memory.

    Parameters
    ----------
    coefficients : Tensor of shape (n, n_frequencies)
        Of volumes. Sums are in float64: a float32 cannot hold the square of a large unit.
    """
    blocks = coefficients.split(_ROWS_PER_BLOCK)
    total = sum(float(block.abs().double().square().sum()) for block in blocks)
    return math.sqrt(total / max(1, coefficients.numel()))


def shell_power(
    poses: Poses,
    coefficients: torch.Tensor,
    noise: torch.Tensor | None = None,
    kinds: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean square of real coefficients in every shell.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Those that the coefficients are from.
    coefficients : Tensor of shape (n, n_frequencies)
        Of volumes.
    noise : Tensor of shape (n_shells,), optional
        Noise power of a real coefficient, by shell; needed where volumes have gains.
    kinds : Tensor of shape (n,) of int, optional
        The kind of imaging of each volume; where there are several.

    Returns
    -------
    power : Tensor of shape (n_shells,)
        With gains, the power that volumes would have that measure all frequencies in full.
    """
    if poses.gains is not None and noise is not None:
        return _power_without_gains(poses, coefficients, noise, kinds)
    square = coefficients.abs().square().mean(dim=0)
    copies = len(poses.shells) // len(square)
    return shell_means(poses.shells, square.repeat(copies) / copies)


def _power_without_gains(
    poses: PoseGrid, coefficients: torch.Tensor, noise: torch.Tensor, kinds: torch.Tensor | None
) -> torch.Tensor:
    assert poses.gains is not None
    gains, shells = poses.gains.values, poses.shells[: coefficients.shape[1]]
    counts = torch.bincount(check_kinds(poses, kinds, len(coefficients)), minlength=len(gains))
    # A coefficient has half of the square of its absolute value in each of its parts.
    square = coefficients.abs().square().sum(dim=0).double() / 2
    measured = counts.double() @ (gains != 0).double()
    excess = torch.bincount(shells, square - measured * noise[shells].double())
    total = torch.bincount(shells, counts.double() @ gains.double().square())
    return noise[: len(total)] + (excess / total.clamp_min(1e-12)).float()


def log_spectrum_ratio(
    poses: Poses,
    coefficients: torch.Tensor,
    noise: torch.Tensor,
    kinds: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return how much more likely volumes are by their own spectrum than by noise.

    The spectrum of a volume is a Gaussian field with the power that the volume has in every shell;
    no other Gaussian field explains it better.

    Parameters
    ----------
    poses, coefficients, noise, kinds
        Those of the E step.

    Returns
    -------
    log_ratio : Tensor of shape (n,)
        At least 0.
    """
    count = torch.bincount(poses.shells)
    # Both parts of a complex coefficient are in the same shell.
    shells = poses.shells[: coefficients.shape[1]]
    member = torch.nn.functional.one_hot(shells, len(count)).float()
    if poses.gains is not None:
        own = check_kinds(poses, kinds, len(coefficients))
        count = 2 * ((poses.gains.values != 0).float() @ member)[own]
    # Over the noise first: a float32 cannot hold the square of a large unit.
    relative = coefficients.abs() / noise.sqrt().to(coefficients.real.dtype)[shells]
    ratio = relative.square() @ member / count.clamp_min(1)
    # Half of the sum over all real coefficients; empty shells count for nothing.
    ratio = ratio.clamp_min(1e-12)
    return (count * (ratio - 1 - ratio.log())).sum(dim=1) / 2
