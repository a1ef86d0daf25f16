"""The contrast transfer function of the electron microscope."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def electron_wavelength_angstrom(voltage_kv: float) -> float:
    """Return the relativistic wavelength of electrons.

    Parameters
    ----------
    voltage_kv : float
        Acceleration voltage in kilovolt.

    Returns
    -------
    wavelength : float
        In angstrom; 0.0197 at 300 kV.

    Raises
    ------
    ValueError
        If the voltage is not positive.

    References
    ----------
    Reimer & Kohl, Transmission Electron Microscopy, 5th ed., Springer, 2008, equation 2.5; with
    the constants of CODATA 2018.
    """
    if not voltage_kv > 0:
        raise ValueError(f"voltage_kv={voltage_kv!r} must be positive.")
    # Rest energy of the electron in eV; h c in eV angstrom.
    rest, hc = 510_998.95, 12_398.419_84
    energy = voltage_kv * 1e3
    return hc / float(np.sqrt(energy * (energy + 2 * rest)))


def contrast_transfer(
    squared_frequency: ArrayLike,
    *,
    defocus_um: ArrayLike,
    voltage_kv: float = 300.0,
    spherical_aberration_mm: float = 2.7,
    amplitude_contrast: float = 0.07,
    b_factor_angstrom2: float = 0.0,
) -> NDArray[np.float64]:
    """Return the contrast transfer function.

    ``-sin(chi + arcsin(A)) exp(-B k**2 / 4)`` with the phase shift
    ``chi = pi lambda dz k**2 - pi/2 Cs lambda**3 k**4``.

    Signs: underfocus is a positive defocus. The function is negative at low frequencies, so
    that dense matter looks dark, as in micrographs as they are recorded.

    Parameters
    ----------
    squared_frequency : array-like
        Squared spatial frequency k**2 in 1 / angstrom**2, of any shape.
    defocus_um : array-like
        Underfocus dz in micrometer; broadcasts against `squared_frequency`.
    voltage_kv : float, default=300
        Acceleration voltage in kilovolt.
    spherical_aberration_mm : float, default=2.7
        Spherical aberration Cs in millimeter.
    amplitude_contrast : float, default=0.07
        Share A of amplitude contrast, from 0 to 1.
    b_factor_angstrom2 : float, default=0
        B of the Gaussian envelope in square angstrom.

    Returns
    -------
    transfer : ndarray
        Gain from -1 to 1, of the broadcast shape.

    Raises
    ------
    ValueError
        If the amplitude contrast is not within 0 and 1, B is negative, or the voltage is not
        positive.

    References
    ----------
    Mindell & Grigorieff, "Accurate determination of local defocus and specimen tilt in electron
    microscopy", Journal of Structural Biology 142, 2003.

    Examples
    --------
    >>> from sksubtomo.fourier import contrast_transfer
    >>> float(contrast_transfer(0.0, defocus_um=3.0).round(3))
    -0.07
    """
    if not 0 <= amplitude_contrast <= 1:
        raise ValueError(f"amplitude_contrast={amplitude_contrast!r} must be within 0 and 1.")
    if not b_factor_angstrom2 >= 0:
        raise ValueError(f"b_factor_angstrom2={b_factor_angstrom2!r} must not be negative.")
    k2 = np.asarray(squared_frequency, dtype=float)
    wavelength = electron_wavelength_angstrom(voltage_kv)
    defocus = 1e4 * np.asarray(defocus_um, dtype=float)
    aberration = 1e7 * spherical_aberration_mm
    phase = np.pi * wavelength * k2 * (defocus - aberration * wavelength**2 * k2 / 2)
    envelope = np.exp(-b_factor_angstrom2 * k2 / 4)
    return -np.sin(phase + np.arcsin(amplitude_contrast)) * envelope
