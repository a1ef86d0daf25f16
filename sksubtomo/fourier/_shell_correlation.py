"""Fourier shell correlation of two maps, and the resolution that it gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

# A shell with less power than this, relative to that of the map, holds rounding errors only.
_ROUNDING = 1e-10


class ShellCorrelation(NamedTuple):
    """Fourier shell correlation of two maps.

    Parameters
    ----------
    frequency : ndarray of shape (n_shells,)
        Radius of each shell in 1/angstrom, or in cycles a voxel where the voxel size is unknown.
    correlation : ndarray of shape (n_shells,)
        Correlation in each shell, from -1 to 1; 0 where a map has no power. The first shell is the
        mean of the maps.
    """

    frequency: NDArray[np.float64]
    correlation: NDArray[np.float64]


def fourier_shell_correlation(
    a: ArrayLike,
    b: ArrayLike,
    *,
    voxel_size_angstrom: float | None = None,
    mask: ArrayLike | None = None,
) -> ShellCorrelation:
    r"""Correlate the Fourier coefficients of two maps, shell by shell.

    In the shell of radius r, which has the frequencies from r - 1/2 to r + 1/2 cycles per box,

    .. math:: \mathrm{FSC}(r) = \frac{\mathrm{Re} \sum A_k B_k^*}
              {\sqrt{\sum |A_k|^2 \, \sum |B_k|^2}}

    Parameters
    ----------
    a, b : array-like of shape (d, d, d)
        Maps, axes z, y, x.
    voxel_size_angstrom : float, optional
        Edge of a voxel. Without it, frequencies are in cycles a voxel.
    mask : array-like of shape (d, d, d), optional
        Multiplies both maps first. It is the same in both, so a tight mask makes even noise
        correlate; its edge should be soft.

    Returns
    -------
    fsc : ShellCorrelation
        ``frequency`` and ``correlation``, of ``d // 2 + 1`` shells up to the Nyquist frequency.

    Raises
    ------
    ValueError
        If the maps, or the mask, are not finite cubes of one shape, or the voxel size is not
        positive.

    See Also
    --------
    fsc_resolution : The resolution at which it falls below a threshold.

    References
    ----------
    Harauz & van Heel, "Exact filters for general geometry three dimensional reconstruction",
    Optik 73, 1986.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.fourier import fourier_shell_correlation
    >>> volume = np.random.default_rng(0).normal(size=(16, 16, 16))
    >>> fsc = fourier_shell_correlation(volume, 2 * volume, voxel_size_angstrom=10.0)
    >>> fsc.correlation.round(6).tolist() == [1.0] * 9
    True
    >>> float(fsc.frequency[-1])
    0.05
    """
    first, second = (_cube(name, volume) for name, volume in (("a", a), ("b", b)))
    if voxel_size_angstrom is not None and not 0 < voxel_size_angstrom < np.inf:
        raise ValueError(f"voxel_size_angstrom={voxel_size_angstrom!r} must be positive.")
    weight = np.ones(first.shape) if mask is None else _cube("mask", mask)
    if not first.shape == second.shape == weight.shape:
        raise ValueError(
            f"a, b and mask must have one shape, but have {first.shape}, {second.shape} and "
            f"{weight.shape}."
        )
    size = len(first)
    spectra = [fft.fftn(volume * weight, workers=1) for volume in (first, second)]
    shell = _shells(size)
    n_shells = size // 2 + 1
    inside = shell < n_shells
    cross, *powers = (
        np.bincount(shell[inside], (one * other.conj()).real[inside], minlength=n_shells)
        for one, other in ((spectra[0], spectra[1]), *zip(spectra, spectra, strict=True))
    )
    for power in powers:
        power[power <= _ROUNDING * power.sum()] = 0.0
    # Roots first: the product of two powers may overflow.
    scale = np.sqrt(powers[0]) * np.sqrt(powers[1])
    correlation = np.divide(cross, scale, out=np.zeros(n_shells), where=scale > 0)
    frequency = np.arange(n_shells) / (size * (voxel_size_angstrom or 1.0))
    return ShellCorrelation(frequency, np.clip(correlation, -1.0, 1.0))


def fsc_resolution(
    frequency: ArrayLike, correlation: ArrayLike, *, threshold: float = 0.143
) -> float:
    """Return the resolution at which a Fourier shell correlation first falls below a threshold.

    Parameters
    ----------
    frequency, correlation : array-like of shape (n_shells,)
        As of :func:`fourier_shell_correlation`.
    threshold : float, default=0.143
        Of halves of the data, 0.143 is where an average of all of them correlates by 0.5 with the
        truth [1]_.

    Returns
    -------
    resolution : float
        In angstrom, or in voxels where frequencies are in cycles a voxel; interpolated linearly
        between shells. Infinite if the first shell beyond the mean is below the threshold. If none
        is, that of the last shell: the resolution is then limited by the voxels, or by the shells
        that there are.

    Raises
    ------
    ValueError
        If the arrays are not of one length, from 2 on, or the threshold is not within 0 and 1.

    References
    ----------
    .. [1] Rosenthal & Henderson, "Optimal determination of particle orientation, absolute hand,
       and contrast loss in single-particle electron cryomicroscopy", J. Mol. Biol. 333, 2003.

    Examples
    --------
    >>> from sksubtomo.fourier import fsc_resolution
    >>> fsc_resolution([0, 0.01, 0.02, 0.03], [1, 1, 0.6, 0.2], threshold=0.4)
    40.0
    """
    radius, values = np.asarray(frequency, dtype=float), np.asarray(correlation, dtype=float)
    if radius.ndim != 1 or radius.shape != values.shape or len(radius) < 2:
        raise ValueError(
            f"frequency and correlation must be as long as one another, with two shells at least; "
            f"they have shapes {radius.shape} and {values.shape}."
        )
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold!r} must be within 0 and 1.")
    below = np.flatnonzero(~(values[1:] >= threshold)) + 1
    if not len(below):
        return float(1 / radius[-1])
    shell = int(below[0])
    if shell == 1:
        return float("inf")
    high, low = values[shell - 1], values[shell]
    part = (high - threshold) / (high - low)
    return float(1 / (radius[shell - 1] + part * (radius[shell] - radius[shell - 1])))


def _cube(name: str, volume: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(volume, dtype=np.float64)
    if array.ndim != 3 or len(set(array.shape)) > 1 or len(array) < 2:
        raise ValueError(f"{name} must be a cube (d, d, d), but has shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity.")
    return array


def _shells(size: int) -> NDArray[np.int64]:
    """Return the shell of every frequency of ``fftn``."""
    k = fft.fftfreq(size, 1 / size)
    square = np.add.outer(np.add.outer(k**2, k**2), k**2)
    return np.sqrt(square).round().astype(np.int64)
