import numpy as np
import pytest

from sksubtomo._utils._volumes import check_volume_shape


@pytest.mark.parametrize(
    ("given", "expected"),
    [(8, (8, 8, 8)), ((1, 2, 3), (1, 2, 3)), (np.array([4, 5, 6]), (4, 5, 6))],
)
def test_shapes(given, expected):
    assert check_volume_shape(given) == expected


@pytest.mark.parametrize("given", [0, (1, 2), (1, 2, -3), (1, 2, 2.5), "abc", (1, 2, "x"), None])
def test_bad_shapes(given):
    with pytest.raises(ValueError, match="volume_shape=.* must be a positive integer"):
        check_volume_shape(given)
