"""Template matching from coarse to fine: everywhere in coarse steps, at peaks in fine ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from sksubtomo.geometry import point_group, rotation_grid
from sksubtomo.picking._binning import bin_template, bin_tomogram
from sksubtomo.picking._correlation import (
    ball_mask,
    block_slices,
    match_template,
    n_padded_voxels,
    part_of,
)
from sksubtomo.picking._local import LocalMatches, match_around
from sksubtomo.picking._peaks import find_peaks
from sksubtomo.picking._threads import Report

# The coarsest angular step is above this one, and at most twice as much, in degrees.
_COARSE_STEP_DEG = 20.0
# Fewest voxels along the edge of a binned template, and the largest binning.
_SMALLEST_EDGE, _LARGEST_BINNING = 8, 4
# Best orientations of each peak, around which the next, finer grid is searched.
_N_ORIENTATIONS = 3
# Distance of the coarse peaks as a share of that of matches, and how many of them there are in a
# volume of the cube of that distance. With a share of 0.5, a particle was missed at a
# signal-to-noise ratio of 0.03, beside a higher peak of the coarse scores. Of all voxels, a share
# are higher than those around them.
_PEAKS_APART, _PEAKS_PER_CUBE, _PEAKS_PER_VOXEL = 0.35, 0.12, 0.03
# Seconds that a processor takes, about: for a voxel of a template that is rotated, for a voxel that
# is transformed, for a voxel of a window, and for its product with a template. Their ratios say how
# far along a search is.
_ROTATION, _TRANSFORM, _WINDOW, _PRODUCT = 230e-9, 16e-9, 3e-9, 0.05e-9


class Level(NamedTuple):
    """How coarse a search is: edge of a voxel in voxels of the tomogram, and angular step."""

    binning: int
    step_deg: float


class TemplateSearch(NamedTuple):
    """What is searched for.

    Parameters
    ----------
    template : ndarray of shape (n, n, n)
        With the contrast of the tomogram.
    radius_voxels : float
        Of the ball that counts.
    step_deg : float
        The finest angular step.
    symmetry : str
        Point group of the template.
    tilt_range_deg : float or (float, float)
        As of :func:`sksubtomo.fourier.missing_wedge_mask`.
    apart_voxels : float
        Least distance of two matches.
    """

    template: NDArray[np.float32]
    radius_voxels: float
    step_deg: float
    symmetry: str
    tilt_range_deg: Any
    apart_voxels: float

    @property
    def levels(self) -> list[Level]:
        """Levels from coarse to fine; at the first, all of the tomogram is searched."""
        steps, binnings = [self.step_deg], [1]
        while steps[0] <= _COARSE_STEP_DEG:
            steps.insert(0, 2 * steps[0])
        while 2 * binnings[0] <= min(_LARGEST_BINNING, len(self.template) // _SMALLEST_EDGE):
            binnings.insert(0, 2 * binnings[0])
        n_levels = max(len(steps), len(binnings), 2)
        steps = [steps[0]] * (n_levels - len(steps)) + steps
        binnings = [binnings[0]] * (n_levels - len(binnings)) + binnings
        return [Level(*pair) for pair in zip(binnings, steps, strict=True)]

    @property
    def finest(self) -> Rotation:
        """All orientations of the finest step."""
        return rotation_grid(self.step_deg, symmetry=self.symmetry)

    @property
    def is_coarse(self) -> bool:
        """Whether the first level is coarser than the last; if not, there is nothing to gain."""
        return self.levels[0] != self.levels[-1]

    def rotations(self, level: Level) -> Rotation:
        """Return the orientations of a level."""
        return rotation_grid(level.step_deg, symmetry=self.symmetry)

    def at(self, level: Level) -> tuple[NDArray[np.float32], NDArray[np.float32], Rotation]:
        """Return the template of a level, what counts of it, and its orientations."""
        template = bin_template(self.template, level.binning)
        mask = ball_mask(len(template), self.radius_voxels / level.binning)
        return template, mask, self.rotations(level)


def match_coarse_to_fine(
    tomogram: NDArray[np.float32],
    search: TemplateSearch,
    *,
    allowed: NDArray[np.bool_] | None = None,
    device: str,
    n_jobs: int | None,
    report: Report | None = None,
) -> LocalMatches:
    """Find where a template matches best, and in which orientation.

    All of the binned tomogram is compared with few orientations. At its peaks, of which there are
    more than there can be matches, all of these orientations are ranked; then voxels around a
    peak are compared with the orientations around its best ones in a finer grid, and so on to the
    finest grid and the tomogram as it is. The scores are those of :func:`match_template`. What is
    missed are matches far from all peaks, and orientations far from the best of a coarser grid.

    Parameters
    ----------
    tomogram : ndarray of shape (depth, height, width) of float32
        Axes z, y, x.
    search : TemplateSearch
        What for.
    allowed : ndarray of the shape of the tomogram of bool, optional
        Where to look; by default everywhere.
    device, n_jobs, report
        As of :func:`match_template`.

    Returns
    -------
    matches : LocalMatches
        In no order, and some of the same place.
    """
    common = {"tilt_range_deg": search.tilt_range_deg, "device": device, "n_jobs": n_jobs}
    shares = np.cumsum([0.0, *estimated_costs(search, tomogram.shape)])
    reports = iter(
        part_of(report, *pair) for pair in np.stack([shares[:-1], shares[1:]], 1) / shares[-1]
    )
    levels = search.levels
    volumes = {b: bin_tomogram(tomogram, b) for b in {level.binning for level in levels}}
    first = levels[0]
    scores, _ = match_template(
        volumes[first.binning], *search.at(first), **common, report=next(reports)
    )
    places = _peaks(scores, search, first.binning, allowed)
    chosen = [np.arange(len(search.rotations(first)))] * len(places)
    reach = 1
    for level, finer in zip(levels, [*levels[1:], None], strict=True):
        found = match_around(
            volumes[level.binning],
            *search.at(level),
            places,
            chosen,
            **common,
            reach=reach,
            n_best=_N_ORIENTATIONS,
            report=next(reports),
        )
        if finer is not None:
            reach = max(1, level.binning // finer.binning)
            places = found.places * (level.binning // finer.binning)
            chosen = _orientations_around(found, search, level, finer)
    return found


def estimated_costs(search: TemplateSearch, shape: Sequence[int]) -> list[float]:
    """Return about how many seconds each part of a search takes on one core.

    Parameters
    ----------
    search : TemplateSearch
        What for.
    shape : (int, int, int)
        Of the tomogram.

    Returns
    -------
    seconds : list of float
        For the search everywhere, then for each level at peaks.
    """
    levels = search.levels
    n_rotations = [len(search.rotations(level)) for level in levels]
    first = levels[0]
    binned = [-(-edge // first.binning) for edge in shape]
    seconds = [everywhere_cost(binned, -(-len(search.template) // first.binning), n_rotations[0])]
    apart = max(1.0, _PEAKS_APART * search.apart_voxels / first.binning)
    n_peaks = min(_PEAKS_PER_CUBE / apart**3, _PEAKS_PER_VOXEL) * math.prod(binned)
    reach, compared = 1, float(n_rotations[0])
    for number, level in enumerate(levels):
        if number:
            before = levels[number - 1]
            reach = max(1, before.binning // level.binning)
            angle = math.radians(before.step_deg)
            share = min(1.0, _N_ORIENTATIONS * (angle - math.sin(angle)) / math.pi)
            compared = max(1.0, share * n_rotations[number])
        n_voxels = 4.2 * (search.radius_voxels / level.binning) ** 3
        window = (2 * reach + 1) ** 3 * n_voxels
        rotated = n_rotations[number] * (len(search.template) / level.binning) ** 3
        at_peaks = n_peaks * window * (_WINDOW + compared * _PRODUCT)
        seconds.append(_ROTATION * rotated + at_peaks)
    return seconds


def everywhere_cost(shape: Sequence[int], size: int, n_rotations: int) -> float:
    """Return about how many seconds it takes to compare all voxels with a template on one core."""
    blocks = [n_padded_voxels(outer, size) for _, outer in block_slices(tuple(shape), size)]
    rotated = len(blocks) * n_rotations * size**3
    # Three more transforms for means and variances.
    return _ROTATION * rotated + _TRANSFORM * (n_rotations + 3) * sum(blocks)


def _peaks(
    scores: NDArray[np.float32],
    search: TemplateSearch,
    binning: int,
    allowed: NDArray[np.bool_] | None,
) -> NDArray[np.intp]:
    """Return voxels of a binned score map, more than there can be matches."""
    if allowed is not None:
        scores = np.where(allowed[::binning, ::binning, ::binning], scores, np.nan)
    peaks = find_peaks(
        scores,
        max(1.0, _PEAKS_APART * search.apart_voxels / binning),
        # Not the plateaus of 0 where a tomogram is constant.
        threshold=float(np.finfo(np.float32).tiny),
        border_voxels=max(0, len(search.template) // 2 // binning - 1),
    )
    return peaks.coordinates.astype(np.intp)


def _orientations_around(
    found: LocalMatches, search: TemplateSearch, level: Level, finer: Level
) -> list[NDArray[np.intp]]:
    """Return which orientations of a finer grid are within a step of the best ones, ascending."""
    coarse, fine = search.rotations(level), search.rotations(finer)
    group = point_group(search.symmetry)
    alike = np.concatenate([(fine * element).as_quat() for element in group])
    tree = cKDTree(np.concatenate([alike, -alike]))
    chord = 2 * math.sin(math.radians(level.step_deg) / 4)
    around = {
        row: np.array(near, dtype=np.intp) % len(fine)
        for row, near in enumerate(tree.query_ball_point(coarse.as_quat(), chord))
    }
    return [
        np.unique(np.concatenate([around[row] for row in rows[np.isfinite(scores)]]))
        for rows, scores in zip(found.rotations, found.scores, strict=True)
    ]
