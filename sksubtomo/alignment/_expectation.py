"""Comparing volumes with references in all poses, and adding them up as they compare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from sksubtomo.alignment._identity_pose import IdentityPose
from sksubtomo.alignment._pose_grid import PoseGrid

Poses = PoseGrid | IdentityPose

# Log-likelihoods held at once, a bound on memory, and most volumes in a chunk.
_VALUES_PER_CHUNK = 2**24
_LARGEST_CHUNK = 64
# Poses less probable than this, relative to the best of a class, are forgotten, and so are all but
# so many.
_NEGLIGIBLE_POSE = 1e-3
_MOST_POSES = 256
_NEGLIGIBLE_SHARE = 1e-4
# Less than this below the best, a pose adds nothing to a float32, and its exponential would be
# subnormal, which takes a CPU ten times as long.
_LEAST_LOG = -80.0
# Noise power is not estimated below this share of a shell's power.
_LEAST_NOISE = 0.02


class PosePosterior(NamedTuple):
    """Probable poses of volumes, if they were of a class; one entry a pose.

    ``rows`` and ``targets`` say of which volume and which class, ``poses`` which pose (shift
    first), and ``weights`` its probability, 1 in all for every volume and class.
    """

    rows: torch.Tensor
    targets: torch.Tensor
    poses: torch.Tensor
    weights: torch.Tensor


class Expectation(NamedTuple):
    """What the E step says of volumes.

    ``log_evidence`` (n, n_classes): log-likelihood of each class, relative to noise alone.
    ``best`` (n, n_classes): index of the best pose, shift first, of every class. ``templates``
    (n_classes, n_rotations, n_values): those compared with, whitened. ``posterior``: the probable
    poses.
    """

    log_evidence: torch.Tensor
    best: torch.Tensor
    templates: torch.Tensor
    posterior: PosePosterior | None


def expectation(
    poses: Poses,
    coefficients: torch.Tensor,
    maps: torch.Tensor,
    noise: torch.Tensor,
    *,
    keep_poses: bool = True,
    device: str = "cpu",
) -> Expectation:
    """Compare volumes with all poses of all maps.

    The noise is Gaussian and independent; rotations and shifts of the grid are equally probable
    beforehand.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Rotations and shifts.
    coefficients : Tensor of shape (n, n_frequencies)
        Of the volumes, as from ``poses.coefficients``.
    maps : Tensor of shape (n_classes, ...)
        References.
    noise : Tensor of shape (n_shells,)
        Noise power of a real coefficient, by shell.
    keep_poses : bool, default=True
        Whether to return the probable poses, which take memory for every volume and class.
    device : str, default="cpu"
        Where to compare.

    Returns
    -------
    result : Expectation
        On the CPU.
    """
    white = noise[poses.shells].rsqrt()
    templates = (poses.templates(maps) * white).to(device)
    half, white = templates.square().sum(2) / 2, white.to(device)
    n_classes, n_rotations, _ = templates.shape
    evidence = torch.empty(len(coefficients), n_classes)
    best = torch.empty(len(coefficients), n_classes, dtype=torch.int64)
    parts = []
    n_poses = n_rotations * len(poses.shifts)
    size = min(_LARGEST_CHUNK, max(1, _VALUES_PER_CHUNK // n_poses))
    for start in range(0, len(coefficients), size):
        rows = slice(start, start + size)
        values = poses.unshift(coefficients[rows].to(device)) * white
        for k in range(n_classes):
            match = _log_likelihood(values, templates[k], half[k])
            top, where = match.max(dim=1, keepdim=True)
            relative = match.sub_(top).clamp_min_(_LEAST_LOG).exp_()
            total = relative.sum(dim=1, keepdim=True)
            evidence[rows, k] = (total.log() + top - np.log(n_poses))[:, 0].cpu()
            best[rows, k] = where[:, 0].cpu()
            if not keep_poses:
                continue
            row, pose, weight = (part.cpu() for part in _probable(relative))
            # Of many volumes and classes, these take the most memory.
            row, pose = (row + start).int(), pose.int()
            parts.append(PosePosterior(row, torch.full_like(row, k), pose, weight))
    columns = (torch.cat(column) for column in zip(*parts, strict=True))
    posterior = PosePosterior(*columns) if keep_poses else None
    return Expectation(evidence, best, templates.cpu(), posterior)


def _probable(relative: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return row, pose and probability of the probable poses of (n, n_poses), the best being 1."""
    kept = relative > _NEGLIGIBLE_POSE
    if kept.sum(dim=1).max() > _MOST_POSES:
        kept &= relative >= relative.topk(_MOST_POSES, dim=1).values[:, -1:]
    row, pose = kept.nonzero().T
    weight = relative[row, pose]
    total = weight.new_zeros(len(relative)).index_add_(0, row, weight)
    return row, pose, weight / total[row]


