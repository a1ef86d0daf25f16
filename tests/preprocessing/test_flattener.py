import numpy as np
import pytest

from sksubtomo.preprocessing import VolumeFlattener


def test_round_trip_and_names():
    X = np.random.default_rng(0).normal(size=(4, 2, 3, 5)).astype(np.float32)
    flattener = VolumeFlattener().fit(X)
    rows = flattener.transform(X)
    assert np.array_equal(flattener.inverse_transform(rows), X)
    names = flattener.get_feature_names_out()
    assert rows[2, list(names).index("voxel_1_0_4")] == X[2, 1, 0, 4]


def test_inverse_checks_the_columns():
    flattener = VolumeFlattener().fit(np.zeros((2, 3, 3, 3)))
    with pytest.raises(ValueError, match=r"26 columns, but volumes of shape \(3, 3, 3\) have 27"):
        flattener.inverse_transform(np.zeros((2, 26)))
