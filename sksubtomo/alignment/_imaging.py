"""Which directions of Fourier space volumes measure, judged by their power."""

from __future__ import annotations

from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.fourier import check_tilt_range, missing_wedge_mask

# Power in the missing wedge, relative to that elsewhere, which is no leakage; and how much less it
# is in another direction that is clearly likelier.
_MUCH_POWER = 0.4
_CLEARLY_LESS = 0.5
# Ranges differ from their mirror image from this on, in degrees.
_ASYMMETRY_DEG = 10.0
# Nearer frequencies are in no clear direction, in cycles per box.
_NEAREST = 3.0


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
        Another one, if it has clearly less power in its wedge. None also where nothing is missing,
        or noise was added to all frequencies.
    """
    lowest, highest = check_tilt_range(tilt_range_deg)
    power, inside = _relative_power(volumes)
    ranges = [(lowest, highest)]
    if abs(lowest + highest) > _ASYMMETRY_DEG:
        ranges.append((-highest, -lowest))
    found = []
    for tilt_axis, beam in [("y", "z"), *permutations("zyx", 2)]:
        (third,) = set("zyx") - {tilt_axis, beam}
        order = tuple("zyx".index(axis) for axis in (beam, tilt_axis, third))
        for tilts in ranges:
            missing = inside & ~_full_wedge(len(power), tilts)
            # Of a complete range, nothing is missing.
            mean = power.transpose(order)[missing].mean() if missing.any() else 0.0
            found.append(TiltGeometry(tilt_axis, beam, tilts, float(mean)))
    stated, best = found[0], min(found, key=lambda one: one.missing_power)
    clear = best.missing_power < _CLEARLY_LESS * stated.missing_power
    return stated, best if stated.missing_power > _MUCH_POWER and clear else None


def _relative_power(volumes: NDArray[np.float32]) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return the mean power over that of its shell, and where directions are clear."""
    size = volumes.shape[-1]
    spectra = fft.fftn(volumes, axes=(-3, -2, -1), workers=1)
    power = (np.abs(spectra) ** 2).mean(axis=0)
    edge = fft.fftfreq(size, 1 / size)
    radius = np.sqrt(np.add.outer(np.add.outer(edge**2, edge**2), edge**2))
    shell = radius.round().astype(int)
    means = np.bincount(shell.ravel(), power.ravel()) / np.bincount(shell.ravel())
    inside = (radius >= _NEAREST) & (radius < size / 2)
    return power / np.maximum(means, np.finfo(float).tiny)[shell], inside


def _full_wedge(size: int, tilt_range_deg: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the measured frequencies in the layout of ``fftn``."""
    half = missing_wedge_mask((size,) * 3, tilt_range_deg)
    index = np.arange(size)
    full = np.empty((size,) * 3, dtype=bool)
    full[:, :, : half.shape[2]] = half
    # A frequency and its opposite are measured together.
    others = index[half.shape[2] :]
    full[:, :, others] = half[np.ix_(-index % size, -index % size, size - others)]
    return full
