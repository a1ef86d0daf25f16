"""What the single tilts of a series measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.fourier._filters import squared_frequencies
from sksubtomo.fourier._wedge import check_tilt_axes, tilt_coordinates

# Critical exposure in electrons per square angstrom at 300 kV: a k**b + c, k in 1 / angstrom.
_CRITICAL = (0.24499, -1.6649, 2.8141)


def tilt_series_weights(
    shape: Sequence[int],
    tilts_deg: ArrayLike,
    *,
    tilt_axis: str | float = "y",
    beam: str = "z",
    thickness_voxels: float | None = None,
    exposures: ArrayLike | None = None,
    voxel_size_angstrom: float | None = None,
) -> NDArray[np.float32]:
    """Return how much of each frequency the tilts of a series measure.

    The projection of a tilt measures a slab about a plane, see :func:`missing_wedge_mask`, with the
    weight ``s = max(0, 1 - D d)``: d is the distance from the plane in cycles per voxel, and D the
    thickness of what is projected. Slabs that overlap count by ``v = min(1, D r a)``, which is the
    ramp filter of back-projection: r is the distance from the tilt axis, and a the angle to the
    neighboring tilts in radians, but all v together are at least 1 there. With the weight w of
    each tilt by its exposure, or 1, all of them measure ``sum(w s v) / max(1, sum(s v))``. Of many
    tilts, that is the wedge with an edge of two frequencies; of few, there is less
    between the slabs at high frequencies.

    Parameters
    ----------
    shape : sequence of int
        Edges of the box in voxels, z, y, x.
    tilts_deg : array-like of shape (n_tilts,)
        Angles of the tilts in degrees, in any order.
    tilt_axis : {"x", "y", "z"} or float, default="y"
        See :func:`missing_wedge_mask`.
    beam : {"x", "y", "z"}, default="z"
        See :func:`missing_wedge_mask`.
    thickness_voxels : float, optional
        D; by default the longest edge of the box.
    exposures : array-like of shape (n_tilts,), optional
        Electrons per square angstrom that the specimen had taken until each tilt was recorded: by
        ``exp(-N / (2 Nc))``, the later tilts weigh less. Nc is the critical exposure at 300 kV; for
        200 kV, divide exposures by 0.8.
    voxel_size_angstrom : float, optional
        Edge of a voxel, needed for `exposures`.

    Returns
    -------
    weights : ndarray of shape (depth, height, width // 2 + 1) of float32
        From 0 to 1, in the layout of ``scipy.fft.rfftn`` over z, y, x.

    Raises
    ------
    ValueError
        If there is no tilt, one is beyond 90 degrees, there is not one exposure for each, or there
        is no voxel size.

    References
    ----------
    Grant & Grigorieff, "Measuring the optimal exposure for single particle cryo-EM using a 2.6 A
    reconstruction of rotavirus VP6", eLife 4, 2015, equation 3.

    Examples
    --------
    >>> from sksubtomo.fourier import tilt_series_weights
    >>> weights = tilt_series_weights((8, 8, 8), [-30, 0, 30])
    >>> float(weights[0, 0, 3]), float(weights[4, 0, 0])
    (1.0, 0.0)
    """
    tilts, doses = check_tilts(tilts_deg, exposures)
    check_tilt_axes(tilt_axis, beam)
    lost = _lost_by_exposure(shape, voxel_size_angstrom) if doses is not None else None
    thickness = max(shape) if thickness_voxels is None else thickness_voxels
    found = np.zeros((*shape[:2], shape[2] // 2 + 1))
    steps = _angular_steps(np.radians(tilts))
    for along, across in tilt_coordinates(shape, tilt_axis, beam):
        slabs, measured = np.zeros_like(found), np.zeros_like(found)
        ramp = thickness * np.hypot(along, across)
        for number, tilt in enumerate(np.radians(tilts)):
            distance = np.abs(along * np.cos(tilt) - across * np.sin(tilt))
            slab = np.maximum(0.0, 1 - thickness * distance)
            slab *= np.clip(ramp * steps[number], steps[number] / steps.sum(), 1.0)
            slabs += slab
            measured += slab if doses is None else slab * np.exp(-doses[number] * lost)
        np.maximum(found, measured / np.maximum(1.0, slabs), out=found)
    return found.astype(np.float32)


def _angular_steps(tilts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half of the angle between the neighbors of each tilt; a single one has none."""
    if len(tilts) == 1:
        return np.full(1, np.pi)
    order = np.argsort(tilts)
    steps = np.empty_like(tilts)
    steps[order] = np.gradient(tilts[order])
    # Tilts that were recorded twice share one place.
    return np.maximum(steps, 1e-6)


def check_tilts(
    tilts_deg: ArrayLike, exposures: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return tilts, and exposures where given.

    Raises
    ------
    ValueError
        If there is no tilt, one is beyond 90 degrees, or there is not one exposure for each.
    """
    tilts = np.asarray(tilts_deg, dtype=float)
    if tilts.ndim != 1 or not len(tilts) or not (np.abs(tilts) <= 90).all():
        raise ValueError(
            f"tilts_deg of shape {tilts.shape} must be one or more angles between -90 and 90 "
            "degrees."
        )
    if exposures is None:
        return tilts, None
    doses = np.asarray(exposures, dtype=float)
    if doses.shape != tilts.shape or not (doses >= 0).all() or not np.isfinite(doses).all():
        raise ValueError(
            f"exposures of shape {doses.shape} must be a number that is not negative for each of "
            f"the {len(tilts)} tilts."
        )
    return tilts, doses


def _lost_by_exposure(
    shape: Sequence[int], voxel_size_angstrom: float | None
) -> NDArray[np.float64]:
    """Return the negative exponent of each frequency for one electron per square angstrom."""
    if voxel_size_angstrom is None or not voxel_size_angstrom > 0:
        raise ValueError(
            f"voxel_size_angstrom={voxel_size_angstrom!r} must be positive: exposures damage high "
            "frequencies more than low ones."
        )
    factor, exponent, least = _CRITICAL
    frequency = np.sqrt(squared_frequencies(shape)) / voxel_size_angstrom
    critical = least + factor * np.maximum(frequency, 1e-6) ** exponent
    return 0.5 / critical
