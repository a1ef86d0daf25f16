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
    from sksubtomo.alignment._em import MultiReferenceEM

# Labeled volumes that are left out, one at a time, at most.
_MOST_ROWS = 60
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
    known = em.known.argmax(dim=1)
    rows, predicted, inverted = [], [], []
    for row in rows_to_leave_out(em.labeled).tolist() if em.last else ():
        both = _own_evidence(em, poses, data[row : row + 1], row, int(known[row]))
        if both is None:
            continue
        evidence = class_evidence(em.evidence[row : row + 1], em.owner)[0].clone()
        evidence[known[row]] = both[0]
        rows.append(row)
        predicted.append(int((evidence + em.log_prior()).argmax()))
        inverted.append(bool(both[1] > both[0] + _CLEAR_LOG))
    return LabelCheck(np.array(rows, int), np.array(predicted, int), np.array(inverted, bool))


def _own_evidence(
    em: MultiReferenceEM, poses: Poses, datum: torch.Tensor, row: int, target: int
) -> torch.Tensor | None:
    """Return the log evidence of a class without the volume: as it is, and of inverted contrast."""
    last = em.last
    assert last is not None
    assert last.result.posterior is not None
    data = last.data[row : row + 1]
    own = (em.owner == target).nonzero()[:, 0]
    maps, variances = [], []
    for k in own.tolist():
        columns = last.result.posterior
        mine = (columns.rows == row) & (columns.targets == k)
        alone = PosePosterior(
            *(torch.zeros_like(part[mine]) for part in columns[:2]),
            *(part[mine] for part in columns[2:]),
        )
        result = last.result._replace(templates=last.result.templates[k : k + 1], posterior=alone)
        share = last.shares[row : row + 1, k : k + 1]
        sums, weights = posterior_sums(last.poses, data, last.noise, result, share)
        sums = last.sums[k : k + 1] - sums
        weights = (last.weights[k : k + 1] - weights).clamp_min(0.0)
        count = weights.sum(dim=1)
        if float(count) < _LEAST_VOLUMES:
            continue
        signal = last.poses.signal_power(last.power, last.noise)
        solved, count = em.solve(last.poses, sums, weights, last.noise, signal, [k])
        maps.append(solved[0])
        variances.append(em.map_errors(last.poses, count, last.noise, signal)[0])
    if not maps:
        return None
    both = torch.stack([*maps, *(-one for one in maps)])
    variance = torch.stack(variances * 2)[:, : int(poses.shells.max()) + 1]
    evidence = expectation(
        poses, datum, both, em.noise, variance=variance, keep_poses=False
    ).log_evidence
    return evidence.view(2, len(maps)).logsumexp(dim=1) - np.log(len(maps))
