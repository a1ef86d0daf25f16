"""Power by Fourier shell, of volumes on average and of single ones."""

from __future__ import annotations

import torch

from sksubtomo.alignment._identity_pose import IdentityPose
from sksubtomo.alignment._pose_grid import PoseGrid

Poses = PoseGrid | IdentityPose


def shell_means(shells: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the mean of values over every shell; 0 where it is empty."""
    count = torch.bincount(shells).clamp_min(1)
    return torch.bincount(shells, values.double()).div(count).float()


def shell_power(poses: Poses, coefficients: torch.Tensor) -> torch.Tensor:
    """Return the mean square of real coefficients in every shell."""
    square = coefficients.abs().square().mean(dim=0)
    copies = len(poses.shells) // len(square)
    return shell_means(poses.shells, square.repeat(copies) / copies)


def log_spectrum_ratio(
    poses: Poses, coefficients: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Return how much more likely volumes are by their own spectrum than by noise.

    The spectrum of a volume is a Gaussian field with the power that the volume has in every shell;
    no other Gaussian field explains it better.

    Parameters
    ----------
    poses, coefficients, noise
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
    ratio = coefficients.abs().square() @ member / count.clamp_min(1) / noise
    # Half of the sum over all real coefficients; empty shells count for nothing.
    ratio = ratio.clamp_min(1e-12)
    return (count * (ratio - 1 - ratio.log())).sum(dim=1) / 2
