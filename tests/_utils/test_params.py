from numbers import Integral, Real

import numpy as np
import pytest

from sksubtomo._utils._params import NumberInterval, merge_mapping, to_plain

DEFAULTS = {"n": 3, "betas": (0.9, 0.99)}
CONSTRAINTS = {"n": [NumberInterval(Integral, 1, None, closed="left")], "betas": [tuple, list]}


def merged(given):
    return merge_mapping("Owner", "params", given, DEFAULTS, CONSTRAINTS)


def test_numbers_of_numpy_become_those_of_python():
    params = merged({"n": np.int64(5), "betas": (np.float32(0.5), 0.75)})
    assert params == {"n": 5, "betas": (0.5, 0.75)}
    assert type(params["n"]) is int
    assert [type(beta) for beta in params["betas"]] == [float, float]
    assert type(to_plain([np.bool_(True)])[0]) is bool
    assert type(to_plain({"a": np.longdouble(0.5)})["a"]) is float


def test_given_mapping_is_not_changed():
    given = {"n": np.int64(5)}
    merged(given)
    assert type(given["n"]) is np.int64


@pytest.mark.parametrize("bad", [True, np.bool_(True), 2.0, np.float64(2.0), "2", 0])
def test_integers_are_meant(bad):
    with pytest.raises(ValueError, match="'n' parameter of Owner.params must be an int"):
        merged({"n": bad})


def test_unknown_keys_of_any_type():
    with pytest.raises(ValueError, match=r"unknown keys \[1, 'm'\]; there are \['betas', 'n'\]"):
        merged({"m": 0, 1: 0})
    with pytest.raises(ValueError, match="unknown keys") as error:
        merged({f"key{i}": 0 for i in range(10_000)})
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_integers(value):
    assert NumberInterval(Integral, 3, None, closed="left").is_satisfied_by(value)
    assert NumberInterval(Real, 0, None, closed="neither").is_satisfied_by(value)


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), 3.0, np.float32(3), "3", None, np.array(3)]
)
def test_no_integers(value):
    assert not NumberInterval(Integral, 1, None, closed="left").is_satisfied_by(value)
