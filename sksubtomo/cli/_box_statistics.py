"""Statistics of boxes by which those of a model are compared with new ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.cli._sanity import Sanity

# Boxes that are looked at, at most.
_MOST_BOXES = 300
_LEAST_BOXES = 5
# Means that are so many standard errors from 0 have a clear sign.
_CLEAR = 4.0
# Radii of the center and the border in half boxes.
_CENTER, _BORDER = 0.35, 0.8
# Ratio of the shares of power in a shell that different filters or detectors make.
_POWER_RATIO = 4.0
_FIRST_SHELL = 2


class BoxStatistics(NamedTuple):
    """What boxes look like on average.

    Parameters
    ----------
    n_boxes : int
        How many were looked at.
    contrast, contrast_error : float
        Density of the center less that of the border, in standard deviations of the box, on average
        over boxes, and the standard error of that.
    skewness, skewness_error : float
        Of the voxels of the center, likewise.
    power : ndarray of shape (n_shells,)
        Share of the power in each Fourier shell.
    """

    n_boxes: int
    contrast: float
    contrast_error: float
    skewness: float
    skewness_error: float
    power: NDArray[np.float64]


def box_statistics(stack: Any) -> BoxStatistics | None:
    """Return statistics of boxes, evenly spaced where there are many; None of too few.

    Parameters
    ----------
    stack : array-like of shape (n, d, d, d)
        Boxes as they were cut.
    """
    rows = np.unique(np.linspace(0, len(stack) - 1, min(len(stack), _MOST_BOXES)).astype(int))
    if len(rows) < _LEAST_BOXES:
        return None
    boxes = np.asarray(stack[rows], dtype=np.float64)
    boxes -= boxes.mean(axis=(1, 2, 3), keepdims=True)
    spread = boxes.std(axis=(1, 2, 3), keepdims=True)
    boxes /= np.where(spread > 0, spread, 1)
    size = boxes.shape[-1]
    x = (np.arange(size) - size // 2) / (size / 2)
    radius = np.sqrt(np.add.outer(np.add.outer(x**2, x**2), x**2))
    center, border = boxes[:, radius <= _CENTER], boxes[:, radius >= _BORDER]
    contrast = center.mean(axis=1) - border.mean(axis=1)
    skewness = (boxes[:, radius <= _BORDER] ** 3).mean(axis=1)
    power = np.mean([np.abs(fft.fftn(box, workers=1)) ** 2 for box in boxes], axis=0)
    k = fft.fftfreq(size, 1 / size)
    shell = np.sqrt(np.add.outer(np.add.outer(k**2, k**2), k**2)).round().astype(int)
    by_shell = np.bincount(shell.ravel(), power.ravel()) / np.bincount(shell.ravel())
    by_shell = by_shell[: size // 2]
    return BoxStatistics(
        len(boxes),
        *_mean_and_error(contrast),
        *_mean_and_error(skewness),
        by_shell / max(by_shell.sum(), np.finfo(float).tiny),
    )


def _mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def compare_boxes(sanity: Sanity, known: BoxStatistics | None, new: BoxStatistics | None) -> None:
    """Warn if new boxes have the opposite contrast of those of the model, or another spectrum."""
    if known is None or new is None:
        return
    signs = {
        name: (
            _sign(getattr(known, name), getattr(known, f"{name}_error")),
            _sign(getattr(new, name), getattr(new, f"{name}_error")),
        )
        for name in ("contrast", "skewness")
    }
    opposite = [name for name, (one, other) in signs.items() if one * other < 0]
    same = [name for name, (one, other) in signs.items() if one * other > 0]
    if opposite and not same:
        bright, dark = ("bright", "dark") if signs[opposite[0]][0] > 0 else ("dark", "bright")
        sanity.warn(
            "Contrast is opposite to that of the training boxes: their centers are %s (%.2g "
            "standard deviations beside the border), those of the new ones %s (%.2g). Multiply the "
            "new tomograms by -1.",
            *(bright, known.contrast, dark, new.contrast),
        )
    if not (known.power.any() and new.power.any()):
        return
    size = min(len(known.power), len(new.power))
    ratio = new.power[_FIRST_SHELL:size] / np.maximum(
        known.power[_FIRST_SHELL:size], np.finfo(float).tiny
    )
    odd = (ratio > _POWER_RATIO) | (ratio < 1 / _POWER_RATIO)
    if odd.any():
        shell = _FIRST_SHELL + int(np.abs(np.log(np.maximum(ratio, 1e-12))).argmax())
        sanity.warn(
            "The power spectrum of the boxes differs from that of the training boxes, most at %d "
            "cycles a box, by a factor of %.2g: were tomograms filtered, denoised or binned in "
            "another way?",
            *(shell, ratio[shell - _FIRST_SHELL]),
        )


def _sign(mean: float, error: float) -> int:
    return int(np.sign(mean)) if abs(mean) > _CLEAR * error else 0
