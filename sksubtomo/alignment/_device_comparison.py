"""The E step on a GPU: all poses in full, and nothing in it waits for a result.

Which volumes are compared with which references is decided before, on the CPU, so that all shapes
are known. How likely they are comes back in one copy at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from sksubtomo.alignment._posterior import PaddedPosterior
from sksubtomo.alignment._search import Halves, Templates
from sksubtomo.alignment._spectra import Poses

# Scores that are held at once, and shifted coefficients of volumes.
_VALUES_ON_GPU = 2**27

#: Of volumes and their numbers: volumes times their gains, halves of squares, and log(known).
Measured = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, Halves | None, torch.Tensor]]


class Limits(NamedTuple):
    """Which poses of a pair are kept.

    ``most``: how many at most. ``least``: smallest probability, relative to that of the best.
    """

    most: int
    least: float


class Compared(NamedTuple):
    """Of pairs, on the CPU: volume, reference, log evidence and best pose; their probable poses."""

    rows: torch.Tensor
    targets: torch.Tensor
    log_evidence: torch.Tensor
    best: torch.Tensor
    posterior: PaddedPosterior | None


class _Plan(NamedTuple):
    """A chunk: volumes, and pairs by reference; ``ends[k]`` of them are of the references up to k.

    ``local``, ``targets`` (n_pairs,): which volume of the chunk, and which reference.
    """

    rows: torch.Tensor
    local: torch.Tensor
    targets: torch.Tensor
    ends: list[int]


def compare_all(
    poses: Poses,
    templates: Templates,
    coefficients: torch.Tensor,
    measured: Measured,
    pairs: torch.Tensor | None,
    limits: Limits | None,
) -> Compared:
    """Compare volumes with all poses of the references that are asked for.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        On the device, as are `templates`.
    templates : Templates
        References in all rotations.
    coefficients : Tensor of shape (n, n_frequencies)
        Of volumes, on the device.
    measured : callable
        What volumes measure of templates.
    pairs : Tensor of shape (n, n_references) of bool or None
        Which to compare, on the CPU; None is all.
    limits : Limits or None
        Which poses to keep; None is none.
    """
    n_references, n_rotations, n_values = templates.whitened.shape
    device, n_shifts = coefficients.device, len(poses.shifts)
    plans = list(_plans(len(coefficients), pairs, n_references, n_shifts, n_rotations, n_values))
    if not plans:
        nothing = torch.empty(0, dtype=torch.int64)
        posterior = None if limits is None else _nothing(device)
        return Compared(nothing, nothing, torch.empty(0), nothing, posterior)
    found: list[list[torch.Tensor]] = []
    for plan, (which, local, reference) in zip(plans, _sent(plans, device), strict=True):
        own = coefficients[which]
        matched, halves, log_known = measured(own, which)
        scores = _scores(poses, templates, matched, halves, plan, local)
        # The normal density whose variance is that of the noise and of the map. Shifts are phases,
        # which leave the power as it is.
        power = (poses.unshifted(own) * templates.white).square()
        density = (power @ (1 - templates.known).T + log_known) / 2
        part = _summary(scores, limits)
        part[0] = part[0] + density[local, reference] - np.log(n_rotations * n_shifts)
        found.append(part)
    columns = [torch.cat(column) for column in zip(*found, strict=True)]
    rows = torch.cat([plan.rows[plan.local] for plan in plans])
    targets = torch.cat([plan.targets for plan in plans])
    # Bits of floats among whole numbers, so that one copy brings all.
    read = torch.stack([columns[0].view(torch.int32), *columns[1:3]]).cpu()
    evidence, best, counts = read[0].view(torch.float32), read[1].long(), read[2]
    posterior = None
    if limits is not None:
        posterior = PaddedPosterior(rows, targets, counts, *columns[3:])
    return Compared(rows, targets, evidence, best, posterior)


def _nothing(device: torch.device) -> PaddedPosterior:
    empty = torch.empty(0, dtype=torch.int64)
    places = torch.empty(0, 1, device=device)
    return PaddedPosterior(empty, empty, empty.int(), places.int(), places)


def _plans(
    n: int,
    pairs: torch.Tensor | None,
    n_references: int,
    n_shifts: int,
    n_rotations: int,
    n_values: int,
) -> Iterator[_Plan]:
    """Yield chunks of volumes, with about as many values in each."""
    asked = np.ones((n, n_references), dtype=bool) if pairs is None else pairs.numpy()
    rows = np.flatnonzero(asked.any(axis=1))
    # Scores, and the volume itself in all shifts.
    cost = n_shifts * (asked[rows].sum(axis=1) * n_rotations + n_values)
    number = (cost.cumsum() - 1) // _VALUES_ON_GPU
    for own in np.split(rows, np.flatnonzero(np.diff(number)) + 1) if len(rows) else ():
        reference, local = asked[own].T.nonzero()
        ends = np.bincount(reference, minlength=n_references).cumsum()
        rows_of, local_of, targets = map(torch.from_numpy, (own, local, reference))
        yield _Plan(rows_of, local_of, targets, ends.tolist())


def _sent(
    plans: list[_Plan], device: torch.device
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Return rows, local rows and references of all chunks on the device, by one copy."""
    numbers = [one for plan in plans for one in (plan.rows, plan.local, plan.targets)]
    there = torch.cat(numbers).to(device, non_blocking=True).split([len(one) for one in numbers])
    return list(zip(there[::3], there[1::3], there[2::3], strict=True))


def _scores(
    poses: Poses,
    templates: Templates,
    matched: torch.Tensor,
    halves: Halves | None,
    plan: _Plan,
    local: torch.Tensor,
) -> torch.Tensor:
    """Return log-likelihood ratios to noise alone, (n_pairs, n_poses), shift first."""
    halves = Halves(templates.half[np.newaxis], None) if halves is None else halves
    n_rotations = templates.half.shape[1]
    values = poses.unshift(matched * templates.white[: matched.shape[1]])
    n, n_shifts, _ = values.shape
    scores = values.new_empty(len(local), n_shifts, n_rotations)
    first = 0
    for k, last in enumerate(plan.ends):
        if last > first:
            own = local[first:last]
            # All of them are in order.
            asked = values if last - first == n else values[own]
            part = scores[first:last]
            torch.mm(asked.flatten(0, 1), templates.weighted[k].T, out=part.flatten(0, 1))
            part.sub_(halves.of(own, k)[:, np.newaxis])
        first = last
    return scores.flatten(1)


def _summary(scores: torch.Tensor, limits: Limits | None) -> list[torch.Tensor]:
    """Return logarithms of sums over poses, best poses, and how many are kept; and these poses.

    Scores are overwritten.
    """
    top, best = scores.max(dim=1)
    relative = scores.sub_(top[:, np.newaxis]).exp_()
    evidence, best = relative.sum(dim=1).log() + top, best.int()
    if limits is None:
        return [evidence, best, best]
    n_places = min(limits.most, relative.shape[1])
    weights, kept = relative.topk(n_places, dim=1)
    probable = weights > limits.least
    weights = torch.where(probable, weights, 0.0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    return [evidence, best, probable.sum(dim=1).int(), kept.int(), weights]
