import numpy as np
import pytest

from sksubtomo.labeling import radial_features


def test_turned_by_quarters_they_are_the_same():
    # Odd boxes turn about their central voxel.
    volume = np.random.default_rng(0).normal(size=(11, 11, 11))
    turned = [np.rot90(volume, k, axes) for k in (1, 2) for axes in ((0, 1), (0, 2), (1, 2))]
    features = radial_features(np.stack([volume, *turned]))
    # Sums in another order, in single precision.
    np.testing.assert_allclose(
        features[1:], np.broadcast_to(features[0], features[1:].shape), atol=1e-4
    )


def test_brightness_and_contrast_do_not_matter_but_the_sign_does():
    volume = np.random.default_rng(0).normal(size=(10, 10, 10))
    features = radial_features(np.stack([volume, 3 * volume + 7, -volume]))
    np.testing.assert_allclose(features[0], features[1], atol=1e-4)
    assert np.abs(features[0] - features[2]).max() > 0.1


def test_a_ball_has_its_profile():
    z, y, x = np.indices((12, 12, 12)) - 6
    ball = np.exp(-(z**2 + y**2 + x**2) / 8.0)
    profile = radial_features(ball[np.newaxis])[0][:7]
    assert (np.diff(profile[:6]) < 0).all()


def test_nan_and_constants():
    volumes = np.zeros((2, 8, 8, 8))
    volumes[1, 0, 0, 0] = np.nan
    features = radial_features(volumes)
    assert (features[0] == 0).all()
    assert np.isnan(features[1]).all()


@pytest.mark.parametrize("shape", [(8, 8, 8), (2, 3, 8, 8)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match="must have shape"):
        radial_features(np.zeros(shape))
