import numpy as np
import pytest

from sksubtomo.training import hold_out


def split(codes, fraction, seed=0, **options):
    return hold_out(np.asarray(codes), fraction, np.random.RandomState(seed), **options)


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


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.6), (2, 0.8), (5, 0.99)])
def test_one_row_stays_in_training(n, fraction):
    train, held_out = split([-1] * n, fraction)
    assert (len(train), len(held_out)) == (1, n - 1)


@pytest.mark.parametrize(
    ("n", "fraction", "n_held_out"), [(14, 0.1, 0), (15, 0.1, 2), (3, 0.6, 0), (5, 0.9, 3)]
)
def test_both_parts_have_the_smallest_number_of_rows(n, fraction, n_held_out):
    train, held_out = split([-1] * n, fraction, smallest=2)
    assert sorted([*train, *held_out]) == list(range(n))
    assert len(held_out) == n_held_out


def test_depends_on_the_seed_only():
    codes = np.repeat([-1, 0, 1], 40)
    assert np.array_equal(split(codes, 0.2, 3)[1], split(codes, 0.2, 3)[1])
    assert not np.array_equal(split(codes, 0.2, 3)[1], split(codes, 0.2, 4)[1])
