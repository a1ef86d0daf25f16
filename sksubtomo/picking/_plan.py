"""How long a search for a template will take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sksubtomo.geometry import rotation_grid
from sksubtomo.picking._coarse_to_fine import TemplateSearch, estimated_costs, everywhere_cost
from sksubtomo.picking._correlation import ball_mask, match_template

# Edge of the volume, and rotations of each thread, by which speed is measured.
_PROBE_EDGE, _PROBE_ROTATIONS = 80, 8


class SearchPlan(NamedTuple):
    """What it takes to search a tomogram for a template.

    Parameters
    ----------
    n_rotations : int
        Orientations of the angular step.
    n_everywhere : int
        Orientations that all voxels are compared with.
    binning : int
        Edge of these voxels in voxels of the tomogram.
    seconds : float
        Estimate for one tomogram.
    """

    n_rotations: int
    n_everywhere: int
    binning: int
    seconds: float


def plan_search(
    search: TemplateSearch,
    shape: Sequence[int],
    *,
    exhaustive: bool,
    device: str,
    n_jobs: int | None,
) -> SearchPlan:
    """Return the plan of a search, for which the speed is measured for a moment.

    Parameters
    ----------
    search : TemplateSearch
        What is searched for.
    shape : (int, int, int)
        Of the tomogram.
    exhaustive : bool
        Whether all voxels are compared with all orientations.
    device, n_jobs
        As of :func:`match_template`.
    """
    slowness = _slowness(search, device, n_jobs)
    n_rotations = len(search.finest)
    if exhaustive:
        cost = everywhere_cost(shape, len(search.template), n_rotations)
        return SearchPlan(n_rotations, n_rotations, 1, cost * slowness)
    first = search.levels[0]
    cost = sum(estimated_costs(search, shape))
    n_everywhere = len(search.rotations(first))
    return SearchPlan(n_rotations, n_everywhere, first.binning, cost * slowness)


def _slowness(search: TemplateSearch, device: str, n_jobs: int | None) -> float:
    """Return the time of a short search over what it is estimated to cost."""
    size = len(search.template)
    edges = (max(_PROBE_EDGE, 2 * size),) * 3
    volume = np.random.default_rng(0).normal(size=edges).astype(np.float32)
    rotations = rotation_grid(45.0)[: _PROBE_ROTATIONS * (n_jobs or 1)]
    mask = ball_mask(size, search.radius_voxels)
    # Processor time of threads that share the work: the moment is too short to judge by how much
    # other programs slow it down.
    clock = time.perf_counter if n_jobs is None else time.process_time
    seconds = []
    for _ in range(3):  # at first, transforms are prepared
        start = clock()
        match_template(
            *(volume, volume[:size, :size, :size], mask, rotations), device=device, n_jobs=n_jobs
        )
        seconds.append((clock() - start) / (n_jobs or 1))
    return min(seconds) / everywhere_cost(edges, size, len(rotations))
