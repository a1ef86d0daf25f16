"""Noise power, measured where there is no particle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.alignment._pose_grid import PoseGrid, measured_frequencies
from sksubtomo.alignment._spectra import Poses
from sksubtomo.alignment._stages import volume_blocks

# Fraction of the power within the ball that white noise has to leave outside, at least.
_LEAST_BACKGROUND = 1e-3
# Noise power is not taken to be below this fraction of a shell's power.
_LEAST_NOISE = 0.02
# Volumes, evenly spaced, whose power is measured; that of more would hardly be more accurate.
_MOST_VOLUMES = 256
# Fraction of the box that has to be outside of the mask.
_LEAST_BORDER = 0.05


def measure_noise(
    poses: Poses,
    volumes: Any,
    kind: str,
    tilt_range_deg: Any,
    mask_radius: float | None = None,
) -> NDArray[np.float64]:
    """Return the noise power of a real coefficient, by shell, in the units of the volumes.

    Neither way looks at references, so that no signal can become noise while they have no shape.

    Parameters
    ----------
    poses : PoseGrid or IdentityPose
        Those of the last stage.
    volumes : array-like of shape (n, d, h, w)
        All volumes; of boxes, at most 256 are looked at.
    kind : {"white", "shells"}
        "white" takes the power of frequencies far beyond those of `poses` for that of all shells;
        where there is nothing beyond, that of the last shell. "shells" takes the spectrum of the
        box outside of the mask, scaled to the same power far beyond.
    tilt_range_deg : float or (float, float)
        Measured tilts.
    mask_radius : float, optional
        Radius of the particle in voxels; by default that of the largest sphere in the box.

    Returns
    -------
    noise : ndarray of shape (n_shells,)
        Positive.

    Raises
    ------
    ValueError
        If there is no power where noise is measured, or too little of the box is outside the mask.
    """
    n_shells = int(poses.shells.max()) + 1
    if not isinstance(poses, PoseGrid):
        mean = float(np.mean([np.square(block).mean() for block in volume_blocks(volumes)]))
        return np.full(n_shells, _positive(mean))
    rows = np.arange(len(volumes))
    if len(rows) > _MOST_VOLUMES:
        rows = np.linspace(0, len(rows) - 1, _MOST_VOLUMES).astype(int)
    frequencies, index = measured_frequencies(poses.box_size, poses.box_size // 2, tilt_range_deg)
    radii = np.linalg.norm(frequencies, axis=1)
    by_shell = kind == "shells"
    weight = _border(poses.box_size, mask_radius) if by_shell else None
    total, border = (power[index] for power in _mean_squares(volumes, rows, weight))
    near = radii <= poses.radii.max()
    far = radii > (poses.radii.max() + radii.max()) / 2
    if not far.any():
        far = radii > radii.max() - 1
    filtered = total[far].mean() <= _LEAST_BACKGROUND * total[near].mean()
    if not by_shell:
        if filtered:
            raise ValueError(
                f"X has next to no power beyond {poses.radii.max():.3g} cycles per box, where "
                "noise is measured: volumes seem to be low-pass filtered or denoised (or "
                "constant). Give unfiltered volumes, or set noise='shells'."
            )
        return np.full(n_shells, _positive(total[far].mean()))
    shells = radii[near].round().astype(int)
    scale = 1.0 if filtered else total[far].mean() / border[far].mean()
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
    weight = np.clip(radius - edge, 0, 1).astype(np.float32)
    if weight.mean() < _LEAST_BORDER:
        raise ValueError(
            f"noise='shells' measures noise outside of mask_radius_voxels={edge:g}, but that "
            f"leaves {weight.mean():.1%} of the box of {box_size} voxels. Give a smaller radius, "
            "larger boxes, or set noise='white'."
        )
    return weight


def _mean_squares(
    volumes: Any, rows: NDArray[np.intp], weight: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean squares of real coefficients, of the whole volumes and of their borders.

    Flat, in the order of ``rfftn``.
    """
    size = math.prod(volumes.shape[1:-1]) * (volumes.shape[-1] // 2 + 1)
    total, border = np.zeros(size), np.zeros(size)
    for block in volume_blocks(volumes, rows):
        total += _sum_of_squares(block)
        if weight is not None:
            mean = (block * weight).sum(axis=(1, 2, 3), keepdims=True) / weight.sum()
            border += _sum_of_squares((block - mean) * weight) / np.square(weight).mean()
    # Half the square of a complex coefficient is in each of its parts.
    return total / len(rows) / 2, border / len(rows) / 2


def _sum_of_squares(block: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return sums over volumes of squares, such that white noise has twice its variance."""
    # One by one, so that a spectrum stays in the cache.
    spectra = (fft.rfftn(volume).ravel() for volume in block)
    squares = (np.square(s.real, dtype=float) + np.square(s.imag, dtype=float) for s in spectra)
    return sum(squares, np.zeros(1)) * (2 / block[0].size)
