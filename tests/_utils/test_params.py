from numbers import Integral, Real

import numpy as np
import pytest

from sksubtomo._utils._params import NumberInterval, to_plain


def test_numbers_of_numpy_become_those_of_python():
    params = to_plain({"n": np.int64(5), "betas": (np.float32(0.5), 0.75)})
    assert params == {"n": 5, "betas": (0.5, 0.75)}
    assert type(params["n"]) is int
    assert [type(beta) for beta in params["betas"]] == [float, float]
    assert type(to_plain([np.bool_(True)])[0]) is bool
    assert type(to_plain({"a": np.longdouble(0.5)})["a"]) is float


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_integers(value):
    assert NumberInterval(Integral, 3, None, closed="left").is_satisfied_by(value)
    assert NumberInterval(Real, 0, None, closed="neither").is_satisfied_by(value)


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), 3.0, np.float32(3), "3", None, np.array(3)]
)
def test_no_integers(value):
    assert not NumberInterval(Integral, 1, None, closed="left").is_satisfied_by(value)
