"""Which directions of Fourier space volumes measure, judged by their power."""

from __future__ import annotations

from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.fourier import check_tilt_axes, check_tilt_range, missing_wedge_mask

# Power in the missing wedge, relative to that elsewhere, which is no leakage; and how much less it
# is in another direction that is clearly likelier.
_MUCH_POWER = 0.4
_CLEARLY_LESS = 0.25
# Ranges differ from their mirror image from this on, in degrees.
_ASYMMETRY_DEG = 10.0
# Nearer frequencies are in no clear direction, in cycles per box.
_NEAREST = 3.0
# Tilts are looked at in bins of this width, in degrees; one with less than this fraction of the
# power of the best was not measured. Fewer bins than this may be leakage.
_BIN_DEG = 5.0
_LITTLE_POWER = 0.1
_LEAST_BINS = 2


class TiltGeometry(NamedTuple):
    """Axes of a tilt series in the array, and the power in its missing wedge.

    ``tilt_axis`` and ``beam``: "z", "y" or "x". ``tilt_range_deg``: lowest and highest tilt.
    ``missing_power``: mean power within the wedge over that outside, at the same radii.
    """

    tilt_axis: str
    beam: str
    tilt_range_deg: tuple[float, float]
    missing_power: float


def likelier_geometry(
    volumes: NDArray[np.float32], tilt_range_deg: Any
) -> tuple[TiltGeometry, TiltGeometry | None]:
    """Compare the stated missing wedge with those about other axes.

    Signal and noise pass through the tilt series alike, so there is next to no power within the
    missing wedge, whatever the volumes show.

    Parameters
    ----------
    volumes : ndarray of shape (n, d, d, d)
        Axes z, y, x; a few dozen do.
    tilt_range_deg : float or (float, float)
        Stated tilts, about y, with the beam along z.

    Returns
    -------
    stated : TiltGeometry
        The stated one.
    likelier : TiltGeometry or None
        Another one, if it has clearly less power in its wedge; or the stated one with fewer tilts,
        if there is next to no power at the outermost ones. None also where nothing is missing, or
        noise was added to all frequencies.
    """
    lowest, highest = check_tilt_range(tilt_range_deg)
    power, inside = _relative_power(volumes)
    ranges = [(lowest, highest)]
    if abs(lowest + highest) > _ASYMMETRY_DEG:
        ranges.append((-highest, -lowest))
    found = []
    for tilt_axis, beam in [("y", "z"), *permutations("zyx", 2)]:
        for tilts in ranges:
            missing = inside & ~_full_wedge(len(power), tilts, tilt_axis, beam)
            # Of a complete range, nothing is missing.
            mean = power[missing].mean() if missing.any() else 0.0
            found.append(TiltGeometry(tilt_axis, beam, tilts, float(mean)))
    stated, best = found[0], min(found, key=lambda one: one.missing_power)
    clear = best.missing_power < _CLEARLY_LESS * stated.missing_power
    if not (stated.missing_power > _MUCH_POWER and clear):
        best = stated
    turned = _turned(power, best.tilt_axis, best.beam)
    best = best._replace(tilt_range_deg=_powered_tilts(turned, best.tilt_range_deg))
    return stated, None if best == stated else best


def _turned(power: NDArray[np.float64], tilt_axis: str, beam: str) -> NDArray[np.float64]:
    """Return power with the beam along z and the tilt axis along y."""
    axis, direction = check_tilt_axes(tilt_axis, beam)
    third = np.cross(axis, direction)
    order = [2 - int(np.abs(unit).argmax()) for unit in (direction, axis, third)]
    turned = power.transpose(order)
    # A frequency of the other sign is at the other end of the axis.
    return turned if third.sum() > 0 else turned[:, :, -np.arange(len(power))]


def _powered_tilts(
    power: NDArray[np.float64], tilt_range_deg: tuple[float, float]
) -> tuple[float, float]:
    """Return the range less outer bins without power, at least two on a side."""
    size = len(power)
    edge = fft.fftfreq(size, 1 / size)
    kz, ky, kx = np.meshgrid(edge, edge, edge, indexing="ij", sparse=True)
    radius = np.sqrt(kx**2 + ky**2 + kz**2)
    # Of a frequency and its opposite, the angle is the same.
    angle = np.degrees(np.arctan2(kz * np.where(kx < 0, -1, 1), np.abs(kx)))
    angle = np.broadcast_to(angle, power.shape)
    # Directions are finest at the rim of the plane that tilts lie in.
    clear = (np.broadcast_to(np.hypot(kx, kz), power.shape) >= size / 4) & (radius < size / 2)
    lowest, highest = tilt_range_deg
    n_bins = int((highest - lowest) // _BIN_DEG)
    if n_bins <= 2 * _LEAST_BINS or not clear.any():
        return tilt_range_deg
    number = np.floor((angle[clear] - lowest) / (highest - lowest) * n_bins).astype(int)
    inside = (number >= 0) & (number < n_bins)
    counts = np.bincount(number[inside], minlength=n_bins)
    sums = np.bincount(number[inside], power[clear][inside], minlength=n_bins)
    means = sums / np.maximum(counts, 1)
    if not means.max() > 0:
        return tilt_range_deg
    measured = np.flatnonzero(means > _LITTLE_POWER * means.max())
    first, after = measured[0], measured[-1] + 1
    width = (highest - lowest) / n_bins
    # Of small boxes, bins can be empty, which says nothing.
    below, above = (np.count_nonzero(part) for part in (counts[:first], counts[after:]))
    low = lowest + width * first if below >= _LEAST_BINS else lowest
    high = highest - width * (n_bins - after) if above >= _LEAST_BINS else highest
    return float(low), float(high)


def _relative_power(volumes: NDArray[np.float32]) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return the mean power over that of its shell, and where directions are clear."""
    size = volumes.shape[-1]
    spectra = fft.fftn(volumes, axes=(-3, -2, -1), workers=1)
    # float64: a float32 cannot hold the square of a large unit.
    power = np.abs(spectra).astype(float)
    power = np.square(power, out=power).mean(axis=0)
    edge = fft.fftfreq(size, 1 / size)
    radius = np.sqrt(np.add.outer(np.add.outer(edge**2, edge**2), edge**2))
    shell = radius.round().astype(int)
    means = np.bincount(shell.ravel(), power.ravel()) / np.bincount(shell.ravel())
    inside = (radius >= _NEAREST) & (radius < size / 2)
    return power / np.maximum(means, np.finfo(float).tiny)[shell], inside


def _full_wedge(
    size: int, tilt_range_deg: tuple[float, float], tilt_axis: str, beam: str
) -> NDArray[np.bool_]:
    """Return the measured frequencies in the layout of ``fftn``."""
    half = missing_wedge_mask((size,) * 3, tilt_range_deg, tilt_axis=tilt_axis, beam=beam)
    index = np.arange(size)
    full = np.empty((size,) * 3, dtype=bool)
    full[:, :, : half.shape[2]] = half
    # A frequency and its opposite are measured together.
    others = index[half.shape[2] :]
    full[:, :, others] = half[np.ix_(-index % size, -index % size, size - others)]
    return full
