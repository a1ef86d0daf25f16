from fractions import Fraction

import numpy as np
import pytest

from sksubtomo._utils._numbers import check_integer, is_integer, is_number


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.int64(3)])
def test_integers(value):
    assert is_integer(value)
    assert is_number(value)
    assert type(check_integer("n", value, at_least=3)) is int
    with pytest.raises(ValueError, match="must be at least 4"):
        check_integer("n", value, at_least=4)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(3), Fraction(1, 2)])
def test_numbers(value):
    assert is_number(value)
    assert not is_integer(value)


@pytest.mark.parametrize("value", [True, np.True_, "3", None, [3], np.array(3), 3j])
def test_others(value):
    assert not is_number(value)
    with pytest.raises(ValueError, match="must be an integer"):
        check_integer("n", value, at_least=0)
