import numpy as np
import pytest

from sksubtomo.training import hold_out


def split(codes, fraction, seed=0):
    return hold_out(np.asarray(codes), fraction, np.random.RandomState(seed))


def test_parts_are_a_partition_and_stratified():
    codes = np.repeat([-1, 0, 1, 2], [400, 50, 30, 20])
    train, held_out = split(codes, 0.1)
    assert sorted([*train, *held_out]) == list(range(500))
    counts = [int((codes[held_out] == code).sum()) for code in (-1, 0, 1, 2)]
    assert counts == [40, 5, 3, 2]


@pytest.mark.parametrize("seed", range(5))
def test_every_class_keeps_a_label_in_training(seed):
    codes = np.array([0, 1, 2, 2] + [-1] * 16)
    train, held_out = split(codes, 0.9, seed)
    assert set(codes[train]) >= {0, 1, 2}
    assert (codes[held_out] == 2).sum() == 1


def test_nothing_is_held_out_of_very_few_rows():
    train, held_out = split([0, 1, 0, 1], 0.1)
    assert len(held_out) == 0
    assert train.tolist() == [0, 1, 2, 3]
    assert len(split([-1] * 30, 0.0)[1]) == 0


def test_depends_on_the_seed_only():
    codes = np.repeat([-1, 0, 1], 40)
    assert np.array_equal(split(codes, 0.2, 3)[1], split(codes, 0.2, 3)[1])
    assert not np.array_equal(split(codes, 0.2, 3)[1], split(codes, 0.2, 4)[1])
