"""The missing wedge of a single-axis tilt series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft


def missing_wedge_mask(
    shape: Sequence[int], tilt_range_deg: float | tuple[float, float] = 60.0
) -> NDArray[np.bool_]:
    """Tell which frequencies a single-axis tilt series measures.

    The tilt axis is y and the beam z, so an untilted projection measures the plane kz = 0. By
    the projection-slice theorem, a tilt of t degrees measures the plane through the ky axis where
    ``kz = kx * tan(t)``; a frequency counts as measured if its angle ``arctan(kz / kx)`` is within
    the tilt range, ends included. Angles are taken between physical frequencies (cycles per
    voxel), so boxes need not be cubes.

    Sign: a tilt of t turns the specimen about +y by the right-hand rule, that is, it takes the
    point (x, z) to ``x' = x cos(t) + z sin(t)`` on the detector. It matters for ranges
    that are not symmetric only; microscopes and programs differ in it.

    Parameters
    ----------
    shape : sequence of int
        Edges of the box in voxels, z, y, x.
    tilt_range_deg : float or (float, float), default=60
        Lowest and highest tilt in degrees; a single number t means (-t, t).

    Returns
    -------
    mask : ndarray of shape (depth, height, width // 2 + 1) of bool
        True where measured, in the layout of ``scipy.fft.rfftn`` over z, y, x. A real volume
        multiplied by it in Fourier space stays real.

    Raises
    ------
    ValueError
        If the range is empty or goes beyond 90 degrees.

    References
    ----------
    Lucic, Foerster & Baumeister, "Structural studies by electron tomography: from cells
    to molecules", Annual Review of Biochemistry 74, 2005.

    Examples
    --------
    >>> from sksubtomo.fourier import missing_wedge_mask
    >>> mask = missing_wedge_mask((4, 4, 4), 60)
    >>> mask.shape, bool(mask[0, 0, 1]), bool(mask[1, 0, 0])
    ((4, 4, 3), True, False)
    """
    lowest, highest = check_tilt_range(tilt_range_deg)
    depth, height, width = shape
    kz, kx = fft.fftfreq(depth)[:, np.newaxis], fft.rfftfreq(width)[np.newaxis]

    def measured(kz: NDArray, kx: NDArray) -> NDArray[np.bool_]:
        angle = np.degrees(np.arctan2(kz, kx))
        return (angle > lowest - 1e-9) & (angle < highest + 1e-9)

    # On these planes a frequency and its mirror image share one value, which must suit both.
    shared = (kx == 0) | (kx == 0.5) | (np.abs(kz) == 0.5)
    plane = measured(kz, kx) | (shared & measured(-kz, kx))
    plane[0, 0] = True
    return np.repeat(plane[:, np.newaxis], height, axis=1)


def check_tilt_range(tilt_range_deg: float | tuple[float, float]) -> tuple[float, float]:
    """Return the lowest and the highest tilt of a range.

    Parameters
    ----------
    tilt_range_deg : float or (float, float)
        Lowest and highest tilt in degrees; a single number t means (-t, t).

    Returns
    -------
    lowest, highest : float
        In degrees.

    Raises
    ------
    ValueError
        If the range is empty or goes beyond 90 degrees.
    """
    bounds = np.ravel(tilt_range_deg).astype(float)
    if bounds.size == 1:
        bounds = np.array([-bounds[0], bounds[0]])
    if bounds.size != 2 or not -90 <= bounds[0] < bounds[1] <= 90:
        raise ValueError(
            f"tilt_range_deg={tilt_range_deg!r} must be a number in (0, 90] or a pair of "
            "increasing angles between -90 and 90 degrees."
        )
    return float(bounds[0]), float(bounds[1])
