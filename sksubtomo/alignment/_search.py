"""Scores of volumes in the poses that matter, on the CPU: in all, or in those of a search."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.alignment._spectra import Poses

# Mean square that a template may have outside of the subspace: this fraction of its own, but not
# more than that of so many coefficients of noise, if that is more than the other fraction.
_RESIDUAL = 0.025
_LARGEST_RESIDUAL = 5.0
_LEAST_RESIDUAL = 0.01
# Thresholds below the best score, in natural logarithms, of which the last is always enough; and so
# many standard deviations a score may be wrong.
_MARGINS = (7.0, 10.0, 13.0, 16.0)
_DEVIATIONS = 3.0
# Principal components are those of templates this many times as many as their dimensions.
_LEAST_OVERSAMPLING = 4
# Templates of a smaller mean square hardly tell poses apart, so that nearly all are probable.
_LEAST_POWER = 4.0
# A subspace of more than this fraction of the dimensions saves no time.
_LARGEST_FRACTION = 0.6
# Ranks are multiples of this, and candidates are scored in blocks of so many templates.
_RANK_STEP = 8
_BLOCK = 32
# Scores of one reference at once, so many that they stay in the cache of a processor core.
_VALUES_PER_PRODUCT = 2**18


class Templates(NamedTuple):
    """References in all rotations of a grid.

    ``whitened`` (n_references, n_rotations, n_values): over the standard deviation of the noise,
    times the level of the gains.
    ``weighted``: the same, times ``known``. ``half`` (n_references, n_rotations): half of the
    scalar products of both. ``known`` (n_references, n_values): noise power over that of noise and
    of the reference's error. ``white`` (n_values,): one over the standard deviation of the noise.
    """

    whitened: torch.Tensor
    weighted: torch.Tensor
    half: torch.Tensor
    known: torch.Tensor
    white: torch.Tensor


class Halves(NamedTuple):
    """Half of the squares of templates, as volumes of each kind of imaging measure them.

    ``values`` (n_kinds, n_references, n_rotations); ``kind`` (n,): of each volume of a chunk, None
    where there is but one.
    """

    values: torch.Tensor
    kind: torch.Tensor | None

    def of(self, rows: torch.Tensor, reference: int) -> torch.Tensor:
        """Return those of volumes and a reference, (n_rows or 1, n_rotations)."""
        if self.kind is None:
            return self.values[:, reference]
        return self.values[self.kind[rows], reference]

    def at(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Return those of volumes and templates, counted through, (n,)."""
        flat = self.values.flatten(1)
        return flat[0, columns] if self.kind is None else flat[self.kind[rows], columns]


class PoseScores(NamedTuple):
    """Log-likelihood ratios to noise alone, of candidate rotations in all shifts.

    ``pair`` (n_candidates,): number of the volume times that of references, plus the reference;
    non-decreasing. ``rotation`` (n_candidates,) and ``scores`` (n_candidates, n_shifts).
    """

    pair: torch.Tensor
    rotation: torch.Tensor
    scores: torch.Tensor


def all_scores(
    poses: Poses,
    templates: Templates,
    coefficients: torch.Tensor,
    asked: torch.Tensor | None,
    halves: Halves | None = None,
) -> PoseScores:
    """Score all poses.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Rotations and shifts.
    templates : Templates
        References in these rotations.
    coefficients : Tensor of shape (n, n_frequencies)
        Of a chunk of volumes, times their gains.
    asked : Tensor of shape (n, n_references) of bool or None
        Which pairs to score; None is all.
    halves : Halves, optional
        Of volumes with gains; by default those of `templates`.
    """
    halves = Halves(templates.half[np.newaxis], None) if halves is None else halves
    n_references, n_rotations = templates.half.shape
    values = poses.unshift(coefficients * templates.white[: coefficients.shape[1]])
    n, n_shifts, _ = values.shape
    scores = values.new_empty(n, n_references, n_rotations, n_shifts)
    for k in range(n_references):
        own = _rows_of(asked, k, n)
        product = templates.weighted[k] @ values[own].flatten(0, 1).T
        product = product.view(n_rotations, -1, n_shifts) - halves.of(own, k).T[..., np.newaxis]
        scores[own, k] = product.transpose(0, 1)
    pairs = torch.arange(n * n_references)
    if asked is not None:
        pairs = pairs[asked.flatten()]
    rotation = torch.arange(n_rotations).repeat(len(pairs))
    scores = scores.view(n * n_references, n_rotations, n_shifts)[pairs]
    return PoseScores(pairs.repeat_interleave(n_rotations), rotation, scores.flatten(0, 1))


