import numpy as np
import pytest

from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.preprocessing._normalizer import background_mask


def test_volume_statistics():
    X = np.random.default_rng(0).normal(1e4, 20.0, size=(3, 9, 9, 9))
    normalized = VolumeNormalizer().fit_transform(X)
    np.testing.assert_allclose(normalized.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(normalized.std(axis=(1, 2, 3)), 1, rtol=1e-3)


def test_background_ignores_the_particle():
    noise = np.random.default_rng(0).normal(5.0, 2.0, size=(1, 12, 12, 12))
    particle = noise.copy()
    particle[:, 4:9, 4:9, 4:9] += 100.0
    mask = background_mask((12, 12, 12))
    normalized = VolumeNormalizer("background").fit_transform(particle)[0]
    assert normalized[mask].mean() == pytest.approx(0, abs=1e-5)
    assert normalized[mask].std() == pytest.approx(1, rel=1e-5)
    same = VolumeNormalizer("background").fit_transform(noise)[0]
    np.testing.assert_allclose(normalized[mask], same[mask], rtol=1e-5)


@pytest.mark.parametrize("n", [24, 25])
def test_background_is_outside_the_inscribed_sphere(n):
    assert background_mask((n, n, n)).mean() == pytest.approx(1 - np.pi / 6, abs=0.03)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e7])
def test_equal_voxels_become_zero(value):
    X = np.full((2, 5, 5, 5), value)
    assert (VolumeNormalizer().fit_transform(X) == 0).all()


def test_lines_have_no_background():
    with pytest.raises(ValueError, match="no voxel outside the sphere"):
        VolumeNormalizer("background").fit(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="'region' parameter"):
        VolumeNormalizer("sphere").fit(np.zeros((2, 5)))


def test_small_spread_on_a_large_offset_is_kept():
    X = np.random.default_rng(0).normal(1e6, 1.0, size=(2, 9, 9, 9))
    np.testing.assert_allclose(
        VolumeNormalizer().fit_transform(X).std(axis=(1, 2, 3)), 1, rtol=1e-6
    )


def test_masked_volumes_have_no_noise_to_normalize_by():
    X = np.random.default_rng(0).normal(size=(3, 8, 8, 8))
    X[1, background_mask((8, 8, 8))] = 0.0
    with pytest.raises(ValueError, match="background of the volume with index 1 is constant"):
        VolumeNormalizer("background").fit_transform(X)
    assert VolumeNormalizer().fit_transform(X).std() == pytest.approx(1)
    assert (VolumeNormalizer("background").fit_transform(np.ones((1, 8, 8, 8))) == 0).all()


@pytest.mark.parametrize("region", ["volume", "background"])
def test_scale_and_offset_of_the_input_do_not_matter(region):
    X = np.random.default_rng(0).normal(size=(2, 8, 8, 8))
    normalizer = VolumeNormalizer(region).fit(X)
    once = normalizer.transform(X)
    np.testing.assert_allclose(normalizer.transform(5 * X - 3), once, atol=1e-5)
    np.testing.assert_allclose(normalizer.transform(once), once, atol=1e-6)