def posterior_sums(
    poses: Poses,
    coefficients: torch.Tensor,
    noise: torch.Tensor,
    result: Expectation,
    responsibilities: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add up volumes by class and rotation, their shifts undone.

    Parameters
    ----------
    poses, coefficients, noise
        Those of the E step.
    result : Expectation
        The E step's.
    responsibilities : Tensor of shape (n, n_classes)
        Posterior of the classes.

    Returns
    -------
    sums : Tensor of shape (n_classes, n_rotations, n_values)
        Whitened coefficients times their probability.
    weights : Tensor of shape (n_classes, n_rotations)
        The probability itself.
    """
    n_classes, n_rotations, n_values = result.templates.shape
    assert result.posterior is not None
    rows, targets, pose, weight = result.posterior
    weight = weight * responsibilities[rows, targets]
    kept = (responsibilities[rows, targets] > _NEGLIGIBLE_SHARE).nonzero()[:, 0]
    kept = kept[rows[kept].argsort(stable=True)]
    rows, weight = rows[kept], weight[kept]
    shift, rotation = pose[kept] // n_rotations, pose[kept] % n_rotations
    group = targets[kept] * n_rotations + rotation
    weights = torch.zeros(n_classes * n_rotations).index_add_(0, group, weight)
    sums = torch.zeros(n_classes * n_rotations, n_values)
    white, n_shifts = noise[poses.shells].rsqrt(), len(poses.shifts)
    starts = range(0, len(coefficients), _LARGEST_CHUNK)
    edges = torch.searchsorted(rows, torch.tensor([*starts, len(coefficients)]))
    for start, low, high in zip(starts, edges[:-1], edges[1:], strict=True):
        values = poses.unshift(coefficients[start : start + _LARGEST_CHUNK]) * white
        values = values.flatten(0, 1)
        column = (rows[low:high] - start) * n_shifts + shift[low:high]
        share = torch.sparse_coo_tensor(
            torch.stack([group[low:high], column]),
            weight[low:high],
            (len(sums), len(values)),
            check_invariants=False,
        )
        sums += torch.sparse.mm(share, values)
    return sums.view(n_classes, n_rotations, n_values), weights.view(n_classes, n_rotations)


def _log_likelihood(
    values: torch.Tensor, templates: torch.Tensor, half: torch.Tensor
) -> torch.Tensor:
    """Log-likelihood ratios to noise alone, (n, n_shifts * n_rotations)."""
    n, n_shifts, _ = values.shape
    match = (values.flatten(0, 1) @ templates.T).sub_(half)
    return match.view(n, n_shifts * len(templates))


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
    no other field without phases explains it better.

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
    ratio = torch.stack([shell_power(poses, row[np.newaxis]) for row in coefficients]) / noise
    # Half of the sum over all real coefficients; empty shells count for nothing.
    ratio = ratio.clamp_min(1e-12)
    return (count * (ratio - 1 - ratio.log())).sum(dim=1) / 2


def residual_noise(
    poses: Poses,
    power: torch.Tensor,
    noise: torch.Tensor,
    templates: torch.Tensor,
    sums: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """Return the mean square of what the templates leave of the volumes, by shell.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Those of the E step.
    power : Tensor of shape (n_shells,)
        Power of the volumes that took part.
    noise : Tensor of shape (n_shells,)
        Noise power that the E step assumed.
    templates, sums, weights : Tensor
        Of :func:`expectation` and :func:`posterior_sums`.
    """
    square = templates.square() * weights[:, :, np.newaxis]
    explained = (2 * templates * sums - square).sum(dim=(0, 1))
    explained = shell_means(poses.shells, explained) / weights.sum()
    return torch.maximum(power - noise * explained, _LEAST_NOISE * power)
