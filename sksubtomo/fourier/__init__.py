"""Fourier transforms of volumes, as pure functions of arrays."""

from sksubtomo.fourier._ctf import contrast_transfer, electron_wavelength_angstrom
from sksubtomo.fourier._filters import (
    apply_fourier_filter,
    fourier_crop,
    gaussian_low_pass,
    squared_frequencies,
)
from sksubtomo.fourier._imaging import Imaging
from sksubtomo.fourier._shell_correlation import (
    ShellCorrelation,
    fourier_shell_correlation,
    fsc_resolution,
)
from sksubtomo.fourier._tilt_series import tilt_series_weights
from sksubtomo.fourier._wedge import check_tilt_axes, check_tilt_range, missing_wedge_mask

__all__ = [
    "Imaging",
    "ShellCorrelation",
    "apply_fourier_filter",
    "check_tilt_axes",
    "check_tilt_range",
    "contrast_transfer",
    "electron_wavelength_angstrom",
    "fourier_crop",
    "fourier_shell_correlation",
    "fsc_resolution",
    "gaussian_low_pass",
    "missing_wedge_mask",
    "squared_frequencies",
    "tilt_series_weights",
]
