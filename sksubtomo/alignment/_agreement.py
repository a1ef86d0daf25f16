"""Labeled volumes against references that they took no part in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment._expectation import expectation
from sksubtomo.alignment._gains import check_kinds
from sksubtomo.alignment._posterior import PosePosterior
from sksubtomo.alignment._spectra import Poses

if TYPE_CHECKING:
    from sksubtomo.alignment._em import MultiReferenceEM
    from sksubtomo.alignment._last_step import LastStep

# Labeled volumes that are left out, one at a time, at most; and so many of them at once.
_MOST_ROWS = 60
MOST_ROWS_AT_ONCE = 16
# Inverted contrast has to be more likely by this, in natural logarithms.
_CLEAR_LOG = 3.0
# A reference of fewer other volumes says nothing of the one that is left out.
_LEAST_VOLUMES = 0.5


class LabelCheck(NamedTuple):
    """What references say of labeled volumes that are left out of them.

    ``rows``: which volumes were left out. ``predicted``: the most probable class of each.
    ``inverted``: whether each is clearly more likely with its contrast inverted.
    """

    rows: NDArray[np.intp]
    predicted: NDArray[np.int64]
    inverted: NDArray[np.bool_]


def rows_to_leave_out(labeled: torch.Tensor) -> torch.Tensor:
    """Return labeled rows, evenly spaced where there are many.

    Parameters
    ----------
    labeled : Tensor of shape (n,) of bool
        Whether each volume has a label.
    """
    rows = labeled.nonzero()[:, 0]
    if len(rows) > _MOST_ROWS:
        rows = rows[torch.linspace(0, len(rows) - 1, _MOST_ROWS).long()]
    return rows


def leave_one_out(
    em: MultiReferenceEM, poses: Poses, data: torch.Tensor, *, background: bool = True
) -> LabelCheck:
    """Compare labeled volumes with references of the others, and with inverted ones.

    A volume is a part of the reference of its class, and would agree with it even if all volumes
    were noise. So its own contribution to the last average is subtracted.

    Parameters
    ----------
    em : MultiReferenceEM
        After an iteration; it has compared these volumes with all references.
    poses : PoseGrid or IdentityPose
        Those of its last comparison.
    data : Tensor of shape (n, n_frequencies)
        Coefficients, from `poses`.
    background : bool, default=True
        Whether the background is among the classes to predict, if there is one.

    Returns
    -------
    check : LabelCheck
        Of labeled volumes, evenly spaced where there are many; those whose class has no other
        volume are left out.
    """
    empty = np.empty(0, int)
    if em.last is None or not em.labeled.any():
        return LabelCheck(empty, empty, empty.astype(bool))
    rows = rows_to_leave_out(em.labeled)
    known = em.known.argmax(dim=1)[rows]
    blocks = zip(rows.split(MOST_ROWS_AT_ONCE), known.split(MOST_ROWS_AT_ONCE), strict=True)
    last = em.last.of_rows(rows)
    own = torch.cat([_own_evidence(em, last, poses, data, *block) for block in blocks])
    evidence = em.class_evidence()[rows]
    if em.background is not None:
        # It has no reference, of which a volume could be a part.
        nothing = known == em.background
        own[nothing] = torch.stack([evidence[nothing, em.background]] * 2, dim=1)
        if not background:
            own[nothing], evidence[:, em.background] = torch.nan, -torch.inf
    found = ~own.isnan().any(dim=1)
    rows, known, own, evidence = rows[found], known[found], own[found], evidence[found]
    evidence[torch.arange(len(rows)), known] = own[:, 0]
    predicted = (evidence + em.log_prior()).argmax(dim=1)
    inverted = own[:, 1] > own[:, 0] + _CLEAR_LOG
    return LabelCheck(rows.numpy(), predicted.numpy(), inverted.numpy())


def _own_evidence(
    em: MultiReferenceEM,
    last: LastStep,
    poses: Poses,
    data: torch.Tensor,
    rows: torch.Tensor,
    targets: torch.Tensor,
) -> torch.Tensor:
    """Return the log evidence of its class without each volume: as it is, and of inverted contrast.

    Of shape (n_rows, 2); nan where the class has no other volume.
    """
    # One entry for each row and reference of its class.
    place, reference = (em.owner == targets[:, np.newaxis]).nonzero().T
    if not len(place):
        # All of them are of the background.
        return torch.full((len(rows), 2), torch.nan)
    own = [_contribution(em, last, *pair) for pair in zip(rows[place], reference, strict=True)]
    counts = last.counts[reference] - torch.stack([count for _, count in own])
    some = (counts >= _LEAST_VOLUMES).nonzero()[:, 0]
    both = torch.full((len(rows), 2), torch.nan)
    if not len(some):
        return both
    grids = last.grids[reference] - torch.stack([grid for grid, _ in own])
    # Precisions are not negative; rounding may make them so.
    grids[:, -1].clamp_min_(0.0)
    place, counts = place[some], counts[some]
    signal = last.poses.signal_power(last.power, last.noise)
    maps, counts = em.solve(last.poses, grids[some], counts, signal, reference[some].tolist())
    pairs = place == torch.arange(len(rows))[:, np.newaxis]
    evidence = expectation(
        poses,
        torch.cat([data[rows], -data[rows]]),
        maps,
        em.noise,
        variance=em.map_errors(last.poses, counts, last.noise, signal)[
            :, : int(poses.shells.max()) + 1
        ],
        pairs=pairs.repeat(2, 1),
        keep_poses=False,
        # Of so few volumes, a search saves no time.
        coverage=1.0,
        kinds=None if em.kinds is None else em.kinds[rows].repeat(2),
        device=em.device,
    ).log_evidence
    evidence = evidence.logsumexp(dim=1).view(2, -1).T
    n_own = pairs.sum(dim=1, keepdim=True)
    return torch.where(n_own > 0, evidence - n_own.log(), both)


def _contribution(
    em: MultiReferenceEM, last: LastStep, row: torch.Tensor, reference: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a volume added to the grids of a reference, and how much it counted."""
    assert isinstance(last.result.posterior, PosePosterior)
    rows, targets, poses, probabilities = last.result.posterior
    mine = ((rows == row) & (targets == reference)).nonzero()[:, 0]
    shift, rotation = np.divmod(poses[mine].numpy(), len(last.poses.rotations))
    weight = probabilities[mine] * last.shares[row, reference]
    precision = 1 / last.noise[last.poses.shells]
    data, weights = last.data[row].expand(len(mine), -1), weight
    if last.poses.gains is not None:
        kinds = check_kinds(last.poses, em.kinds, len(last.data))
        gain = last.poses.gains.values[kinds[row]]
        data, weights = data * gain, weight[:, np.newaxis] * gain.square()
    moved = last.poses.unshift_each(data, torch.from_numpy(shift))
    sums = moved * precision * weight[:, np.newaxis]
    grids = last.poses.accumulate(sums[np.newaxis], weights[np.newaxis], precision, rotation)
    return grids[0], weight.sum()
