"""Crowded specimens: molecules without overlap, membranes and gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from sksubtomo.geometry import rotate_volume

# Tries for one particle before the space counts as full.
_MAX_TRIES = 2000
_TRIES_AT_ONCE = 50
# Mean inner potential of gold and of a lipid bilayer's head groups, relative to ice, in volt:
# Reimer & Kohl, Transmission Electron Microscopy, 2008; Wang, Bose & Sigworth, PNAS 103, 2006.
_GOLD_VOLT = 20.0
_HEAD_GROUP_VOLT = 2.0
_HEAD_GROUP_DISTANCE_ANGSTROM = 36.0
_HEAD_GROUP_SIGMA_ANGSTROM = 5.0


def place_spheres(
    radii: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    random_state: np.random.Generator,
    *,
    obstacles: tuple[NDArray, NDArray] | None = None,
) -> NDArray[np.float64]:
    """Place spheres at random without overlap.

    Random sequential addition, the largest first: each center is uniform over the places that those
    before leave free.

    Parameters
    ----------
    radii : array-like of shape (n_spheres,)
        Radii.
    lower, upper : array-like of shape (3,)
        Bounds of the centers.
    random_state : numpy.random.Generator
        The source of randomness.
    obstacles : (centers, radii), optional
        Spheres that are there already, arrays of shape (n, 3) and (n,).

    Returns
    -------
    centers : ndarray of shape (n_spheres, 3)
        In the order of the radii.

    Raises
    ------
    ValueError
        If the bounds are empty, or no place is found for a sphere.

    References
    ----------
    Widom, "Random sequential addition of hard spheres to a volume", Journal of Chemical
    Physics 44, 1966.
    """
    radii = np.asarray(radii, dtype=float)
    lower, upper = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    if (lower > upper).any():
        raise ValueError(f"No center lies between {lower.tolist()} and {upper.tolist()}.")
    taken, taken_radii = (np.empty((0, 3)), np.empty(0)) if obstacles is None else obstacles
    n_obstacles = len(taken)
    order = np.argsort(-radii, kind="stable")
    taken = np.concatenate([taken, np.empty((len(radii), 3))])
    taken_radii = np.concatenate([taken_radii, radii[order]])
    for count, radius in enumerate(radii[order], start=n_obstacles):
        for _ in range(_MAX_TRIES // _TRIES_AT_ONCE):
            tries = random_state.uniform(lower, upper, (_TRIES_AT_ONCE, 3))
            free = (cdist(tries, taken[:count]) >= taken_radii[:count] + radius).all(axis=1)
            if free.any():
                taken[count] = tries[free.argmax()]
                break
        else:
            raise ValueError(
                f"No place for sphere {count - n_obstacles + 1} of {len(radii)}, of radius "
                f"{radius:g}: after {_MAX_TRIES} tries, the space is full. Take fewer, or more "
                "space."
            )
    centers = np.empty((len(radii), 3))
    centers[order] = taken[n_obstacles:]
    return centers


def embed_particles(
    specimen: NDArray[np.float32],
    densities: Mapping[int, NDArray] | Sequence[NDArray],
    classes: Sequence[int] | NDArray,
    positions: NDArray,
    orientations: Rotation,
) -> None:
    """Add rotated densities to a specimen, in place.

    Parameters
    ----------
    specimen : ndarray of shape (depth, height, width) of float32
        Axes z, y, x.
    densities : sequence or mapping of ndarray
        Cubic maps, by class.
    classes : sequence of int of shape (n_particles,)
        Which map each particle is.
    positions : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels, from 0; between voxels is fine.
    orientations : scipy.spatial.transform.Rotation
        So many rotations, see :func:`sksubtomo.geometry.rotate_volume`.
    """
    filtered = {}
    for kind, position, orientation in zip(classes, positions, orientations, strict=True):
        if kind not in filtered:
            filtered[kind] = ndimage.spline_filter(densities[kind], output=np.float32)
        nearest = np.floor(position + 0.5).astype(int)
        box = rotate_volume(filtered[kind], orientation, shift=position - nearest, prefilter=False)
        start = nearest - np.array(box.shape) // 2
        low, high = np.maximum(start, 0), np.minimum(start + box.shape, specimen.shape)
        if (low < high).all():
            inside = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
            specimen[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] += box[inside]


def gold_fiducial(radius_angstrom: float, voxel_size_angstrom: float) -> NDArray[np.float32]:
    """Return the potential of a ball of gold.

    Parameters
    ----------
    radius_angstrom : float
        Radius of the ball.
    voxel_size_angstrom : float
        Edge of a voxel.

    Returns
    -------
    density : ndarray of shape (n, n, n) of float32
        Volt relative to ice; the edge is a voxel wide.
    """
    half = int(np.ceil(radius_angstrom / voxel_size_angstrom)) + 2
    distance = voxel_size_angstrom * _distances((2 * half + 1,) * 3, (half,) * 3)
    edge = (radius_angstrom - distance) / voxel_size_angstrom + 0.5
    return (_GOLD_VOLT * np.clip(edge, 0, 1)).astype(np.float32)


def add_vesicle(
    specimen: NDArray[np.float32],
    center: ArrayLike,
    radius_angstrom: float,
    voxel_size_angstrom: float,
) -> None:
    """Add a spherical lipid bilayer to a specimen, in place.

    Two layers of head groups, 36 angstrom apart, each a Gaussian across the membrane.

    Parameters
    ----------
    specimen : ndarray of shape (depth, height, width) of float32
        Axes z, y, x.
    center : array-like of shape (3,)
        Center z, y, x in voxels; it need not be inside.
    radius_angstrom : float
        Radius of the middle of the membrane.
    voxel_size_angstrom : float
        Edge of a voxel.
    """
    distance = voxel_size_angstrom * _distances(specimen.shape, center) - radius_angstrom
    # As wide as a voxel at least, with the same amount of lipid.
    sigma = float(np.hypot(_HEAD_GROUP_SIGMA_ANGSTROM, 0.5 * voxel_size_angstrom))
    height = _HEAD_GROUP_VOLT * _HEAD_GROUP_SIGMA_ANGSTROM / sigma
    for side in (-0.5, 0.5):
        layer = (distance - side * _HEAD_GROUP_DISTANCE_ANGSTROM) / sigma
        specimen += (height * np.exp(-(layer**2) / 2)).astype(np.float32)


def _distances(shape: Sequence[int], center: ArrayLike) -> NDArray[np.float64]:
    """Return the distance of every voxel from a point, in voxels."""
    z, y, x = (
        np.arange(size) - offset for size, offset in zip(shape, np.asarray(center), strict=True)
    )
    return np.sqrt(z[:, np.newaxis, np.newaxis] ** 2 + y[:, np.newaxis] ** 2 + x**2)
