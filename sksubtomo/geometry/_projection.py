"""Projection along the tilts of a single-axis series, and back-projection.

The tilt axis is y and the beam z: seen from the center (voxel ``n // 2``), a tilt of t degrees
takes the point (z, y, x) to ``x' = x cos(t) + z sin(t)``, ``y' = y`` on the detector. Planes of
constant y do not mix, so one matrix, from (z, x) to (tilt, x'), is all there is: its transpose
projects, and it back-projects. The sampling kernel is the cubic spline, of which the prefilter
along x' makes an interpolation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage, sparse

# Planes of z that are handled at once, which bounds the memory of the matrix.
_SLAB = 8


def project_tilts(volume: NDArray, tilts_deg: ArrayLike) -> NDArray[np.float32]:
    """Project a volume along the tilts of a single-axis series.

    By the projection-slice theorem, the Fourier transform of the projection at tilt t is the plane
    ``kz = kx tan(t)`` of the volume's transform. The sum over the detector is that over the
    volume, as far as it falls onto the detector, which is as wide as the volume. For volumes that
    are smooth on the scale of a voxel, values are right to about one percent of the maximum.

    Parameters
    ----------
    volume : ndarray of shape (depth, height, width)
        Axes z, y, x.
    tilts_deg : array-like of shape (n_tilts,)
        Tilts in degrees about +y, right-handed: at t, ``x' = x cos(t) + z sin(t)``.

    Returns
    -------
    series : ndarray of shape (n_tilts, height, width) of float32
        Line integrals in units of the volume times voxels, axes tilt, y, x'.

    Raises
    ------
    ValueError
        If there is no tilt, a tilt is not within -90 and 90 degrees, or the volume has other than
        three axes.

    References
    ----------
    Bracewell, "Strip integration in radio astronomy", Australian Journal of Physics 9, 1956.
    """
    volume = np.asarray(volume)
    if volume.ndim != 3:
        raise ValueError(f"A volume has three axes z, y, x; this one has shape {volume.shape}.")
    tilts = check_tilts(tilts_deg)
    depth, height, width = volume.shape
    series = np.zeros((len(tilts) * width, height), dtype=np.float32)
    for planes, matrix in _matrices(depth, width, tilts):
        columns = volume[planes].transpose(0, 2, 1).reshape(-1, height)
        series += matrix.T @ np.ascontiguousarray(columns, dtype=np.float32)
    series = series.reshape(len(tilts), width, height).transpose(0, 2, 1)
    return ndimage.spline_filter1d(series, axis=2, mode="constant", output=np.float32)


def back_project(series: NDArray, tilts_deg: ArrayLike, depth: int) -> NDArray[np.float32]:
    """Reconstruct a tomogram by weighted back-projection.

    Each projection is weighted by the ramp ``|kx|`` and by the angle between its neighbors, and
    smeared back along its beam. Within the tilt range, a reconstruction from
    projections at the spacing of Crowther's criterion has the amplitude of the specimen.

    Parameters
    ----------
    series : ndarray of shape (n_tilts, height, width)
        Projections, axes tilt, y, x'.
    tilts_deg : array-like of shape (n_tilts,)
        Tilts in degrees, in the order of the series; see :func:`project_tilts`.
    depth : int
        Voxels along z.

    Returns
    -------
    tomogram : ndarray of shape (depth, height, width) of float32
        Axes z, y, x.

    Raises
    ------
    ValueError
        If there are not as many tilts as projections, or a tilt is not within -90 and 90 degrees.

    References
    ----------
    Radermacher, "Weighted back-projection methods", in: Electron Tomography, 2nd ed.,
    Springer, 2006. The ramp with the right value at frequency 0: Kak & Slaney, Principles of
    Computerized Tomographic Imaging, 1988, section 3.3.3.
    """
    series = np.asarray(series)
    tilts = check_tilts(tilts_deg)
    if series.ndim != 3 or len(series) != len(tilts):
        raise ValueError(
            f"A tilt series has axes tilt, y, x; this one has shape {series.shape}, for "
            f"{len(tilts)} tilts."
        )
    _, height, width = series.shape
    weighted = _ramp(series) * angular_weights(tilts)[:, np.newaxis, np.newaxis]
    weighted = ndimage.spline_filter1d(weighted, axis=2, mode="constant", output=np.float32)
    rows = np.ascontiguousarray(weighted.transpose(0, 2, 1)).reshape(-1, height)
    tomogram = np.empty((depth, height, width), dtype=np.float32)
    for planes, matrix in _matrices(depth, width, tilts):
        slab = (matrix @ rows).reshape(-1, width, height)
        tomogram[planes] = slab.transpose(0, 2, 1)
    return tomogram


def angular_weights(tilts_deg: ArrayLike) -> NDArray[np.float64]:
    """Return the angle in radians that each tilt stands for.

    Half the way to either neighbor, and at the ends as much outwards as inwards; if the
    tilts go all the way round (180 degrees less one step), the ends are neighbors.

    Parameters
    ----------
    tilts_deg : array-like of shape (n_tilts,)
        Tilts in degrees, in any order; a tilt that is there twice shares its angle.

    Returns
    -------
    weights : ndarray of shape (n_tilts,)
        Angles in radians.
    """
    distinct, which, count = np.unique(tilts_deg, return_inverse=True, return_counts=True)
    if len(distinct) == 1:
        return np.full(len(which), np.pi / len(which))
    steps = np.diff(np.radians(distinct))
    around = np.pi - steps.sum()
    first, last = steps[0], steps[-1]
    if around < 1.5 * max(first, last):
        # +90 and -90 see the same: around is 0 then, and each stands for half.
        first = last = around
    weights = (np.append(first, steps) + np.append(steps, last)) / 2
    return (weights / count)[which]


def check_tilts(tilts_deg: ArrayLike) -> NDArray[np.float64]:
    """Return tilts as an array.

    Parameters
    ----------
    tilts_deg : array-like of shape (n_tilts,) or float
        Degrees.

    Returns
    -------
    tilts_deg : ndarray of shape (n_tilts,)
        The same.

    Raises
    ------
    ValueError
        If there is none, or one is not a number between -90 and 90.
    """
    tilts = np.atleast_1d(np.asarray(tilts_deg, dtype=float))
    if tilts.ndim != 1 or not len(tilts):
        raise ValueError(f"tilts_deg={tilts_deg!r} holds no tilts; give at least one angle.")
    wrong = tilts[~(np.abs(tilts) <= 90)]
    if len(wrong):
        raise ValueError(f"tilts_deg holds {wrong[:3].tolist()}; tilts are from -90 to 90 degrees.")
    return tilts


def _matrices(
    depth: int, width: int, tilts: NDArray[np.float64]
) -> Iterator[tuple[slice, sparse.csr_array]]:
    """Yield slabs of planes with the matrix from (tilt, x') to their (z, x)."""
    cosines, sines = np.cos(np.radians(tilts)), np.sin(np.radians(tilts))
    x = np.arange(width) - width // 2
    for start in range(0, depth, _SLAB):
        planes = slice(start, min(start + _SLAB, depth))
        z = np.arange(planes.start, planes.stop) - depth // 2
        position = np.add.outer(np.multiply.outer(z, sines)[:, np.newaxis], 0.0)
        position = position + np.multiply.outer(x, cosines) + width // 2
        yield planes, _spline_matrix(position.reshape(-1, len(tilts)), width)


def _spline_matrix(position: NDArray[np.float64], width: int) -> sparse.csr_array:
    """Return the cubic spline weights of the four pixels around a position on every detector."""
    n_rows, n_tilts = position.shape
    below = np.floor(position)
    t = (position - below).astype(np.float32)
    u = 1 - t
    weights = np.stack(
        [u**3 / 6, 2 / 3 - t**2 + t**3 / 2, 2 / 3 - u**2 + u**3 / 2, t**3 / 6], axis=-1
    )
    pixel = below.astype(np.int32)[..., np.newaxis] + np.arange(-1, 3, dtype=np.int32)
    weights[(pixel < 0) | (pixel >= width)] = 0
    first = width * np.arange(n_tilts, dtype=np.int32)[:, np.newaxis]
    columns = np.clip(pixel, 0, width - 1) + first
    ends = np.arange(n_rows + 1, dtype=np.int32) * (4 * n_tilts)
    return sparse.csr_array(
        (weights.ravel(), columns.ravel(), ends), shape=(n_rows, n_tilts * width)
    )


def _ramp(series: NDArray) -> NDArray[np.float32]:
    """Filter by the ramp along x', without wrapping around."""
    width = series.shape[2]
    padded = fft.next_fast_len(2 * width, real=True)
    distance = fft.fftfreq(padded, 1 / padded).round()
    kernel = np.zeros(padded)
    odd = distance % 2 == 1
    kernel[odd] = -1 / (np.pi * distance[odd]) ** 2
    kernel[0] = 0.25
    gain = fft.rfft(kernel).real.astype(np.float32)
    spectrum = fft.rfft(series.astype(np.float32, copy=False), padded, axis=2)
    return fft.irfft(spectrum * gain, padded, axis=2)[:, :, :width]
