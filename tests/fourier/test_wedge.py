import numpy as np
import pytest
from scipy import fft

from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask


@pytest.mark.parametrize("tilt_range", [60, 43.0, (-31, 60), (-70, 40)])
@pytest.mark.parametrize("shape", [(64, 4, 64), (65, 3, 65)])
def test_measured_fraction_of_a_disc(tilt_range, shape):
    # Within a disc about the tilt axis, the measured share is the share of angles, analytically.
    mask = missing_wedge_mask(shape, tilt_range)[:, 0]
    kz, kx = np.meshgrid(fft.fftfreq(shape[0]), fft.rfftfreq(shape[2]), indexing="ij")
    radius = np.hypot(kz, kx)
    inside = (radius > 0.1) & (radius < 0.49) & (kx > 0)
    low, high = (-tilt_range, tilt_range) if np.isscalar(tilt_range) else tilt_range
    assert mask[inside].mean() == pytest.approx((high - low) / 180, abs=0.02)


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 9, 5), (6, 4, 10)])
@pytest.mark.parametrize("tilt_range", [60, (-20, 50), 90])
def test_filtering_twice_equals_once(shape, tilt_range):
    # True only if the mask suits the Hermitian symmetry of real volumes, Nyquist planes included.
    volume = np.random.default_rng(0).normal(size=shape)
    mask = missing_wedge_mask(shape, tilt_range)
    once = apply_fourier_filter(volume, mask)
    np.testing.assert_allclose(apply_fourier_filter(once, mask), once, atol=1e-12)


def test_beam_is_z_and_tilt_axis_is_y():
    positions = np.arange(16)
    wave = np.cos(2 * np.pi * 3 * positions / 16)
    mask = missing_wedge_mask((16, 16, 16), 60)
    along_z = np.broadcast_to(wave[:, None, None], (16, 16, 16))
    along_y = np.broadcast_to(wave[None, :, None], (16, 16, 16))
    along_x = np.broadcast_to(wave[None, None, :], (16, 16, 16))
    np.testing.assert_allclose(apply_fourier_filter(along_z, mask), 0, atol=1e-12)
    np.testing.assert_allclose(apply_fourier_filter(along_y, mask), along_y, atol=1e-12)
    np.testing.assert_allclose(apply_fourier_filter(along_x, mask), along_x, atol=1e-12)


def test_sign_of_asymmetric_ranges():
    # cos(kx x + kz z) with kz = kx is measured by a tilt of +45 degrees, not of -45.
    z, x = np.meshgrid(np.arange(16), np.arange(16), indexing="ij")
    wave = np.cos(2 * np.pi * 3 * (x + z) / 16)[:, np.newaxis].repeat(16, axis=1)
    kept = apply_fourier_filter(wave, missing_wedge_mask((16, 16, 16), (0, 60)))
    lost = apply_fourier_filter(wave, missing_wedge_mask((16, 16, 16), (-60, 0)))
    np.testing.assert_allclose(kept, wave, atol=1e-12)
    np.testing.assert_allclose(lost, 0, atol=1e-12)


def test_full_range_measures_everything():
    assert missing_wedge_mask((6, 5, 7), 90).all()


@pytest.mark.parametrize("tilt_range", [0, -5, 91, (30, 30), (60, -60), (1, 2, 3), float("nan")])
def test_bad_ranges(tilt_range):
    with pytest.raises(ValueError, match="tilt_range_deg"):
        missing_wedge_mask((4, 4, 4), tilt_range)
