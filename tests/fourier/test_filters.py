import numpy as np
import pytest
from scipy import fft

from sksubtomo.fourier import (
    apply_fourier_filter,
    fourier_crop,
    gaussian_low_pass,
    squared_frequencies,
)

RNG = np.random.default_rng(0)


def plane_wave(shape, cycles):
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    phase = sum(c * g / n for c, g, n in zip(cycles, grids, shape, strict=True))
    return np.cos(2 * np.pi * phase)


@pytest.mark.parametrize(("cycles", "frequency"), [((4, 0, 0), 0.25), ((0, 3, 4), 0.3125)])
def test_gain_at_the_cutoff_is_one_half(cycles, frequency):
    wave = plane_wave((16, 16, 16), cycles)
    np.testing.assert_allclose(gaussian_low_pass(wave, frequency), wave / 2, atol=1e-6)


def test_gain_at_zero_is_one():
    volumes = RNG.normal(size=(3, 6, 7, 8))
    np.testing.assert_allclose(
        gaussian_low_pass(volumes, 0.1).mean(axis=(1, 2, 3)), volumes.mean(axis=(1, 2, 3))
    )


def test_noise_power_is_the_mean_squared_gain():
    # Parseval: white noise keeps the mean of the squared transfer function.
    noise = RNG.normal(size=(20, 16, 16, 16))
    full = [fft.fftfreq(16)] * 3
    squared = sum(axis**2 for axis in np.meshgrid(*full, indexing="ij"))
    expected = (np.exp2(-squared / 0.2**2) ** 2).mean()
    assert gaussian_low_pass(noise, 0.2).var() == pytest.approx(expected, rel=0.05)


def test_cutoff_must_be_positive():
    with pytest.raises(ValueError, match="cutoff=0 must be positive"):
        gaussian_low_pass(np.zeros((4, 4, 4)), 0)


@pytest.mark.parametrize("shape", [(4, 5, 6), (3, 4, 7)])
def test_filter_equals_the_complex_transform(shape):
    volume = RNG.normal(size=shape)
    gain = np.exp2(-squared_frequencies(shape) / 0.2**2)
    full = sum(a**2 for a in np.meshgrid(*(fft.fftfreq(n) for n in shape), indexing="ij"))
    expected = fft.ifftn(fft.fftn(volume) * np.exp2(-full / 0.2**2))
    np.testing.assert_allclose(expected.imag, 0, atol=1e-12)
    np.testing.assert_allclose(apply_fourier_filter(volume, gain), expected.real, atol=1e-12)


def test_single_precision_is_kept():
    volumes = RNG.normal(size=(2, 8, 8, 8)).astype(np.float32)
    assert gaussian_low_pass(volumes, 0.2).dtype == np.float32
    assert fourier_crop(volumes, (4, 4, 4)).dtype == np.float32


def test_transfer_of_another_shape():
    with pytest.raises(ValueError, match=r"need \(8, 8, 5\)"):
        apply_fourier_filter(np.zeros((8, 8, 8)), np.ones((8, 8, 8)))


@pytest.mark.parametrize("old", [12, 13])
@pytest.mark.parametrize("new", [5, 6, 8, 9])
def test_crop_keeps_band_limited_values_about_the_center(old, new):
    # A wave below both Nyquist frequencies, written about the center voxel.
    def wave(n):
        axis = 2 * np.pi * 2 * (np.arange(n) - n // 2) / n
        return 1.5 + np.cos(axis + 0.3)[:, None, None] * np.cos(axis)[None, :, None] + np.sin(axis)

    np.testing.assert_allclose(fourier_crop(wave(old), (new,) * 3), wave(new), atol=1e-12)


@pytest.mark.parametrize(("old", "new"), [(16, 8), (16, 7), (15, 8), (15, 7)])
def test_centered_blob_stays_centered(old, new):
    axis = (np.arange(old) - old // 2) ** 2
    blob = np.exp(-np.add.outer(np.add.outer(axis, axis), axis) / (2 * 2.0**2))
    cropped = fourier_crop(blob, (new,) * 3)
    assert np.unravel_index(cropped.argmax(), cropped.shape) == (new // 2,) * 3


def test_crop_removes_what_lies_beyond_the_new_nyquist():
    wave = plane_wave((16, 16, 16), (6, 0, 0))
    np.testing.assert_allclose(fourier_crop(wave, (8, 8, 8)), 0, atol=1e-12)


def test_crop_keeps_the_mean_and_the_identity():
    volumes = RNG.normal(size=(2, 8, 10, 12))
    cropped = fourier_crop(volumes, (4, 5, 6))
    np.testing.assert_allclose(cropped.mean(axis=(1, 2, 3)), volumes.mean(axis=(1, 2, 3)))
    assert np.array_equal(fourier_crop(volumes, (8, 10, 12)), volumes)


@pytest.mark.parametrize("box", [(9, 8, 8), (0, 8, 8)])
def test_bad_box(box):
    with pytest.raises(ValueError, match="every new edge must be positive and at most the old"):
        fourier_crop(np.zeros((8, 8, 8)), box)


def test_transfer_functions_broadcast():
    volumes = RNG.normal(size=(2, 3, 6, 5, 4))
    gains = RNG.uniform(size=(3, 1, 1, 1)) * np.ones((3, 6, 5, 3))
    expected = volumes * gains[:, :1, :1, :1]
    np.testing.assert_allclose(apply_fourier_filter(volumes, gains), expected, atol=1e-12)


@pytest.mark.parametrize(("new", "old"), [(7, 12), (9, 13), (5, 8)])
def test_crop_keeps_the_energy_in_the_band(new, old):
    # Parseval, with the energies of full complex transforms; odd edges have no Nyquist plane.
    volume = RNG.normal(size=(old,) * 3)
    kept = np.abs(fft.fftfreq(old, 1 / old)) <= new // 2
    spectrum = fft.fftn(volume)[np.ix_(kept, kept, kept)]
    expected = (np.abs(spectrum) ** 2).sum() / old**6
    assert (fourier_crop(volume, (new,) * 3) ** 2).mean() == pytest.approx(expected)


@pytest.mark.parametrize("old", [12, 13])
def test_crop_at_the_new_nyquist(old):
    phase = 2 * np.pi * 3 * (np.arange(old) - old // 2) / old
    flat = np.ones((old, old))
    alternating = (-1.0) ** np.arange(-3, 3)
    cosine = fourier_crop(np.multiply.outer(np.cos(phase), flat), (6, 6, 6))
    sine = fourier_crop(np.multiply.outer(np.sin(phase), flat), (6, 6, 6))
    np.testing.assert_allclose(cosine[:, 2, 3], alternating, atol=1e-12)
    np.testing.assert_allclose(sine, 0, atol=1e-12)


@pytest.mark.parametrize("box", [(6, 5, 4), (1, 1, 1), (7, 8, 2)])
def test_crop_of_a_constant(box):
    np.testing.assert_allclose(fourier_crop(np.full((8, 9, 10), 2.5), box), 2.5)
