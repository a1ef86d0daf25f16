"""From a specimen to its tilt series: projection, contrast transfer, detector and shot noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sksubtomo.fourier import contrast_transfer
from sksubtomo.geometry import check_tilts, project_tilts

# Contrast transfer is computed at so many defocus values across a tilted specimen.
_DEFOCUS_STEPS = 5


@dataclass(frozen=True)
class Microscope:
    """Optics and detector.

    Parameters
    ----------
    voltage_kv : float, default=300
        Acceleration voltage.
    spherical_aberration_mm : float, default=2.7
        Spherical aberration.
    amplitude_contrast : float, default=0.07
        Share of amplitude contrast.
    b_factor_angstrom2 : float, default=0
        B of the envelope ``exp(-B k**2 / 4)``.
    mtf_at_nyquist : float, default=1
        Gain of the detector at Nyquist; its modulation transfer function is a Gaussian in
        frequency. It acts on the signal only: of an electron-counting detector, the noise
        is white. 1 is a perfect detector.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    voltage_kv: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.07
    b_factor_angstrom2: float = 0.0
    mtf_at_nyquist: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.mtf_at_nyquist <= 1:
            raise ValueError(f"mtf_at_nyquist={self.mtf_at_nyquist!r} must be above 0, at most 1.")
        self.transfer(np.zeros(1), 1.0)

    def transfer(self, squared_frequency: NDArray, defocus_um: float) -> NDArray[np.float64]:
        """Return contrast transfer and envelope, see :func:`~sksubtomo.fourier.contrast_transfer`.

        Parameters
        ----------
        squared_frequency : ndarray
            Squared spatial frequency in 1 / angstrom**2.
        defocus_um : float
            Underfocus in micrometer.

        Returns
        -------
        transfer : ndarray
            Gain, of the shape of the frequencies.
        """
        return contrast_transfer(
            squared_frequency,
            defocus_um=defocus_um,
            voltage_kv=self.voltage_kv,
            spherical_aberration_mm=self.spherical_aberration_mm,
            amplitude_contrast=self.amplitude_contrast,
            b_factor_angstrom2=self.b_factor_angstrom2,
        )

    def detector_gain(self, squared_cycles_per_pixel: NDArray) -> NDArray[np.float64]:
        """Return the modulation transfer function of the detector.

        Parameters
        ----------
        squared_cycles_per_pixel : ndarray
            Squared frequency in cycles per pixel.

        Returns
        -------
        gain : ndarray
            1 at frequency 0, `mtf_at_nyquist` at 0.5 cycles per pixel.
        """
        return self.mtf_at_nyquist ** (4 * np.asarray(squared_cycles_per_pixel))


@dataclass(frozen=True)
class TiltScheme:
    """A single-axis tilt series: angles, defocus, dose and alignment.

    Parameters
    ----------
    tilts_deg : sequence of float, default=(-60, -57, ..., 60)
        Tilts about +y in degrees, in the order of recording.
    defocus_um : float, default=4
        Underfocus at the tilt axis.
    dose_per_tilt : float or sequence of float, default=1
        Share of the dose of every tilt, in any unit: the variance of the noise, relative to the
        signal, goes with its inverse.
    defocus_gradient : bool, default=False
        Whether the defocus changes across the tilted specimen, by ``x' tan(t)`` at the distance
        x' from the tilt axis: the source of the beam is at +z, and what comes nearer to it is less
        underfocused. Depth within the specimen does not count.
    jitter_voxels : float, default=0
        Standard deviation of the errors of alignment along x' and y.

    Raises
    ------
    ValueError
        If there are no tilts, or a parameter is out of range.
    """

    tilts_deg: Sequence[float] = field(default_factory=lambda: tuple(np.arange(-60.0, 61.0, 3.0)))
    defocus_um: float = 4.0
    dose_per_tilt: float | Sequence[float] = 1.0
    defocus_gradient: bool = False
    jitter_voxels: float = 0.0

    def __post_init__(self) -> None:
        tilts, dose = check_tilts(self.tilts_deg), np.asarray(self.dose_per_tilt, dtype=float)
        if not np.isfinite(self.defocus_um):
            raise ValueError(f"defocus_um={self.defocus_um!r} must be a finite number.")
        if dose.ndim and dose.shape != tilts.shape:
            raise ValueError(f"dose_per_tilt has {dose.size} values for {tilts.size} tilts.")
        if not (np.isfinite(dose) & (dose > 0)).all():
            raise ValueError(f"dose_per_tilt={self.dose_per_tilt!r} must be positive.")
        if not self.jitter_voxels >= 0:
            raise ValueError(f"jitter_voxels={self.jitter_voxels!r} must not be negative.")
        if self.defocus_gradient and (np.abs(tilts) == 90).any():
            raise ValueError("At a tilt of 90 degrees, the defocus gradient is infinite.")

    @property
    def tilt_range_deg(self) -> tuple[float, float]:
        """Lowest and highest tilt."""
        return float(min(self.tilts_deg)), float(max(self.tilts_deg))

    def doses(self) -> NDArray[np.float64]:
        """Return the dose of every tilt.

        Returns
        -------
        doses : ndarray of shape (n_tilts,)
            Relative, of mean 1.
        """
        dose = np.broadcast_to(np.asarray(self.dose_per_tilt, dtype=float), len(self.tilts_deg))
        return dose / dose.mean()


