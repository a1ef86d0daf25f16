"""The missing wedge of a single-axis tilt series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy import fft

_DIRECTIONS = dict(zip("xyz", np.eye(3), strict=True))


def missing_wedge_mask(
    shape: Sequence[int],
    tilt_range_deg: float | tuple[float, float] = 60.0,
    *,
    tilt_axis: str | float = "y",
    beam: str = "z",
) -> NDArray[np.bool_]:
    """Tell which frequencies a single-axis tilt series measures.

    By default, the tilt axis is y and the beam z, so an untilted projection measures the plane
    kz = 0. By the projection-slice theorem, a tilt of t degrees measures the plane through the ky
    axis where ``kz = kx * tan(t)``; a frequency counts as measured if its angle
    ``arctan(kz / kx)`` is within the tilt range, ends included. Angles are taken between physical
    frequencies (cycles per voxel), so boxes need not be cubes.

    Sign: a tilt of t turns the specimen about +y by the right-hand rule, that is, it takes the
    point (x, z) to ``x' = x cos(t) + z sin(t)`` on the detector. It matters for ranges
    that are not symmetric only; microscopes and programs differ in it.

    Parameters
    ----------
    shape : sequence of int
        Edges of the box in voxels, z, y, x.
    tilt_range_deg : float or (float, float), default=60
        Lowest and highest tilt in degrees; a single number t means (-t, t).
    tilt_axis : {"x", "y", "z"} or float, default="y"
        Axis of the array; or the angle in degrees from y towards x of an axis in the plane of both.
        With another axis or beam, x becomes their vector product, the tilt axis first.
    beam : {"x", "y", "z"}, default="z"
        Direction of the beam.

    Returns
    -------
    mask : ndarray of shape (depth, height, width // 2 + 1) of bool
        True where measured, in the layout of ``scipy.fft.rfftn`` over z, y, x. A real volume
        multiplied by it in Fourier space stays real.

    Raises
    ------
    ValueError
        If the range is empty or goes beyond 90 degrees, or the axes are malformed.

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
    if (tilt_axis, beam) != ("y", "z"):
        return _turned_wedge(shape, (lowest, highest), tilt_axis, beam)
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


def check_tilt_axes(tilt_axis: str | float, beam: str) -> tuple[NDArray, NDArray]:
    """Return the directions of the tilt axis and of the beam.

    Parameters
    ----------
    tilt_axis : {"x", "y", "z"} or float
        See :func:`missing_wedge_mask`.
    beam : {"x", "y", "z"}
        Direction of the beam.

    Returns
    -------
    axis, beam : ndarray of shape (3,)
        Unit vectors x, y, z.

    Raises
    ------
    ValueError
        If the axes are not two different ones, or an angle comes without the beam along z.
    """
    if isinstance(tilt_axis, Real) and np.isfinite(tilt_axis) and beam == "z":
        angle = np.radians(float(tilt_axis))
        axis = np.array([np.sin(angle), np.cos(angle), 0.0])
    elif tilt_axis in _DIRECTIONS and beam in _DIRECTIONS and tilt_axis != beam:
        axis = _DIRECTIONS[str(tilt_axis)]
    else:
        raise ValueError(
            f"tilt_axis={tilt_axis!r} and beam={beam!r} must be two different ones of 'x', 'y' and "
            "'z'; or the tilt axis is an angle in degrees from y towards x, and the beam 'z'."
        )
    return axis, _DIRECTIONS[beam]


def tilt_coordinates(
    shape: Sequence[int], tilt_axis: str | float, beam: str
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield coordinates of frequencies in the plane that tilts turn in.

    A frequency of half a cycle per voxel is also its opposite along that axis, so that more than
    one pair is yielded: what a tilt series measures of one of them, it measures.

    Parameters
    ----------
    shape : sequence of int
        Edges of the box in voxels, z, y, x.
    tilt_axis, beam
        See :func:`missing_wedge_mask`.

    Yields
    ------
    along_beam, across : ndarray of shape (depth, height, width // 2 + 1)
        In cycles per voxel: along the beam, and along the vector product of tilt axis and beam.
    """
    axis, direction = check_tilt_axes(tilt_axis, beam)
    third = np.cross(axis, direction)
    depth, height, width = shape
    axes = fft.fftfreq(depth), fft.fftfreq(height), fft.rfftfreq(width)
    # The opposite of a frequency is measured with it.
    signs = [(-1, 1) if (np.abs(k) == 0.5).any() else (1,) for k in axes]
    for flips in product(*signs):
        flipped = (np.where(np.abs(k) == 0.5, s * k, k) for k, s in zip(axes, flips, strict=True))
        z, y, x = np.meshgrid(*flipped, indexing="ij", sparse=True)
        along = x * direction[0] + y * direction[1] + z * direction[2]
        yield along, x * third[0] + y * third[1] + z * third[2]


def _turned_wedge(
    shape: Sequence[int], tilt_range: tuple[float, float], tilt_axis: str | float, beam: str
) -> NDArray[np.bool_]:
    lowest, highest = tilt_range
    mask = np.zeros((*shape[:2], shape[2] // 2 + 1), dtype=bool)
    for along, across in tilt_coordinates(shape, tilt_axis, beam):
        # Rounded products of directions that are perpendicular.
        across = np.where(np.abs(across) < 1e-12, 0.0, across)
        angle = np.degrees(np.arctan2(np.where(across < 0, -along, along), np.abs(across)))
        mask |= (angle > lowest - 1e-9) & (angle < highest + 1e-9)
        # Along the beam, a frequency and its opposite are at -90 and at 90 degrees.
        mask |= (across == 0) & (-angle > lowest - 1e-9) & (-angle < highest + 1e-9)
    mask[0, 0, 0] = True
    return mask
