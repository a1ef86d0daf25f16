import numpy as np
import pytest

from sksubtomo.preprocessing import GaussianLowPass


def test_halves_a_wave_of_the_resolution():
    # Four voxels of 10 A a period: a resolution of 40 A.
    wave = np.cos(2 * np.pi * np.arange(16) / 4)
    X = np.broadcast_to(wave, (1, 16, 16, 16))
    np.testing.assert_allclose(GaussianLowPass(40.0, 10.0).fit_transform(X), X / 2, atol=1e-6)


def test_resolution_beyond_nyquist_is_refused():
    GaussianLowPass(20.0, 10.0).fit(np.zeros((1, 8, 8, 8)))
    with pytest.raises(ValueError, match="resolution_angstrom=19 is finer than 20 A"):
        GaussianLowPass(19.0, 10.0).fit(np.zeros((1, 8, 8, 8)))


def test_voxel_size_is_not_guessed():
    with pytest.raises(ValueError, match=r"resolution_angstrom=30\) needs voxel_size_angstrom"):
        GaussianLowPass(30.0).fit(np.zeros((1, 8, 8, 8)))
    with pytest.raises(ValueError, match="'voxel_size_angstrom' parameter"):
        GaussianLowPass(30.0, 0.0).fit(np.zeros((1, 8, 8, 8)))


def test_no_resolution_changes_nothing():
    X = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    assert np.array_equal(GaussianLowPass().fit_transform(X), X)