def image_tilts(
    specimen: NDArray,
    *,
    voxel_size_angstrom: float,
    microscope: Microscope | None = None,
    scheme: TiltScheme | None = None,
    random_state: np.random.Generator | int | None = None,
) -> NDArray[np.float32]:
    """Image a specimen along a tilt series, without noise.

    Projects, applies contrast transfer, envelope and the detector's transfer, and
    displaces by the errors of alignment.

    Parameters
    ----------
    specimen : ndarray of shape (depth, height, width)
        Potential, positive where dense, axes z, y, x.
    voxel_size_angstrom : float
        Edge of a voxel, and of a pixel.
    microscope : Microscope, optional
        Optics and detector.
    scheme : TiltScheme, optional
        Tilts.
    random_state : numpy.random.Generator, int or None, default=None
        Determines the errors of alignment.

    Returns
    -------
    series : ndarray of shape (n_tilts, height, width) of float32
        Images, axes tilt, y, x'; dense matter is dark in underfocus, as recorded.

    Raises
    ------
    ValueError
        If the voxel size is not positive, or the specimen is not a volume.
    """
    microscope, scheme = microscope or Microscope(), scheme or TiltScheme()
    if not voxel_size_angstrom > 0:
        raise ValueError(f"voxel_size_angstrom={voxel_size_angstrom!r} must be positive.")
    series = project_tilts(specimen, scheme.tilts_deg)
    rng = np.random.default_rng(random_state)
    offsets = rng.normal(0.0, scheme.jitter_voxels, (len(series), 2))
    height, width = series.shape[1:]
    ky, kx = fft.fftfreq(height)[:, np.newaxis], fft.rfftfreq(width)
    cycles2 = ky**2 + kx**2
    for image, tilt, (dy, dx) in zip(series, scheme.tilts_deg, offsets, strict=True):
        spectrum = fft.rfft2(image) * microscope.detector_gain(cycles2)
        spectrum *= np.exp(-2j * np.pi * (ky * dy + kx * dx))
        defocus, weights = _defocus_across(scheme, tilt, width, voxel_size_angstrom)
        parts = [
            fft.irfft2(
                spectrum * microscope.transfer(cycles2 / voxel_size_angstrom**2, value),
                s=image.shape,
            )
            for value in defocus
        ]
        image[:] = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    return series


def shot_noise(
    shape: tuple[int, int, int], scheme: TiltScheme, random_state: np.random.Generator
) -> NDArray[np.float32]:
    """Return white noise whose variance goes with the inverse of each tilt's dose.

    Parameters
    ----------
    shape : (int, int, int)
        Tilts, height, width.
    scheme : TiltScheme
        Doses.
    random_state : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    noise : ndarray of the given shape of float32
        Of variance 1 at the mean dose.
    """
    noise = random_state.standard_normal(shape, dtype=np.float32)
    noise /= np.sqrt(scheme.doses()).astype(np.float32)[:, np.newaxis, np.newaxis]
    return noise


def _defocus_across(
    scheme: TiltScheme, tilt_deg: float, width: int, voxel_size_angstrom: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return defocus values and how much each counts in every column, linearly between."""
    if not scheme.defocus_gradient or tilt_deg == 0:
        return np.array([scheme.defocus_um]), np.ones((1, width))
    slope = np.tan(np.radians(tilt_deg)) * voxel_size_angstrom * 1e-4
    columns = scheme.defocus_um + slope * (np.arange(width) - width // 2)
    values = np.linspace(columns.min(), columns.max(), _DEFOCUS_STEPS)
    step = values[1] - values[0]
    weights = np.clip(1 - np.abs(columns - values[:, np.newaxis]) / step, 0, None)
    return values, weights
