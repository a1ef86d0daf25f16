"""Comparing volumes with references in all poses, and adding them up as they compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from sksubtomo.alignment._spectra import Poses

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
_POSTERIOR_DTYPES = (torch.int32, torch.int32, torch.int32, torch.float32)


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
    variance: torch.Tensor | None = None,
    pairs: torch.Tensor | None = None,
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
    variance : Tensor of shape (n_classes, n_shells), optional
        Mean square error of the coefficients of each map, by shell, which adds to the noise of its
        volumes; by default 0.
    pairs : Tensor of shape (n, n_classes) of bool, optional
        Which volumes to compare with which maps; by default all with all. The log evidence of the
        others is -inf.
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
    white = white.to(device)
    variance = torch.zeros(len(maps), len(noise)) if variance is None else variance
    known = noise[: variance.shape[1]] / (noise[: variance.shape[1]] + variance)
    known = known[:, poses.shells].to(device)
    weighted = templates * known[:, np.newaxis]
    half = (templates * weighted).sum(2) / 2
    n_classes, n_rotations, _ = templates.shape
    evidence = torch.full((len(coefficients), n_classes), -torch.inf)
    best = torch.zeros(len(coefficients), n_classes, dtype=torch.int64)
    parts = [PosePosterior(*(torch.empty(0, dtype=t) for t in _POSTERIOR_DTYPES))]
    n_poses = n_rotations * len(poses.shifts)
    size = min(_LARGEST_CHUNK, max(1, _VALUES_PER_CHUNK // n_poses))
    for rows, asked in _chunks(len(coefficients), pairs, size):
        values = poses.unshift(coefficients[rows].to(device)) * white
        for k in range(n_classes):
            among = slice(None) if asked is None else asked[:, k].nonzero()[:, 0]
            own = rows[among]
            if not len(own):
                continue
            match = _log_likelihood(values[among], weighted[k], half[k])
            top, where = match.max(dim=1, keepdim=True)
            relative = match.sub_(top).clamp_min_(_LEAST_LOG).exp_()
            total = relative.sum(dim=1, keepdim=True)
            log = (total.log() + top - np.log(n_poses))[:, 0]
            # The normal density whose variance is that of the noise and of the map. Shifts are
            # phases, which leave the power as it is.
            log += (values[among, 0].square() @ (1 - known[k]) + known[k].log().sum()) / 2
            evidence[own, k] = log.cpu()
            best[own, k] = where[:, 0].cpu()
            if not keep_poses:
                continue
            row, pose, weight = (part.cpu() for part in _probable(relative))
            # Of many volumes and classes, these take the most memory.
            row, pose = own[row].int(), pose.int()
            parts.append(PosePosterior(row, torch.full_like(row, k), pose, weight))
    columns = (torch.cat(column) for column in zip(*parts, strict=True))
    posterior = PosePosterior(*columns) if keep_poses else None
    return Expectation(evidence, best, templates.cpu(), posterior)


def _chunks(
    n: int, pairs: torch.Tensor | None, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    """Yield rows that are compared with any map, and with which; None is with all."""
    rows = torch.arange(n) if pairs is None else pairs.any(dim=1).nonzero()[:, 0]
    for part in rows.split(size):
        yield part, None if pairs is None or pairs[part].all() else pairs[part]


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
