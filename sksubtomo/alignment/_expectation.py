"""Comparing volumes with references in all poses, and adding them up as they compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from sksubtomo.alignment._device_comparison import Limits, compare_all
from sksubtomo.alignment._gains import check_kinds
from sksubtomo.alignment._posterior import PaddedPosterior, PosePosterior
from sksubtomo.alignment._search import (
    Halves,
    PoseScores,
    Templates,
    all_scores,
    subspace_search,
)
from sksubtomo.alignment._spectra import Poses

# Values that are held at once, a bound on memory; and most volumes in a chunk.
_VALUES_PER_CHUNK = 2**20
_LARGEST_CHUNK = 1024
# Of the posterior of a volume and a class, the share of the poses that are compared in full.
_COVERAGE = 0.999
# Poses less probable than this, relative to the best of a class, are forgotten, and so are all but
# so many: of many volumes fewer, a bound on memory.
_NEGLIGIBLE_POSE = 1e-3
_MOST_POSES = 256
_FEWEST_POSES = 16
_MOST_ENTRIES = 2**24
# Squares of templates are kept for all kinds of imaging up to so many values.
_MOST_HALVES = 2**25
# Less than this below the best, a pose adds nothing to a float32, and its exponential would be
# subnormal, which takes a CPU ten times as long.
_LEAST_LOG = -80.0
_POSTERIOR_DTYPES = (torch.int32, torch.int32, torch.int32, torch.float32)


class Expectation(NamedTuple):
    """What the E step says of volumes.

    ``log_evidence`` (n, n_classes): log-likelihood of each class, relative to noise alone.
    ``best`` (n, n_classes): index of the best pose, shift first, of every class. ``templates``
    (n_classes, n_rotations, n_values): those compared with, whitened. ``posterior``: the probable
    poses. The last two are on the device.
    """

    log_evidence: torch.Tensor
    best: torch.Tensor
    templates: torch.Tensor
    posterior: PosePosterior | PaddedPosterior | None


def most_poses(n_volumes: int, n_references: int) -> int:
    """Return how many probable poses are kept, at most, of each volume and reference."""
    n_pairs = max(1, n_volumes * n_references)
    return min(_MOST_POSES, max(_FEWEST_POSES, _MOST_ENTRIES // n_pairs))


def expectation(
    poses: Poses,
    coefficients: torch.Tensor,
    maps: torch.Tensor,
    noise: torch.Tensor,
    *,
    variance: torch.Tensor | None = None,
    pairs: torch.Tensor | None = None,
    keep_poses: bool = True,
    coverage: float = _COVERAGE,
    kinds: torch.Tensor | None = None,
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
    coverage : float, default=0.999
        Share of the posterior of a volume and a class that the poses compared in full have, as
        judged by all poses in the leading principal components of the templates. The others take no
        part. 1 compares all poses in full.
    kinds : Tensor of shape (n,) of int, optional
        Which of the kinds of imaging of `poses` each volume has; needed where there are several. A
        volume has coefficients of 0 where it measures nothing.
    device : str, default="cpu"
        Where to compare.

    Returns
    -------
    result : Expectation
        Evidence and best poses are on the CPU.

    Notes
    -----
    On the CPU, what is improbable is skipped, which takes decisions on the way. A GPU would wait
    for each of them, so that it compares all poses of the pairs in full, whatever `coverage` is.
    """
    kinds = None if poses.gains is None else check_kinds(poses, kinds, len(coefficients))
    n, n_references, where = len(coefficients), len(maps), torch.device(device)
    limits = Limits(most_poses(n, n_references), _NEGLIGIBLE_POSE) if keep_poses else None
    poses, coefficients = poses.on(where), coefficients.to(where, non_blocking=True)
    templates = _templates(poses, maps, noise, variance)
    measured = _Measured(poses, templates, kinds)
    if where.type == "cpu":
        return _compare_candidates(
            poses, templates, coefficients, measured, pairs, limits, coverage
        )
    found = compare_all(poses, templates, coefficients, measured.of_each, pairs, limits)
    evidence = torch.full((n, n_references), -torch.inf)
    best = torch.zeros(n, n_references, dtype=torch.int64)
    evidence[found.rows, found.targets] = found.log_evidence
    best[found.rows, found.targets] = found.best
    return Expectation(evidence, best, templates.whitened, found.posterior)


