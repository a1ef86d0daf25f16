"""Noise at a stated signal-to-noise ratio, and gains of whole boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sksubtomo.fourier import missing_wedge_mask, squared_frequencies
from sksubtomo.simulate._microscope import Microscope


def estimate_snr(first: NDArray, second: NDArray) -> float:
    """Estimate the signal-to-noise ratio from two images of one object.

    The signal-to-noise ratio of this package is the variance of the signal over the variance
    of the noise, over the voxels of a box. With independent noise, the correlation
    r of the two images gives it as ``r / (1 - r)``.

    Parameters
    ----------
    first, second : ndarray of one shape
        Images or volumes of one object with independent noise.

    Returns
    -------
    snr : float
        Of either image, if they are alike.

    References
    ----------
    Frank & Al-Ali, "Signal-to-noise ratio of electron micrographs obtained by cross
    correlation", Nature 256, 1975.
    """
    correlation = float(np.corrcoef(np.ravel(first), np.ravel(second))[0, 1])
    return correlation / (1 - correlation)


def volume_transfer(
    box_size: int,
    *,
    voxel_size_angstrom: float,
    microscope: Microscope,
    defocus_um: float,
    tilt_range_deg: float | tuple[float, float] = 60.0,
) -> NDArray[np.float32]:
    """Return contrast transfer, detector and missing wedge as one gain for a box.

    What a tilt series without gaps makes of a small box: the transfer of the
    projections at every frequency within the tilt range, nothing beyond.

    Parameters
    ----------
    box_size : int
        Edge of the box in voxels.
    voxel_size_angstrom : float
        Edge of a voxel.
    microscope : Microscope
        Optics and detector.
    defocus_um : float
        Underfocus.
    tilt_range_deg : float or (float, float), default=60
        See :func:`sksubtomo.fourier.missing_wedge_mask`.

    Returns
    -------
    gain : ndarray of shape (box_size, box_size, box_size // 2 + 1) of float32
        In the layout of ``scipy.fft.rfftn``.
    """
    shape = (box_size,) * 3
    cycles2 = squared_frequencies(shape)
    gain = microscope.transfer(cycles2 / voxel_size_angstrom**2, defocus_um)
    gain *= microscope.detector_gain(cycles2)
    return (gain * missing_wedge_mask(shape, tilt_range_deg)).astype(np.float32)
