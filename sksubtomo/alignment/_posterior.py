"""Probable poses of volumes, as an E step finds them and an M step adds volumes up by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

# A volume takes no part in a reference with less than such a share.
_NEGLIGIBLE_SHARE = 1e-4
# Poses that are added up at once, and values of them on a GPU.
_ENTRIES_PER_CHUNK = 2048
_VALUES_ON_GPU = 2**26

#: Volumes, references, poses, and shares of each, some at a time.
Entries = Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]


class PosePosterior(NamedTuple):
    """Probable poses of volumes, if they were of a class; one entry a pose.

    ``rows`` and ``targets`` say of which volume and which class, ``poses`` which pose (shift
    first), and ``weights`` its probability, 1 in all for every volume and class.
    """

    rows: torch.Tensor
    targets: torch.Tensor
    poses: torch.Tensor
    weights: torch.Tensor

    def entries(self, responsibilities: torch.Tensor, n_values: int) -> Entries:
        """Yield what takes part; see :meth:`PaddedPosterior.entries`."""
        columns = zip(*(column.split(_ENTRIES_PER_CHUNK) for column in self), strict=True)
        for rows, targets, poses, weight in columns:
            share = responsibilities[rows, targets]
            kept = (share > _NEGLIGIBLE_SHARE).nonzero()[:, 0]
            yield rows[kept], targets[kept], poses[kept], (weight * share)[kept]

    def of_rows(self, rows: torch.Tensor) -> PosePosterior:
        """Return the entries of some volumes."""
        needed = torch.isin(self.rows, rows.int())
        return PosePosterior(*(column[needed] for column in self))


class PaddedPosterior(NamedTuple):
    """The same on a GPU, as many places for each pair of a volume and a class.

    ``rows``, ``targets``, ``counts`` (n_pairs,): on the CPU; ``counts`` of the places of a pair
    are taken. ``poses``, ``weights`` (n_pairs, n_places): there; the most probable pose is first.
    """

    rows: torch.Tensor
    targets: torch.Tensor
    counts: torch.Tensor
    poses: torch.Tensor
    weights: torch.Tensor

    def entries(self, responsibilities: torch.Tensor, n_values: int) -> Entries:
        """Yield what takes part.

        Parameters
        ----------
        responsibilities : Tensor of shape (n, n_classes)
            On the CPU; pairs with a negligible one are left out.
        n_values : int
            Of a volume, which say how many entries come at once.
        """
        share = responsibilities[self.rows, self.targets]
        kept = np.flatnonzero(share.numpy() > _NEGLIGIBLE_SHARE)
        pairs = torch.from_numpy(kept)
        counts, device = self.counts.numpy()[kept].astype(np.int64), self.poses.device
        numbers = [pairs, self.rows[pairs], self.targets[pairs], torch.from_numpy(counts)]
        # Numbers of all pairs, and their shares, go to the GPU in two copies.
        whole = torch.stack([one.long() for one in numbers]).to(device, non_blocking=True)
        share = share[pairs].to(device, non_blocking=True)
        ends = counts.cumsum()
        most, first = max(1, _VALUES_ON_GPU // n_values), 0
        while first < len(kept):
            done = ends[first] - counts[first]
            last = max(first + 1, int(np.searchsorted(ends, done + most, side="right")))
            part, n_entries = slice(first, last), int(ends[last - 1] - done)
            own, rows, targets, n_each = whole[:, part]
            pair = torch.repeat_interleave(n_each, output_size=n_entries)
            place = torch.arange(n_entries, device=device) - (n_each.cumsum(0) - n_each)[pair]
            weight = self.weights[own[pair], place] * share[part][pair]
            yield rows[pair], targets[pair], self.poses[own[pair], place], weight
            first = last

    def of_rows(self, rows: torch.Tensor) -> PosePosterior:
        """Return the entries of some volumes, on the CPU."""
        own = np.flatnonzero(np.isin(self.rows.numpy(), rows.numpy()))
        pairs = torch.from_numpy(own)
        there = pairs.to(self.poses.device)
        poses, weights = self.poses[there].cpu(), self.weights[there].cpu()
        n_each = self.counts[pairs].long()
        taken = torch.arange(poses.shape[1]) < n_each[:, np.newaxis]
        return PosePosterior(
            self.rows[pairs].repeat_interleave(n_each).int(),
            self.targets[pairs].repeat_interleave(n_each).int(),
            poses[taken].int(),
            weights[taken],
        )
