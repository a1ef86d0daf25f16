"""Labeled volumes against references that they took no part in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo.alignment._expectation import PosePosterior, expectation, posterior_sums
from sksubtomo.alignment._proportions import class_evidence
from sksubtomo.alignment._spectra import Poses

if TYPE_CHECKING:
    from sksubtomo.alignment._em import LastStep, MultiReferenceEM

# Labeled volumes that are left out, one at a time, at most; and so many of them at once.
_MOST_ROWS = 60
_ROWS_AT_ONCE = 8
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


def leave_one_out(em: MultiReferenceEM, poses: Poses, data: torch.Tensor) -> LabelCheck:
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
    blocks = zip(rows.split(_ROWS_AT_ONCE), known.split(_ROWS_AT_ONCE), strict=True)
    own = torch.cat([_own_evidence(em, em.last, poses, data, *block) for block in blocks])
    found = ~own.isnan().any(dim=1)
    rows, known, own = rows[found], known[found], own[found]
    evidence = class_evidence(em.evidence[rows], em.owner).clone()
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
    sums, weights = _own_sums(last, rows, place, reference)
    sums = last.sums[reference] - sums
    weights = (last.weights[reference] - weights).clamp_min(0.0)
    counts = weights.sum(dim=1)
    some = (counts >= _LEAST_VOLUMES).nonzero()[:, 0]
    both = torch.full((len(rows), 2), torch.nan)
    if not len(some):
        return both
    place, counts = place[some], counts[some]
    white = last.noise[last.poses.shells].rsqrt()
    signal = last.poses.signal_power(last.power, last.noise)
    maps = last.poses.wiener_update(sums[some] * white, weights[some], white.square(), signal)
    variance = em.map_errors(last.poses, counts, last.noise, signal)
    pairs = place == torch.arange(len(rows))[:, np.newaxis]
    evidence = expectation(
        poses,
        data[rows],
        torch.cat([maps, -maps]),
        em.noise,
        variance=variance[:, : int(poses.shells.max()) + 1].repeat(2, 1),
        pairs=pairs.repeat(1, 2),
        keep_poses=False,
        # Of so few volumes, a search saves no time.
        coverage=1.0,
        device=em.device,
    ).log_evidence
    evidence = evidence.view(len(rows), 2, len(maps)).logsumexp(dim=2)
    n_own = pairs.sum(dim=1)[:, np.newaxis]
    return torch.where(n_own > 0, evidence - n_own.log(), both)


def _own_sums(
    last: LastStep, rows: torch.Tensor, place: torch.Tensor, reference: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what each of these rows added to each of these references."""
    columns = last.result.posterior
    assert columns is not None
    local = torch.full((len(last.data),), -1)
    local[rows] = torch.arange(len(rows))
    number = torch.full((len(rows), len(last.sums)), -1)
    number[place, reference] = torch.arange(len(place))
    mine = (local[columns.rows] >= 0).nonzero()[:, 0]
    own = local[columns.rows[mine]]
    entry = number[own, columns.targets[mine]]
    some = entry >= 0
    alone = PosePosterior(
        own[some], entry[some], columns.poses[mine[some]], columns.weights[mine[some]]
    )
    shares = torch.zeros(len(rows), len(place))
    shares[place, torch.arange(len(place))] = last.shares[rows[place], reference]
    result = last.result._replace(templates=last.result.templates[reference], posterior=alone)
    return posterior_sums(last.poses, last.data[rows], last.noise, result, shares)
