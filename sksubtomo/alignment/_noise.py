"""Noise power, measured where there is no particle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.alignment._frequencies import measured_frequencies
from sksubtomo.alignment._pose_grid import PoseGrid
from sksubtomo.alignment._spectra import Poses
from sksubtomo.alignment._stages import volume_blocks
from sksubtomo.fourier import Imaging

# Fraction of the power within the ball that white noise has to leave outside, at least.
_LEAST_BACKGROUND = 1e-3
# Noise power is not taken to be below this fraction of a shell's power.
_LEAST_NOISE = 0.02
# Volumes, evenly spaced, whose power is measured; that of more would hardly be more accurate.
_MOST_VOLUMES = 256
# Fraction of the box that has to be outside of the mask, and of the noise that has to be there.
_LEAST_BORDER = 0.05
_LEAST_BORDER_POWER = 0.25
# Noise is white if its power among the frequencies compared, over that far beyond, is within these.
# A strong particle that reaches into the border lets noise there look more colored than it is.
_WHITE_RATIO = (0.95, 1.5)
_DEVIATIONS = 3.0


def measure_noise(
    poses: Poses,
    volumes: Any,
    kind: str,
    tilt_range_deg: Any,
    mask_radius: float | None = None,
    imaging: Imaging | None = None,
) -> NDArray[np.float64]:
    """Return the noise power of a real coefficient, by shell, in the units of the volumes.

    Neither way looks at references, so that no signal can become noise while they have no shape.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Those of the last stage.
    volumes : array-like of shape (n, d, h, w)
        All volumes; of boxes, at most 256 are looked at.
    kind : {"auto", "white", "shells"}
        "white" takes the power of frequencies far beyond those of `poses` for that of all shells;
        where there is nothing beyond, that of the last shell. "shells" takes the spectrum of the
        box outside of the mask, scaled to the same power far beyond. "auto" is "shells" where the
        noise is clearly colored, and "white" otherwise, also where the mask leaves no border, or
        volumes are masked.
    tilt_range_deg : float or (float, float)
        Measured tilts.
    mask_radius : float, optional
        Radius of the particle in voxels; by default that of the largest sphere in the box.
    imaging : Imaging, optional
        Of the volumes, instead of `tilt_range_deg`. Noise is not measured where they
        measure nothing.

    Returns
    -------
    noise : ndarray of shape (n_shells,)
        Positive.

    Raises
    ------
    ValueError
        If there is no power where noise is measured; with "shells" also if too little of the box
        is outside the mask, or if volumes have next to no noise there.
    """
    n_shells = int(poses.shells.max()) + 1
    if not isinstance(poses, PoseGrid):
        mean = float(np.mean([np.square(block).mean() for block in volume_blocks(volumes)]))
        return np.full(n_shells, _positive(mean))
    rows = np.arange(len(volumes))
    if len(rows) > _MOST_VOLUMES:
        rows = np.linspace(0, len(rows) - 1, _MOST_VOLUMES).astype(int)
    imaging = Imaging(tilt_range_deg) if imaging is None else imaging
    imaging = imaging.broadcast(len(volumes))[rows]
    ball, index = measured_frequencies(poses.box_size, poses.box_size // 2, 90.0)
    gains = imaging.gains((poses.box_size,) * 3, index)
    some = (gains[imaging.index] != 0).any(axis=0)
    radii = np.linalg.norm(ball[some], axis=1)
    weight = None if kind == "white" else _border(poses.box_size, mask_radius)
    if weight is not None and kind == "auto" and weight.mean() < _LEAST_BORDER:
        weight = None
    _check_border(weight, mask_radius)
    measured = _Measured(index[some], gains[:, some] != 0, imaging.index)
    total, border = _mean_squares(volumes, rows, weight, measured)
    near = radii <= poses.radii.max()
    far = radii > (poses.radii.max() + radii.max()) / 2
    if not far.any():
        far = radii > radii.max() - 1
    n_independent = 0.0 if weight is None else near.sum() * len(rows) * float(weight.mean())
    powers = _Powers(total, border, near, far, n_independent)
    if weight is None or not _is_by_shell(powers, kind):
        return np.full(n_shells, _white(powers, poses.radii.max()))
    return _by_shell(powers, radii[near].round().astype(int), n_shells)


class _Powers(NamedTuple):
    """Mean power of every frequency, and which are compared or far beyond.

    ``border``: of the box outside of the mask, such that white noise has that of ``total``.
    ``n_independent``: how many independent numbers the mean of ``border`` over ``near`` is of.
    """

    total: NDArray[np.float64]
    border: NDArray[np.float64]
    near: NDArray[np.bool_]
    far: NDArray[np.bool_]
    n_independent: float

    @property
    def filtered(self) -> bool:
        """Whether there is next to no power far beyond."""
        beyond = self.total[self.far].mean()
        return bool(beyond <= _LEAST_BACKGROUND * self.total[self.near].mean())


def _is_by_shell(powers: _Powers, kind: str) -> bool:
    """Tell whether the border says the color of the noise; refuse masked volumes if it has to."""
    total, border, near, far, n_independent = powers
    # Of filtered volumes, what is left may be the particle's.
    measured, least = far, _LEAST_BORDER_POWER
    if powers.filtered:
        measured, least = near, _LEAST_BACKGROUND
    is_masked = border[measured].mean() < least * total[measured].mean()
    if is_masked and kind == "shells" and total.any():
        raise ValueError(
            "noise='shells' measures noise outside of the mask, where X has next to none: volumes "
            "seem to be masked. Give volumes that are not, or set noise='white'."
        )
    if kind == "shells" or is_masked or powers.filtered:
        return not is_masked
    # Powers of few coefficients scatter; their standard deviation is their mean.
    scatter = _DEVIATIONS / np.sqrt(n_independent)
    low, high = _WHITE_RATIO[0] - scatter, _WHITE_RATIO[1] + scatter
    return not low * border[far].mean() < border[near].mean() < high * border[far].mean()


def _white(powers: _Powers, highest: float) -> float:
    """Return the power far beyond the highest frequency that is compared."""
    if powers.filtered:
        raise ValueError(
            f"X has next to no power beyond {highest:.3g} cycles per box, where noise is "
            "measured: volumes seem to be low-pass filtered or denoised (or constant). Give "
            "unfiltered volumes, or, if they are not masked, set noise='shells'."
        )
    return _positive(powers.total[powers.far].mean())


def _by_shell(powers: _Powers, shells: NDArray[np.int64], n_shells: int) -> NDArray[np.float64]:
    """Return the power of the border in shells, scaled to that of the whole boxes far beyond."""
    total, border, near, far, _ = powers
    scale = 1.0 if powers.filtered else total[far].mean() / border[far].mean()
    counts = np.bincount(shells, minlength=n_shells)
    in_shells, power = (
        np.bincount(shells, values[near], minlength=n_shells) / np.maximum(counts, 1)
        for values in (border * scale, total)
    )
    _positive(power.max())
    # A shell without a frequency is not compared, but must not divide by 0.
    in_shells = np.where(counts > 0, np.maximum(in_shells, _LEAST_NOISE * power), 0)
    return np.maximum(in_shells, _LEAST_BACKGROUND * in_shells.max())


def _positive(power: float) -> float:
    if not power > 0:
        raise ValueError(
            "X has no power where noise is measured: are all values equal, as in constant volumes?"
        )
    return float(power)


def _border(box_size: int, mask_radius: float | None) -> NDArray[np.float32]:
    """Return weights of voxels: 1 outside of the mask, 0 within, with a soft edge."""
    x = np.arange(box_size) - box_size // 2
    radius = np.sqrt(np.add.outer(np.add.outer(x**2, x**2), x**2))
    edge = (box_size - 1) / 2 if mask_radius is None else mask_radius
    return np.clip(radius - edge, 0, 1).astype(np.float32)


def _check_border(weight: NDArray[np.float32] | None, mask_radius: float | None) -> None:
    if weight is None or weight.mean() >= _LEAST_BORDER:
        return
    edge = (len(weight) - 1) / 2 if mask_radius is None else mask_radius
    raise ValueError(
        f"noise='shells' measures noise outside of mask_radius_voxels={edge:g}, but that "
        f"leaves {weight.mean():.1%} of the box of {len(weight)} voxels. Give a smaller radius, "
        "larger boxes, or set noise='white'."
    )


class _Measured(NamedTuple):
    """Which frequencies volumes measure.

    ``places`` (n_frequencies,): in the flat layout of ``rfftn``. ``masks`` (n_kinds,
    n_frequencies), and ``kind`` (n,) of each volume.
    """

    places: NDArray[np.intp]
    masks: NDArray[np.bool_]
    kind: NDArray[np.intp]


def _mean_squares(
    volumes: Any, rows: NDArray[np.intp], weight: NDArray[np.float32] | None, measured: _Measured
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean squares of real coefficients, of the whole volumes and of their borders."""
    total, border = np.zeros((2, len(measured.places)))
    start = 0
    for block in volume_blocks(volumes, rows):
        kind = measured.kind[start : start + len(block)]
        start += len(block)
        total += _sum_of_squares(block, kind, measured)
        if weight is not None:
            mean = (block * weight).sum(axis=(1, 2, 3), keepdims=True) / weight.sum()
            outside = (block - mean) * weight
            border += _sum_of_squares(outside, kind, measured) / np.square(weight).mean()
    # Half the square of a complex coefficient is in each of its parts.
    number = 2 * np.bincount(measured.kind, minlength=len(measured.masks)) @ measured.masks
    return total / number, border / number


def _sum_of_squares(
    block: NDArray[np.float32], kind: NDArray[np.intp], measured: _Measured
) -> NDArray[np.float64]:
    """Return sums over volumes of squares, such that white noise has twice its variance."""
    total = np.zeros(len(measured.places))
    # One by one, so that a spectrum stays in the cache.
    for volume, own in zip(block, kind, strict=True):
        spectrum = fft.rfftn(volume).ravel()[measured.places]
        squares = np.square(spectrum.real, dtype=float) + np.square(spectrum.imag, dtype=float)
        total += squares * measured.masks[own]
    return total * (2 / block[0].size)
