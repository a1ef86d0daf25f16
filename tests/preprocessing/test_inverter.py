import numpy as np

from sksubtomo.preprocessing import ContrastInverter


def test_inverts_and_back():
    X = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    inverter = ContrastInverter().fit(X)
    assert np.array_equal(inverter.transform(X), -X)
    assert np.array_equal(inverter.inverse_transform(inverter.transform(X)), X)
