import numpy as np
import pytest

from sksubtomo.model_selection import mask_labels

Y = np.repeat([0, 1, 2], [50, 30, 20])


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.33, 1.0])
def test_fraction_keeps_shares_exactly(fraction):
    masked = mask_labels(Y, labeled_fraction=fraction, random_state=0)
    kept = masked != -1
    assert kept.sum() == round(100 * fraction)
    assert np.array_equal(masked[kept], Y[kept])
    counts = np.bincount(masked[kept], minlength=3)
    assert (abs(counts - fraction * np.array([50, 30, 20])) <= 1).all()
    assert (counts >= 1).all()


def test_small_classes_keep_one():
    y = np.repeat([0, 1, 2], [1000, 3, 3])
    masked = mask_labels(y, labeled_fraction=0.01, random_state=0)
    assert np.bincount(masked[masked >= 0]).tolist() == [8, 1, 1]


def test_number_per_class():
    masked = mask_labels(Y, n_per_class=7, random_state=0)
    assert np.bincount(masked[masked >= 0]).tolist() == [7, 7, 7]


def test_without_stratification_classes_may_vanish():
    y = np.repeat([0, 1], [98, 2])
    kept = [
        set(mask_labels(y, labeled_fraction=0.05, stratify=False, random_state=seed)) - {-1}
        for seed in range(5)
    ]
    assert {0} in kept


def test_hidden_labels_stay_hidden_and_do_not_count():
    y = np.where(np.arange(100) % 2, Y, -1)
    masked = mask_labels(y, labeled_fraction=0.2, random_state=0)
    assert (masked >= 0).sum() == 10
    assert (masked[y == -1] == -1).all()


@pytest.mark.parametrize("dtype", ["<U1", object])
def test_strings_get_a_word(dtype):
    y = np.array(["a", "b"] * 5, dtype=dtype)
    masked = mask_labels(y, n_per_class=2, random_state=0)
    assert sorted(masked) == ["a", "a", "b", "b"] + ["unlabeled"] * 6


def test_depends_on_the_seed_only_and_copies():
    before = Y.copy()
    first = mask_labels(Y, labeled_fraction=0.1, random_state=3)
    assert np.array_equal(first, mask_labels(Y, labeled_fraction=0.1, random_state=3))
    assert not np.array_equal(first, mask_labels(Y, labeled_fraction=0.1, random_state=4))
    assert np.array_equal(Y, before)


@pytest.mark.parametrize(
    ("numpy", "python"),
    [
        ({"n_per_class": np.int64(3)}, {"n_per_class": 3}),
        ({"n_per_class": np.uint8(3)}, {"n_per_class": 3}),
        ({"labeled_fraction": np.float32(0.25)}, {"labeled_fraction": 0.25}),
        ({"labeled_fraction": np.float64(0.1)}, {"labeled_fraction": 0.1}),
        ({"labeled_fraction": np.int64(1)}, {"labeled_fraction": 1}),
        (
            {"labeled_fraction": 0.1, "stratify": np.False_},
            {"labeled_fraction": 0.1, "stratify": False},
        ),
    ],
)
def test_numbers_of_numpy(numpy, python):
    assert np.array_equal(
        mask_labels(Y, **numpy, random_state=np.int64(0)), mask_labels(Y, **python, random_state=0)
    )


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (Y, {}, "labeled_fraction or n_per_class, and not both"),
        (Y, {"labeled_fraction": 0.5, "n_per_class": 1}, "not both"),
        (Y, {"labeled_fraction": 0.0}, r"must be in \(0, 1\]"),
        (Y, {"labeled_fraction": 1.5}, r"must be in \(0, 1\]"),
        (Y, {"labeled_fraction": 0.02}, "keeps 2, fewer than one for each of 3 classes"),
        (Y, {"n_per_class": 0}, "n_per_class=0 must be at least 1"),
        (Y, {"n_per_class": True}, "n_per_class=True must be an integer"),
        (Y, {"n_per_class": 2.0}, "n_per_class=2.0 must be an integer"),
        (Y, {"n_per_class": "2"}, "n_per_class='2' must be an integer"),
        (Y, {"labeled_fraction": True}, r"labeled_fraction=True must be in \(0, 1\]"),
        (Y, {"labeled_fraction": "0.5"}, r"labeled_fraction='0.5' must be in \(0, 1\]"),
        (Y, {"labeled_fraction": np.nan}, r"must be in \(0, 1\]"),
        (Y, {"n_per_class": 1, "stratify": "yes"}, "stratify='yes' must be True or False"),
        (Y, {"n_per_class": 21}, "class 2 has 20 labeled samples"),
        (Y.astype(np.uint8), {"n_per_class": 1}, "uint8, which cannot hold -1"),
        (Y.astype(bool), {"n_per_class": 1}, "bool, which cannot hold -1"),
    ],
)
def test_bad_input(y, params, message):
    with pytest.raises(ValueError, match=message):
        mask_labels(y, **params)
