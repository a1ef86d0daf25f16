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


@pytest.mark.parametrize("tilt_range", [(10, 50), (-50, -10)])
def test_every_tilt_measures_the_tilt_axis(tilt_range):
    mask = missing_wedge_mask((6, 5, 8), tilt_range)
    assert mask[0, :, 0].all()
    assert not mask[1:, :, 0].any()
    assert not mask[0, :, 1:].any()


def test_the_highest_tilt_is_measured():
    mask = missing_wedge_mask((9, 1, 9), 45)[:, 0]
    assert mask[[1, 2, -1, -2], [1, 2, 1, 2]].all()
    assert not mask[[2, -2], [1, 1]].any()


def test_nyquist_of_the_beam_has_no_sign():
    # kz = 1/2 and kz = -1/2 are one frequency, so mirrored tilt ranges measure it alike.
    one, other = (missing_wedge_mask((8, 1, 24), tilts) for tilts in [(-20, 60), (-60, 20)])
    assert np.array_equal(one[4], other[4])
    assert one[4].any()
    assert not np.array_equal(one, other)


def test_full_range_measures_everything():
    assert missing_wedge_mask((6, 5, 7), 90).all()


@pytest.mark.parametrize("tilt_range", [0, -5, 91, (30, 30), (60, -60), (1, 2, 3), float("nan")])
def test_bad_ranges(tilt_range):
    with pytest.raises(ValueError, match="tilt_range_deg"):
        missing_wedge_mask((4, 4, 4), tilt_range)


@pytest.mark.parametrize("tilt_range", [60, (-31, 60)])
def test_measured_fraction_of_a_ball(tilt_range):
    # A wedge through the center cuts a ball in the ratio of angles, whatever the tilt axis holds.
    shape = (41, 40, 39)
    mask = missing_wedge_mask(shape, tilt_range)
    kz, ky, kx = np.meshgrid(
        fft.fftfreq(shape[0]), fft.fftfreq(shape[1]), fft.rfftfreq(shape[2]), indexing="ij"
    )
    inside = kz**2 + ky**2 + kx**2 < 0.49**2
    # The half space stores kx > 0 for both signs, kx = 0 once.
    weights = np.where(kx[inside] > 0, 2, 1)
    low, high = (-tilt_range, tilt_range) if np.isscalar(tilt_range) else tilt_range
    measured = np.average(mask[inside], weights=weights)
    assert measured == pytest.approx((high - low) / 180, abs=0.01)


@pytest.mark.parametrize("tilt", [-40, 25])
def test_sign_is_that_of_a_turned_specimen(tilt):
    # A pattern that varies along the detector only, at this tilt, is what this tilt measures.
    angle = np.radians(tilt)
    z, x = np.meshgrid(np.arange(32) - 16.0, np.arange(32) - 16.0, indexing="ij")
    on_detector = x * np.cos(angle) + z * np.sin(angle)
    window = np.exp(-(x**2 + z**2) / (2 * 4.0**2))
    pattern = np.repeat((np.cos(1.5 * on_detector) * window)[:, np.newaxis], 4, axis=1)

    def measured_energy(center):
        mask = missing_wedge_mask(pattern.shape, (center - 15, center + 15))
        return (apply_fourier_filter(pattern, mask) ** 2).sum() / (pattern**2).sum()

    assert measured_energy(tilt) > 0.75
    assert measured_energy(-tilt) < 0.05


@pytest.mark.parametrize("tilt_range", [60, (-20, 50), (10, 50), (-90, 30)])
@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 9, 5), (6, 4, 10), (1, 1, 7)])
def test_hermitian_on_every_shared_plane(shape, tilt_range):
    # Written as a full spectrum, the mask must be the same at k and -k.
    mask = missing_wedge_mask(shape, tilt_range)
    mirrored = np.roll(mask[::-1, ::-1], 1, axis=(0, 1))
    planes = [0] if shape[2] % 2 else [0, -1]
    assert np.array_equal(mask[..., planes], mirrored[..., planes])


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 9, 9), (6, 5, 8), (7, 4, 9)])
@pytest.mark.parametrize("tilt_range", [60, (-20, 60), (0, 60), 90])
def test_axes_are_turned(shape, tilt_range):
    mask = missing_wedge_mask(shape, tilt_range)
    np.testing.assert_array_equal(missing_wedge_mask(shape, tilt_range, tilt_axis=0.0), mask)
    np.testing.assert_array_equal(
        missing_wedge_mask(shape, tilt_range, tilt_axis="x"),
        missing_wedge_mask(shape, tilt_range, tilt_axis=90.0),
    )


def test_mask_turns_with_the_specimen():
    # About the beam, y goes to x, and x to -y.
    noise = np.random.default_rng(0).normal(size=(9, 9, 9))
    kept = apply_fourier_filter(noise, missing_wedge_mask((9, 9, 9), (-20, 60)))
    turned = kept.transpose(0, 2, 1)[:, ::-1, :]
    again = apply_fourier_filter(turned, missing_wedge_mask((9, 9, 9), (-20, 60), tilt_axis="x"))
    np.testing.assert_allclose(again, turned, atol=1e-6)
    mirrored = missing_wedge_mask((9, 9, 9), (-60, 20), tilt_axis="x")
    assert np.abs(apply_fourier_filter(turned, mirrored) - turned).max() > 0.1


def test_beam_is_turned():
    mask = missing_wedge_mask((8, 8, 8), 50, tilt_axis="y", beam="x")
    full = np.zeros((8, 8, 8), bool)
    half = missing_wedge_mask((8, 8, 8), 50)
    full[:, :, :5], full[:, :, 5:] = half, half[-np.arange(8)][:, -np.arange(8)][:, :, 3:0:-1]
    np.testing.assert_array_equal(mask, full.transpose(2, 1, 0)[:, :, :5])
