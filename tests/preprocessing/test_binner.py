import numpy as np
import pytest

from sksubtomo.fourier import fourier_crop
from sksubtomo.preprocessing import FourierBinner


def test_is_the_function():
    X = np.random.default_rng(0).normal(size=(2, 8, 8, 8)).astype(np.float32)
    assert np.array_equal(FourierBinner(5).fit_transform(X), fourier_crop(X, (5, 5, 5)))


def test_larger_box_is_refused():
    with pytest.raises(ValueError, match="box_size=16 of FourierBinner is larger"):
        FourierBinner(16).fit(np.zeros((1, 8, 8, 8)))
