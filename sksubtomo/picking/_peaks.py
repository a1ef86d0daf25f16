"""Peaks of a score map, and how they compare with the truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree


class Picks(NamedTuple):
    """Candidate particles in a tomogram, the best first.

    Parameters
    ----------
    coordinates : ndarray of shape (n_picks, 3)
        Centers z, y, x in voxels, counted from 0.
    scores : ndarray of shape (n_picks,)
        Higher is better.
    orientations : ndarray of shape (n_picks, 4) or None
        Unit quaternions x, y, z, w of the rotations that take the (x, y, z) of the
        template to those of the tomogram; None where the picker does not turn anything.
    """

    coordinates: NDArray[np.float64]
    scores: NDArray[np.float64]
    orientations: NDArray[np.float64] | None = None


class PickingScores(NamedTuple):
    """How picks compare with the truth.

    Parameters
    ----------
    precision : float
        Share of the picks that are particles; 0 where there are no picks.
    recall : float
        Share of the particles that were picked.
    f1 : float
        Harmonic mean of the two.
    n_matched : int
        Particles that were picked.
    """

    precision: float
    recall: float
    f1: float
    n_matched: int


def find_peaks(
    scores: NDArray,
    exclusion_radius_voxels: float,
    *,
    threshold: float | None = None,
    max_peaks: int | None = None,
    border_voxels: int = 0,
) -> Picks:
    """Find the maxima of a score map that keep apart.

    Among voxels that no neighbor exceeds, the highest is taken first, and all within the
    exclusion radius of it are dropped; and so on.

    Parameters
    ----------
    scores : ndarray of shape (depth, height, width)
        Score of every voxel; NaN is never a peak.
    exclusion_radius_voxels : float
        Least distance of two peaks.
    threshold : float, optional
        Lowest score of a peak.
    max_peaks : int, optional
        How many to find at most.
    border_voxels : int, default=0
        Width of the margin in which nothing is found.

    Returns
    -------
    picks : Picks
        Whole-voxel coordinates and scores, the highest first.

    Raises
    ------
    ValueError
        If the scores are no volume, or the radius is not positive.
    """
    scores = np.asarray(scores)
    if scores.ndim != 3:
        raise ValueError(f"scores have shape {scores.shape}; they must be one volume.")
    if not exclusion_radius_voxels > 0:
        raise ValueError(f"exclusion_radius_voxels={exclusion_radius_voxels!r} must be positive.")
    filled = np.where(np.isnan(scores), -np.inf, scores)
    candidate = (ndimage.maximum_filter(filled, 3) == filled) & (filled > -np.inf)
    if threshold is not None:
        candidate &= filled >= threshold
    if border_voxels:
        inside = np.zeros(scores.shape, dtype=bool)
        inside[(slice(border_voxels, -border_voxels),) * 3] = True
        candidate &= inside
    places = np.argwhere(candidate)
    values = filled[candidate]
    order = np.argsort(-values, kind="stable")
    kept = keep_apart(places[order], exclusion_radius_voxels, max_peaks)
    return Picks(places[order][kept].astype(np.float64), values[order][kept].astype(np.float64))


def evaluate_picks(
    picked: ArrayLike,
    truth: ArrayLike,
    *,
    tolerance_angstrom: float,
    voxel_size_angstrom: float,
) -> PickingScores:
    """Compare picks with the true positions.

    Picks and particles are paired, one to one, so that as many pairs as can be are within the
    tolerance, and their distances are as small as can be.

    Parameters
    ----------
    picked, truth : array-like of shape (n, 3)
        Centers z, y, x in voxels.
    tolerance_angstrom : float
        Largest distance of a pick from its particle.
    voxel_size_angstrom : float
        Edge of a voxel.

    Returns
    -------
    scores : PickingScores
        Precision, recall, F1 and the number of pairs.

    Raises
    ------
    ValueError
        If there is no true position, or a length is not positive.
    """
    if not (tolerance_angstrom > 0 and voxel_size_angstrom > 0):
        raise ValueError(
            f"tolerance_angstrom={tolerance_angstrom!r} and voxel_size_angstrom="
            f"{voxel_size_angstrom!r} must be positive."
        )
    picked, truth = (np.asarray(places, dtype=float).reshape(-1, 3) for places in (picked, truth))
    if not len(truth):
        raise ValueError("There is no true position to compare with.")
    distances = voxel_size_angstrom * np.linalg.norm(picked[:, np.newaxis] - truth, axis=2)
    # A pair beyond the tolerance costs more than all within it together.
    beyond = distances > tolerance_angstrom
    cost = np.where(beyond, tolerance_angstrom * (len(truth) + 1), distances)
    pairs = linear_sum_assignment(cost)
    n_matched = int((~beyond[pairs]).sum())
    precision = n_matched / len(picked) if len(picked) else 0.0
    recall = n_matched / len(truth)
    f1 = 2 * n_matched / (len(picked) + len(truth))
    return PickingScores(precision, recall, f1, n_matched)


def keep_apart(places: NDArray[np.intp], radius: float, max_peaks: int | None) -> NDArray[np.intp]:
    """Return which places to keep, taken in order, so that none is closer than the radius."""
    if not len(places):
        return np.empty(0, dtype=np.intp)
    tree = cKDTree(places)
    free = np.ones(len(places), dtype=bool)
    kept: list[int] = []
    for row in range(len(places)):
        if max_peaks is not None and len(kept) == max_peaks:
            break
        if free[row]:
            kept.append(row)
            free[tree.query_ball_point(places[row], radius)] = False
    return np.array(kept, dtype=np.intp)