class SubspaceSearch:
    """Search of all poses in a subspace, after which the probable ones are scored in full.

    Rotated references of limited resolution are nearly linear combinations of a few principal
    components, so that a fraction of the scalar products tells which poses may matter. A pose is a
    candidate unless its score in the subspace is so far below the best that all such poses
    together are improbable.

    Parameters
    ----------
    poses : PoseGrid
        Rotations and shifts.
    templates : Templates
        References in these rotations.
    basis : Tensor of shape (n_values, rank)
        Orthonormal.
    coverage : float
        Probability that candidates of a pair have together, at least, as far as the subspace tells.

    References
    ----------
    Dvornek, Sigworth & Tagare, "SubspaceEM: A fast maximum-a-posteriori algorithm for cryo-EM
    single particle reconstruction", Journal of Structural Biology 190, 2015.

    Scheres, "RELION: Implementation of a Bayesian approach to cryo-EM structure determination",
    Journal of Structural Biology 180, 2012: poses that cover 99.9 % of a first, coarser posterior.
    """

    def __init__(
        self, poses: PoseGrid, templates: Templates, basis: torch.Tensor, coverage: float
    ) -> None:
        self.poses, self.templates = poses, templates
        self._rank = basis.shape[1]
        # To shift the basis once is cheaper than to undo all shifts of every volume.
        self._basis = poses.shift(basis.T).flatten(0, 1).T.contiguous()
        self._low = templates.weighted @ basis
        outside = (templates.weighted.square().sum(2) - self._low.square().sum(2)).clamp_min(0.0)
        self._uncovered = 1 - coverage
        # What noise adds outside of the subspace has this standard deviation.
        self._deviation = outside.mean(dim=1).sqrt()

    def scores(
        self,
        coefficients: torch.Tensor,
        asked: torch.Tensor | None,
        halves: Halves | None = None,
    ) -> PoseScores:
        """Score candidates; see :func:`all_scores`."""
        halves = Halves(self.templates.half[np.newaxis], None) if halves is None else halves
        n_references, n_rotations = self.templates.half.shape
        whitened = coefficients * self.templates.white[: coefficients.shape[1]]
        parts = self.poses.unshifted(whitened)
        low = (parts @ self._basis).view(len(parts), len(self.poses.shifts), self._rank)
        rows = [_rows_of(asked, k, len(low)) for k in range(n_references)]
        peaks = torch.cat([self._peaks(low, own, k, halves) for k, own in enumerate(rows)])
        row = torch.cat(rows)
        counts = torch.tensor([len(own) for own in rows])
        reference = torch.arange(n_references).repeat_interleave(counts)
        deviation = self._deviation[reference, None]
        place, rotation = self._candidates(peaks, deviation).nonzero().T
        order = row[place].argsort(stable=True)
        row, reference, rotation = row[place[order]], reference[place[order]], rotation[order]
        values = self.poses.unshift(whitened)
        scores = self._exact(values, row, reference * n_rotations + rotation, halves)
        return PoseScores(row * n_references + reference, rotation, scores)

    def _peaks(self, low: torch.Tensor, rows: torch.Tensor, k: int, halves: Halves) -> torch.Tensor:
        """Return the best score of every rotation of a reference within the subspace."""
        n_rotations, n_shifts = len(self._low[k]), low.shape[1]
        peaks = low.new_empty(len(rows), n_rotations)
        size = max(1, _VALUES_PER_PRODUCT // (n_rotations * n_shifts))
        for start in range(0, len(rows), size):
            product = low[rows[start : start + size]].flatten(0, 1) @ self._low[k].T
            torch.amax(product.view(-1, n_shifts, n_rotations), 1, out=peaks[start : start + size])
        return peaks.sub_(halves.of(rows, k))

    def _candidates(self, peaks: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
        """Return which rotations are candidates, as a mask of the shape of their best scores.

        Of thresholds below the best, the nearest that covers enough of the posterior is taken, and
        lowered by what the subspace may misjudge.
        """
        below = peaks.amax(dim=1, keepdim=True) - peaks
        relative = (-below.clamp_max(_MARGINS[-1])).exp_()
        allowed = self._uncovered * relative.sum(dim=1, keepdim=True)
        margin = torch.full_like(deviation, _MARGINS[-1])
        for tried in _MARGINS[-2::-1]:
            outside = (relative * (below > tried)).sum(dim=1, keepdim=True)
            enough = outside <= allowed
            if not enough.any():
                break
            margin[enough] = tried
        return below <= margin.clamp_min(-math.log(self._uncovered)) + _DEVIATIONS * deviation

    def _exact(
        self, values: torch.Tensor, row: torch.Tensor, column: torch.Tensor, halves: Halves
    ) -> torch.Tensor:
        """Score templates in all shifts of the volume of each, (n_candidates, n_shifts)."""
        n, n_shifts, n_values = values.shape
        count = torch.bincount(row, minlength=n)
        n_blocks = (count + _BLOCK - 1).div(_BLOCK, rounding_mode="floor")
        first = count.cumsum(0) - count
        within = torch.arange(len(row)) - first[row]
        slot = (n_blocks.cumsum(0) - n_blocks)[row] * _BLOCK + within
        block_row = torch.arange(n).repeat_interleave(n_blocks)
        which = torch.zeros(len(block_row) * _BLOCK, dtype=torch.int64)
        which[slot] = column
        blocks = self.templates.weighted.flatten(0, 1)[which].view(-1, _BLOCK, n_values)
        product = torch.bmm(blocks, values[block_row].transpose(1, 2)).view(-1, n_shifts)
        return product[slot].sub_(halves.at(row, column)[:, np.newaxis])


def subspace_search(poses: Poses, templates: Templates, coverage: float) -> SubspaceSearch | None:
    """Return a search in the leading principal components of all templates.

    None where it would save no time: without poses, if nothing is to be left out, if all poses are
    probable, or if the components are nearly as many as the coefficients.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Rotations and shifts.
    templates : Templates
        References in these rotations.
    coverage : float
        See :class:`SubspaceSearch`; 1 leaves nothing out.
    """
    if not isinstance(poses, PoseGrid) or coverage >= 1:
        return None
    n_references, n_rotations, n_values = templates.weighted.shape
    step = max(1, n_references * n_rotations // (_LEAST_OVERSAMPLING * n_values))
    flat = templates.weighted[:, ::step].flatten(0, 1)
    power, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
    power = power.flip(0).double().clamp_min(0.0)
    total = float(power.sum())
    if total < _LEAST_POWER:
        return None
    allowed = max(min(_RESIDUAL * total, _LARGEST_RESIDUAL), _LEAST_RESIDUAL * total)
    rank = int((total - power.cumsum(0) > allowed).sum()) + 1
    rank = math.ceil(rank / _RANK_STEP) * _RANK_STEP
    if rank > _LARGEST_FRACTION * len(power):
        return None
    return SubspaceSearch(poses, templates, vectors.flip(1)[:, :rank].contiguous(), coverage)


def _rows_of(asked: torch.Tensor | None, k: int, n: int) -> torch.Tensor:
    return torch.arange(n) if asked is None else asked[:, k].nonzero()[:, 0]
