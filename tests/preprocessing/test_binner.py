import numpy as np
import pytest

from sksubtomo.fourier import fourier_crop
from sksubtomo.preprocessing import FourierBinner, GaussianLowPass


def test_is_the_function():
    X = np.random.default_rng(0).normal(size=(2, 8, 8, 8)).astype(np.float32)
    assert np.array_equal(FourierBinner(5).fit_transform(X), fourier_crop(X, (5, 5, 5)))


def test_larger_box_is_refused():
    with pytest.raises(ValueError, match="box_size=16 of FourierBinner is larger"):
        FourierBinner(16).fit(np.zeros((1, 8, 8, 8)))


def test_voxel_size_grows_as_documented():
    # The same gain in angstrom before and after: binning commutes with the filter.
    X = np.random.default_rng(0).normal(size=(2, 12, 12, 12))
    first = FourierBinner(9).fit_transform(GaussianLowPass(60.0, 10.0).fit_transform(X))
    last = GaussianLowPass(60.0, 10.0 * 12 / 9).fit_transform(FourierBinner(9).fit_transform(X))
    np.testing.assert_allclose(first, last, atol=1e-5)
