"""Scores of volumes in the poses that matter: in all of them, or in those of a subspace search."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.alignment._spectra import Poses

# Mean square that a template may have outside of the subspace: this fraction of its own, but not
# more than that of so many coefficients of noise, if that is more than the other fraction.
_RESIDUAL = 0.025
_LARGEST_RESIDUAL = 5.0
_LEAST_RESIDUAL = 0.01
# Rotations that are so much less probable than the best, in natural logarithms, never matter; a
# threshold is found by so many bisections; and so many standard deviations a score may be wrong.
_LARGEST_MARGIN = 16.0
_N_HALVINGS = 4
_DEVIATIONS = 3.0
# Principal components are those of templates this many times as many as their dimensions.
_LEAST_OVERSAMPLING = 4
# A subspace of more than this fraction of the dimensions saves no time.
_LARGEST_FRACTION = 0.6
# Ranks are multiples of this, and candidates are scored in blocks of so many templates.
_RANK_STEP = 8
_BLOCK = 32


class Templates(NamedTuple):
    """References in all rotations of a grid.

    ``whitened`` (n_references, n_rotations, n_values): over the standard deviation of the noise.
    ``weighted``: the same, times ``known``. ``half`` (n_references, n_rotations): half of the scalar
    products of both. ``known`` (n_references, n_values): noise power over that of noise and of the
    reference's error. ``white`` (n_values,): one over the standard deviation of the noise.
    """

    whitened: torch.Tensor
    weighted: torch.Tensor
    half: torch.Tensor
    known: torch.Tensor
    white: torch.Tensor


class PoseScores(NamedTuple):
    """Log-likelihood ratios to noise alone, of candidate rotations in all shifts.

    ``pair`` (n_candidates,): number of the volume times that of references, plus the reference;
    non-decreasing. ``rotation`` (n_candidates,) and ``scores`` (n_candidates, n_shifts).
    """

    pair: torch.Tensor
    rotation: torch.Tensor
    scores: torch.Tensor


def all_scores(
    poses: Poses, templates: Templates, coefficients: torch.Tensor, asked: torch.Tensor | None
) -> PoseScores:
    """Score all poses.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Rotations and shifts.
    templates : Templates
        References in these rotations.
    coefficients : Tensor of shape (n, n_frequencies)
        Of a chunk of volumes.
    asked : Tensor of shape (n, n_references) of bool or None
        Which pairs to score, on the CPU; None is all.
    """
    n_references, n_rotations = templates.half.shape
    values = poses.unshift(coefficients) * templates.white
    n, n_shifts, _ = values.shape
    scores = values.new_empty(n, n_references, n_rotations, n_shifts)
    for k in range(n_references):
        own = _rows_of(asked, k, values.device)
        product = templates.weighted[k] @ values[own].flatten(0, 1).T
        product = product.view(n_rotations, -1, n_shifts) - templates.half[k, :, None, None]
        scores[own, k] = product.transpose(0, 1)
    pairs = torch.arange(n * n_references, device=values.device)
    if asked is not None:
        pairs = pairs[asked.flatten().to(values.device)]
    rotation = torch.arange(n_rotations, device=values.device).repeat(len(pairs))
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
    Dvornek, Sigworth & Tagare, "SubspaceEM: A fast maximum-a-posteriori algorithm for cryo-EM single
    particle reconstruction", Journal of Structural Biology 190, 2015.

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

    def scores(self, coefficients: torch.Tensor, asked: torch.Tensor | None) -> PoseScores:
        """Score candidates; see :func:`all_scores`."""
        white = self.templates.white
        parts = self.poses.unshifted(coefficients) * white
        low = (parts @ self._basis).view(len(parts), len(self.poses.shifts), self._rank)
        peaks = self._peaks(low, asked)
        row, reference, rotation = self._candidates(peaks).nonzero().T
        n_references, n_rotations = self.templates.half.shape
        values = self.poses.unshift(coefficients) * white
        scores = self._exact(values, row, reference * n_rotations + rotation)
        return PoseScores(row * n_references + reference, rotation, scores)

    def _peaks(self, low: torch.Tensor, asked: torch.Tensor | None) -> torch.Tensor:
        """Return the best score of every rotation within the subspace, -inf where not asked."""
        n_references, n_rotations = self.templates.half.shape
        peaks = low.new_full((len(low), n_references, n_rotations), -torch.inf)
        for k in range(n_references):
            own = _rows_of(asked, k, low.device)
            product = low[own].flatten(0, 1) @ self._low[k].T
            peaks[own, k] = product.view(-1, low.shape[1], n_rotations).amax(dim=1)
        return peaks.sub_(self.templates.half)

    def _candidates(self, peaks: torch.Tensor) -> torch.Tensor:
        """Return which rotations are candidates, as a mask of the shape of their best scores.

        Of thresholds below the best, the nearest that covers enough of the posterior is taken, and
        lowered by what the subspace may misjudge.
        """
        top = peaks.amax(dim=2, keepdim=True)
        below = (top - peaks).nan_to_num_(torch.inf, torch.inf)
        relative = (-below.clamp_max(_LARGEST_MARGIN)).exp_()
        allowed = self._uncovered * relative.sum(dim=2, keepdim=True)
        margin = torch.full_like(top, _LARGEST_MARGIN)
        step = _LARGEST_MARGIN / 2
        for _ in range(_N_HALVINGS):
            tried = margin - step
            outside = torch.where(below > tried, relative, 0.0).sum(dim=2, keepdim=True)
            margin = torch.where(outside <= allowed, tried, margin)
            step /= 2
        margin = margin.clamp_min(-math.log(self._uncovered))
        return below <= margin + _DEVIATIONS * self._deviation[:, None]

    def _exact(
        self, values: torch.Tensor, row: torch.Tensor, column: torch.Tensor
    ) -> torch.Tensor:
        """Score templates in all shifts of the volume of each, (n_candidates, n_shifts)."""
        n, n_shifts, n_values = values.shape
        count = torch.bincount(row, minlength=n)
        n_blocks = (count + _BLOCK - 1).div(_BLOCK, rounding_mode="floor")
        first = count.cumsum(0) - count
        within = torch.arange(len(row), device=row.device) - first[row]
        slot = (n_blocks.cumsum(0) - n_blocks)[row] * _BLOCK + within
        block_row = torch.arange(n, device=row.device).repeat_interleave(n_blocks)
        which = torch.zeros(len(block_row) * _BLOCK, dtype=torch.int64, device=row.device)
        which[slot] = column
        blocks = self.templates.weighted.flatten(0, 1)[which].view(-1, _BLOCK, n_values)
        product = torch.bmm(blocks, values[block_row].transpose(1, 2)).view(-1, n_shifts)
        return product[slot].sub_(self.templates.half.flatten()[column, None])


def subspace_search(
    poses: Poses, templates: Templates, coverage: float
) -> SubspaceSearch | None:
    """Return a search in the leading principal components of all templates.

    None where it would save no time: without poses, if nothing is to be left out, or if the
    components are nearly as many as the coefficients.

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
    allowed = max(min(_RESIDUAL * total, _LARGEST_RESIDUAL), _LEAST_RESIDUAL * total)
    rank = int((total - power.cumsum(0) > allowed).sum()) + 1
    rank = math.ceil(rank / _RANK_STEP) * _RANK_STEP
    if rank > _LARGEST_FRACTION * len(power):
        return None
    return SubspaceSearch(poses, templates, vectors.flip(1)[:, :rank].contiguous(), coverage)


def _rows_of(asked: torch.Tensor | None, k: int, device: torch.device) -> torch.Tensor | slice:
    return slice(None) if asked is None else asked[:, k].nonzero()[:, 0].to(device)
