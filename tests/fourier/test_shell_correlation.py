"""Fourier shell correlation: what is known in closed form."""

import numpy as np
import pytest
from scipy import fft

from sksubtomo.fourier import (
    apply_fourier_filter,
    fourier_shell_correlation,
    fsc_resolution,
    squared_frequencies,
)


def noise(seed, size=24):
    return np.random.default_rng(seed).normal(size=(size,) * 3)


@pytest.mark.parametrize("size", [15, 16])
def test_one_map_correlates_with_itself_whatever_its_scale(size):
    volume = noise(0, size)
    for other, expected in ((3 * volume, 1.0), (-volume, -1.0)):
        fsc = fourier_shell_correlation(volume, other)
        np.testing.assert_allclose(fsc.correlation, expected, rtol=1e-12)
    assert fsc.frequency.tolist() == [k / size for k in range(size // 2 + 1)]


@pytest.mark.parametrize("snr", [0.3, 3.0])
def test_of_noisy_copies_it_is_the_share_of_the_signal(snr):
    """SNR / (SNR + 1) in every shell; of n coefficients, give or take n ** -1/2."""
    signal = np.sqrt(snr) * noise(0)
    fsc = fourier_shell_correlation(signal + noise(1), signal + noise(2))
    n_coefficients = 4 * np.pi * np.arange(5, 13) ** 2 / 2
    deviation = fsc.correlation[5:] - snr / (snr + 1)
    assert (np.abs(deviation) < 4 * n_coefficients**-0.5).all()


def test_a_filter_of_whole_shells_changes_nothing():
    a, b = noise(0), noise(0) + noise(1)
    gain = 1 / (1 + np.sqrt(squared_frequencies(a.shape)) * 24).round()
    filtered = [apply_fourier_filter(one[np.newaxis], gain)[0] for one in (a, b)]
    # Filters keep float32.
    found, plain = fourier_shell_correlation(*filtered), fourier_shell_correlation(a, b)
    np.testing.assert_allclose(found.correlation, plain.correlation, atol=1e-5)


def test_a_shift_turns_phases():
    """Of a plane wave along x, a quarter of its wavelength leaves nothing in common."""
    x = 2 * np.pi * 3 * np.arange(24) / 24
    waves = [np.broadcast_to(np.cos(x - phase), (24,) * 3) for phase in (0, np.pi / 3, np.pi / 2)]
    found = [fourier_shell_correlation(waves[0], wave).correlation for wave in waves]
    np.testing.assert_allclose([one[3] for one in found], [1.0, 0.5, 0.0], atol=1e-12)
    # Rounding errors of the other shells are no power.
    assert not np.delete(found[1], 3).any()


def test_the_second_half_of_shells_counts_each_pair_once_or_twice_alike():
    """A whole transform, so that planes of kx = 0 and Nyquist weigh as the others do."""
    a, b = noise(3, 8), noise(4, 8)
    k = fft.fftfreq(8, 1 / 8)
    radius = np.sqrt(sum(part**2 for part in np.meshgrid(k, k, k))).round()
    fa, fb = fft.fftn(a), fft.fftn(b)
    inside = radius == 4
    expected = (fa * fb.conj())[inside].sum().real / np.sqrt(
        (abs(fa[inside]) ** 2).sum() * (abs(fb[inside]) ** 2).sum()
    )
    np.testing.assert_allclose(fourier_shell_correlation(a, b).correlation[4], expected)


def test_a_mask_leaves_what_is_in_it():
    shared = noise(0)
    mask = np.zeros_like(shared)
    mask[6:18, 6:18, 6:18] = 1.0
    a, b = (np.where(mask > 0, shared, noise(seed)) for seed in (1, 2))
    assert fourier_shell_correlation(a, b).correlation[6:].max() < 0.5
    np.testing.assert_allclose(fourier_shell_correlation(a, b, mask=mask).correlation, 1.0)


@pytest.mark.parametrize(
    ("correlation", "expected"),
    [
        ([1, 0.9, 0.5, 0.1], 1 / (0.02 + 0.01 * (0.5 - 0.143) / 0.4)),
        ([1, 0.9, 0.9, 0.9], 1 / 0.03),  # limited by the voxels
        ([1, 0.1, 0.9, 0.9], np.inf),
        ([0, 0.9, 0.143, 0.0], 50.0),  # the mean does not count
        ([1, 0.9, 0.0, 0.9], 1 / (0.01 + 0.01 * (0.9 - 0.143) / 0.9)),  # the first crossing
        ([1, 0.9, np.nan, 0.9], np.nan),
    ],
)
def test_resolution_at_a_threshold(correlation, expected):
    found = fsc_resolution([0, 0.01, 0.02, 0.03], correlation)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_frequencies_have_units():
    fsc = fourier_shell_correlation(noise(0), noise(0), voxel_size_angstrom=10.0)
    assert fsc_resolution(*fsc) == pytest.approx(20.0)
    assert fsc_resolution(*fourier_shell_correlation(noise(0), noise(0))) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": np.ones((4, 4, 5))}, "a must be a cube"),
        ({"b": np.ones((4, 4))}, "b must be a cube"),
        ({"b": np.ones((5, 5, 5))}, "must have one shape"),
        ({"mask": np.ones((5, 5, 5))}, "must have one shape"),
        ({"a": np.full((4, 4, 4), np.nan)}, "a holds NaN"),
        ({"voxel_size_angstrom": 0.0}, "must be positive"),
    ],
)
def test_bad_maps_are_refused(arguments, message):
    whole = {"a": np.ones((4, 4, 4)), "b": np.ones((4, 4, 4)), **arguments}
    with pytest.raises(ValueError, match=message):
        fourier_shell_correlation(**whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], [1.0]), "two shells"),
        (([0.0, 0.1], [1.0]), "as long as one another"),
        (([0.0, 0.1], [1.0, 1.0], 1.5), "within 0 and 1"),
    ],
)
def test_bad_curves_are_refused(arguments, message):
    frequency, correlation, *threshold = arguments
    with pytest.raises(ValueError, match=message):
        fsc_resolution(frequency, correlation, threshold=threshold[0] if threshold else 0.143)
