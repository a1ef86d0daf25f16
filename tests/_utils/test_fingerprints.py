import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sksubtomo._utils._fingerprints import (
    array_fingerprint,
    differences,
    fingerprint,
    state_fingerprint,
)
from sksubtomo._utils._lazy import LazyVolumes
from sksubtomo.networks import Liu2019


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (0.1, 0.2),
        (None, "none"),
        (True, 1),
        ((1, 2), (2, 1)),
        ({"a": 1}, {"a": 2}),
        (np.arange(3), np.arange(3.0)),
        (np.arange(6), np.arange(6).reshape(2, 3)),
        (np.array(["a", "b"]), np.array(["a", "c"])),
        (np.array(["a", None], object), np.array(["b", None], object)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (Liu2019(n_filters=2), Liu2019(n_filters=3)),
        (LogisticRegression(), LogisticRegression(C=2)),
        (np.sum, np.mean),
    ],
)
def test_another_value_has_another_fingerprint(one, other):
    assert repr(fingerprint(one)) == repr(fingerprint(one))
    assert repr(fingerprint(one)) != repr(fingerprint(other))


def test_numbers_of_numpy_are_numbers():
    assert fingerprint(np.float64(0.5)) == 0.5
    assert fingerprint(np.int64(3)) == 3
    assert type(fingerprint(np.float64(0.5))) is float


class Stack(LazyVolumes):
    def __init__(self, volumes):
        self.volumes, self._edges, self._steps = volumes, volumes.shape[1:], ()
        self.most = 0

    def __len__(self):
        return len(self.volumes)

    def __getitem__(self, rows):
        return Stack(self.volumes[rows])

    def __array__(self, dtype=None, copy=None):
        assert len(self) <= 64
        return self.volumes


def test_a_lazy_stack_is_what_it_reads():
    volumes = np.random.default_rng(0).normal(size=(150, 2, 3, 4)).astype(np.float32)
    assert array_fingerprint(Stack(volumes)) == array_fingerprint(volumes)
    changed = volumes.copy()
    changed[149, 1, 2, 3] += 1
    assert array_fingerprint(Stack(changed)) != array_fingerprint(volumes)


def test_the_order_in_memory_does_not_matter():
    array = np.arange(24.0).reshape(2, 3, 4)
    assert array_fingerprint(np.asfortranarray(array)) == array_fingerprint(array)


def test_differences_are_named():
    before = {"a": 1, "b": [1, 2], "c": float("nan"), "gone": 1}
    now = {"a": 2, "b": [1, 2], "c": float("nan"), "new": 1}
    assert differences(before, now) == [
        "a was 1 and is 2",
        "new was not there and is 1",
        "gone was 1 and is not there",
    ]
    assert differences(before, before) == []


def test_state():
    state = {"a": [np.arange(3), {"b": 1.0}], "c": None}
    assert state_fingerprint(state) == state_fingerprint(dict(reversed(state.items())))
    other = {"a": [np.arange(3), {"b": 1.0}], "c": 0}
    assert state_fingerprint(state) != state_fingerprint(other)


def scaled(factor):
    return lambda x: x * factor


def test_functions_that_do_something_else_differ():
    assert fingerprint(scaled(2)) == fingerprint(scaled(2))
    others = [scaled(2), scaled(3), lambda x: x + 1, lambda x: x + 2, lambda x, y=1: x + 1]
    others += [functools.partial(scaled, 2), functools.partial(scaled, 3), np.mean, np.median]
    others += [lambda x: (lambda z: z + 1)(x), lambda x: (lambda z: z + 2)(x)]
    found = [repr(fingerprint(one)) for one in others]
    assert len(set(found)) == len(found)