def _compare_candidates(
    poses: Poses,
    templates: Templates,
    coefficients: torch.Tensor,
    measured: _Measured,
    pairs: torch.Tensor | None,
    limits: Limits | None,
    coverage: float,
) -> Expectation:
    """Compare volumes with the poses that matter, on the CPU."""
    search = subspace_search(poses, templates, coverage)
    n_references, n_rotations = templates.half.shape
    evidence = torch.full((len(coefficients), n_references), -torch.inf)
    best = torch.zeros(len(coefficients), n_references, dtype=torch.int64)
    parts = [PosePosterior(*(torch.empty(0, dtype=t) for t in _POSTERIOR_DTYPES))]
    n_shifts, n_values = len(poses.shifts), templates.whitened.shape[2]
    values_per_row = n_shifts * (n_values if search else n_references * n_rotations)
    size = min(_LARGEST_CHUNK, max(1, _VALUES_PER_CHUNK // values_per_row))
    for rows, asked in _chunks(len(coefficients), pairs, size):
        own = coefficients[rows]
        matched, halves, log_known = measured.of(own, rows)
        if search is None:
            found = all_scores(poses, templates, matched, asked, halves)
        else:
            found = search.scores(matched, asked, halves)
        log, pose, relative = _summary(found, len(rows) * n_references, n_rotations)
        # The normal density whose variance is that of the noise and of the map. Shifts are phases,
        # which leave the power as it is.
        power = (poses.unshifted(own) * templates.white).square()
        density = (power @ (1 - templates.known).T + log_known) / 2
        evidence[rows] = log.view(density.shape) + density - np.log(n_rotations * n_shifts)
        best[rows] = pose.view(density.shape)
        if limits is not None:
            parts.append(_probable(found, relative, rows, n_references, n_rotations, limits.most))
    columns = (torch.cat(column) for column in zip(*parts, strict=True))
    posterior = PosePosterior(*columns) if limits is not None else None
    return Expectation(evidence, best, templates.whitened, posterior)


def _templates(
    poses: Poses,
    maps: torch.Tensor,
    noise: torch.Tensor,
    variance: torch.Tensor | None,
) -> Templates:
    """Return references in all rotations, where the poses are."""
    device = poses.shells.device
    variance = torch.zeros(len(maps), len(noise)) if variance is None else variance
    maps, noise, variance = (one.to(device, non_blocking=True) for one in (maps, noise, variance))
    white = noise[poses.shells].rsqrt()
    whitened = poses.templates(maps) * white
    variance, power = variance[:, poses.shells], noise[poses.shells]
    if poses.gains is not None:
        # Errors of maps are measured with the gains as well.
        level = poses.gains.level.tile(2)
        whitened, variance = whitened * level, variance * level.square()
    known = power / (power + variance)
    weighted = whitened * known[:, np.newaxis]
    half = (whitened * weighted).sum(2) / 2
    return Templates(whitened, weighted, half, known, white)


class _Measured:
    """What volumes measure of templates, which is the same for all that were imaged alike.

    Templates are compared as they are: gains go with the volumes, so that it hardly matters
    how many kinds of imaging there are.
    """

    def __init__(self, poses: Poses, templates: Templates, kinds: torch.Tensor | None) -> None:
        self._kinds, self._log_known = kinds, templates.known.log()
        if kinds is None:
            return
        assert poses.gains is not None
        self._gains = poses.gains.relative
        self._kinds = kinds.to(self._gains.device, non_blocking=True)
        square = templates.whitened * templates.weighted
        self._square = square.unflatten(-1, (2, -1)).sum(dim=-2)
        self._log_known = self._log_known.unflatten(-1, (2, -1)).sum(dim=-2)
        few = len(self._gains) * templates.half.numel() <= _MOST_HALVES
        self._all = self._halves(self._gains) if few else None

    def _halves(self, gains: torch.Tensor) -> torch.Tensor:
        return torch.einsum("crf,gf->gcr", self._square, gains.square()) / 2

    def of(
        self, own: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, Halves | None, torch.Tensor]:
        """Return volumes times their gains, halves of squares, and sums of ``log(known)``."""
        if self._kinds is None:
            return own, None, self._log_known.sum(dim=1)
        kind = self._kinds[rows]
        gains = self._gains[kind]
        log_known = (gains != 0).float() @ self._log_known.T
        if self._all is not None:
            return own * gains, Halves(self._all, kind), log_known
        used, place = kind.unique(return_inverse=True)
        return own * gains, Halves(self._halves(self._gains[used]), place), log_known

    def of_each(
        self, own: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, Halves | None, torch.Tensor]:
        """Return the same, without asking how many kinds there are among the volumes."""
        if self._kinds is None or self._all is not None:
            return self.of(own, rows)
        gains = self._gains[self._kinds[rows]]
        each = Halves(self._halves(gains), torch.arange(len(rows), device=own.device))
        return own * gains, each, (gains != 0).float() @ self._log_known.T


def _summary(
    found: PoseScores, n_pairs: int, n_rotations: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return logarithms of sums over poses, best poses, and likelihoods relative to the best."""
    pair, rotation, scores = found
    peak, shift = scores.max(dim=1)
    top = peak.new_full((n_pairs,), -torch.inf).scatter_reduce_(0, pair, peak, "amax")
    relative = (scores - top[pair, None]).clamp_min_(_LEAST_LOG).exp_()
    total = peak.new_zeros(n_pairs).index_add_(0, pair, relative.sum(dim=1))
    winner = peak == top[pair]
    best = torch.zeros(n_pairs, dtype=torch.int64, device=pair.device)
    # Of equal ones, the first, wherever that is computed.
    pose = shift[winner] * n_rotations + rotation[winner]
    best.scatter_reduce_(0, pair[winner], pose, "amin", include_self=False)
    return total.log() + top, best, relative


def _chunks(
    n: int, pairs: torch.Tensor | None, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    """Yield rows that are compared with any map, and with which; None is with all."""
    rows = torch.arange(n) if pairs is None else pairs.any(dim=1).nonzero()[:, 0]
    for part in rows.split(size) if len(rows) else ():
        yield part, None if pairs is None or pairs[part].all() else pairs[part]


def _probable(
    found: PoseScores,
    relative: torch.Tensor,
    rows: torch.Tensor,
    n_references: int,
    n_rotations: int,
    most: int,
) -> PosePosterior:
    """Return the probable poses of a chunk, at most so many of each pair."""
    n_pairs, pair = len(rows) * n_references, found.pair
    least = relative.new_full((n_pairs,), _NEGLIGIBLE_POSE)
    count = torch.bincount(pair, (relative > _NEGLIGIBLE_POSE).sum(dim=1), n_pairs)
    many = (count > most).nonzero()[:, 0]
    if len(many):
        place = torch.full_like(count, -1, dtype=torch.int64)
        place[many] = torch.arange(len(many), device=pair.device)
        own = (place[pair] >= 0).nonzero()[:, 0]
        dense = relative.new_zeros(len(many), n_rotations, relative.shape[1])
        dense[place[pair[own]], found.rotation[own]] = relative[own]
        least[many] = dense.flatten(1).topk(most, dim=1).values[:, -1]
    candidate, shift = (relative >= least[pair, None]).nonzero().T
    weight, pair = relative[candidate, shift], pair[candidate]
    total = weight.new_zeros(n_pairs).index_add_(0, pair, weight)
    pose = shift * n_rotations + found.rotation[candidate]
    weight = weight / total[pair]
    # Of many volumes and classes, these take the most memory.
    return PosePosterior(
        rows[pair // n_references].int(), (pair % n_references).int(), pose.int(), weight
    )


def posterior_sums(
    poses: Poses,
    coefficients: torch.Tensor,
    noise: torch.Tensor,
    result: Expectation,
    responsibilities: torch.Tensor,
    kinds: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add up volumes by class and rotation, their shifts undone.

    Parameters
    ----------
    poses, coefficients, noise
        Those of the E step.
    result : Expectation
        The E step's.
    responsibilities : Tensor of shape (n, n_classes)
        Posterior of the classes, on the CPU.
    kinds : Tensor of shape (n,) of int, optional
        That of the E step.

    Returns
    -------
    sums : Tensor of shape (n_classes, n_rotations, n_values)
        Whitened coefficients times their probability and their gain, where the E step was done.
    weights : Tensor of shape (n_classes, n_rotations) or (n_classes, n_rotations, n_frequencies)
        The probability itself; with gains, times their squares.
    """
    n_classes, n_rotations, n_values = result.templates.shape
    assert result.posterior is not None
    device = result.templates.device
    poses = poses.on(device)
    coefficients, noise = (one.to(device, non_blocking=True) for one in (coefficients, noise))
    gains = None if poses.gains is None else poses.gains.values
    if gains is not None:
        kinds = check_kinds(poses, kinds, len(coefficients)).to(device, non_blocking=True)
    shape = (n_classes, n_rotations) if gains is None else (n_classes, n_rotations, n_values // 2)
    weights = torch.zeros(n_classes * n_rotations, *shape[2:], device=device)
    sums = torch.zeros(n_classes * n_rotations, n_values, device=device)
    white = noise[poses.shells].rsqrt()
    for rows, targets, pose, weight in result.posterior.entries(responsibilities, n_values):
        shift, rotation = pose // n_rotations, pose % n_rotations
        group = targets * n_rotations + rotation
        data = coefficients[rows]
        if gains is None or kinds is None:
            weights.index_add_(0, group, weight)
        else:
            gain = gains[kinds[rows]]
            data = data * gain
            weights.index_add_(0, group, gain.square() * weight[:, np.newaxis])
        values = poses.unshift_each(data, shift) * white
        sums.index_add_(0, group, values * weight[:, np.newaxis])
    return sums.view(n_classes, n_rotations, n_values), weights.view(shape)
