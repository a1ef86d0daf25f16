"""Folds of labeled rows from scikit-learn's splitters and from row numbers."""

import numpy as np
import pytest
from folds import GROUPS, LABELED, SPARSE, assert_same_folds, folds
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from sksubtomo.model_selection import SemiSupervisedSplit

CODES = np.arange(12) % 4


@pytest.mark.parametrize(
    ("cv", "needs_groups"),
    [
        (ShuffleSplit(3, test_size=2, random_state=0), False),
        (StratifiedShuffleSplit(2, test_size=4, random_state=0), False),
        (LeaveOneOut(), False),
        (LeavePOut(2), False),
        (RepeatedKFold(n_splits=2, n_repeats=3, random_state=0), False),
        (RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0), False),
        (TimeSeriesSplit(3), False),
        (GroupKFold(2), True),
        (GroupShuffleSplit(2, random_state=0), True),
        (LeaveOneGroupOut(), True),
        (LeavePGroupsOut(2), True),
        (StratifiedGroupKFold(2), True),
    ],
)
def test_splitters_see_the_labeled_alone(cv, needs_groups):
    labeled, unlabeled = np.flatnonzero(SPARSE >= 0), np.flatnonzero(SPARSE < 0)
    groups = GROUPS if needs_groups else None
    own = GROUPS[labeled] if needs_groups else None
    splitter = SemiSupervisedSplit(cv)
    expected = [
        (np.sort(np.r_[labeled[train], unlabeled]), np.sort(labeled[test]))
        for train, test in cv.split(np.zeros(8), LABELED, own)
    ]
    assert_same_folds(folds(splitter, SPARSE, groups), expected)
    assert splitter.get_n_splits(SPARSE, SPARSE, groups) == len(expected)
    words = np.array(["a", "b", "unlabeled"])[SPARSE]
    assert_same_folds(folds(splitter, words, groups), expected)
    try:
        fixed = cv.get_n_splits()
    except (TypeError, ValueError):
        with pytest.raises(ValueError, match="depends on the samples: pass y"):
            splitter.get_n_splits()
    else:
        assert splitter.get_n_splits() == fixed == len(expected)


def test_splitter_of_another_maker_gets_labels():
    class ByLabel:
        def split(self, X, y, groups=None):
            yield np.flatnonzero(y != "b"), np.flatnonzero(y == "b")

        def get_n_splits(self, X, y, groups):
            return len(y)

    words = np.array(["a", "b", "unlabeled"])[SPARSE]
    splitter = SemiSupervisedSplit(ByLabel(), unlabeled="drop")
    assert_same_folds(
        folds(splitter, words), [(np.flatnonzero(words == "a"), np.flatnonzero(words == "b"))]
    )
    assert splitter.get_n_splits(words, words) == 8
    with pytest.raises(ValueError, match="depends on the samples"):
        splitter.get_n_splits()


def test_predefined_split_of_all_or_of_the_labeled_samples():
    test_fold = np.array([5, 0, 0, 1, 5, 5, 1, 0, -1, 0, 5, 5])  # hidden samples have entries, too
    labeled = SPARSE >= 0
    test_fold[~labeled] = [0, 1, 0, 7]
    expected = [np.flatnonzero(labeled & (test_fold == fold)) for fold in (0, 1, 5)]
    all_rows, labeled_only = (
        SemiSupervisedSplit(PredefinedSplit(given))
        for given in (np.where(test_fold == 7, 0, test_fold), test_fold[labeled])
    )
    for splitter in (all_rows, labeled_only):
        result = folds(splitter, SPARSE)
        assert [test.tolist() for _, test in result] == [test.tolist() for test in expected]
        for train, test in result:
            assert np.array_equal(train, np.setdiff1d(np.arange(12), test))
        assert splitter.get_n_splits() == splitter.get_n_splits(SPARSE, SPARSE) == 3
    with pytest.raises(ValueError, match=r"Test folds \[7\] .* have no labeled sample"):
        folds(SemiSupervisedSplit(PredefinedSplit(test_fold)), SPARSE)
    with pytest.raises(ValueError, match="has 11 entries, but there are 12 samples, 8 of them"):
        folds(SemiSupervisedSplit(PredefinedSplit(test_fold[:-1])), SPARSE)


def test_predefined_split_by_tomogram():
    test_fold = CODES
    splitter = SemiSupervisedSplit(PredefinedSplit(test_fold), unlabeled="groups")
    assert_same_folds(
        folds(splitter, SPARSE, GROUPS),
        folds(SemiSupervisedSplit(LeaveOneGroupOut(), unlabeled="groups"), SPARSE, GROUPS),
    )


# Folds given as row numbers -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rows", "lists", "masks", "generator"])
def test_pairs_of_all_samples(kind):
    truth = np.tile([0, 1], 6)
    pairs = list(StratifiedKFold(3).split(truth, truth))
    labeled = SPARSE >= 0
    cv = {
        "rows": pairs,
        "lists": [(train.tolist(), test.tolist()) for train, test in pairs],
        "masks": [tuple(np.isin(np.arange(12), rows) for rows in pair) for pair in pairs],
        "generator": (pair for pair in pairs),
    }[kind]
    splitter = SemiSupervisedSplit(cv)
    for _ in range(2):  # a generator, too, is good for several calls
        result = folds(splitter, SPARSE)
        for (train, test), (_, given) in zip(result, pairs, strict=True):
            assert np.array_equal(test, given[labeled[given]])
            assert np.array_equal(train, np.setdiff1d(np.arange(12), test))
    assert splitter.get_n_splits() == splitter.get_n_splits(SPARSE, SPARSE) == 3
    for train, _ in folds(SemiSupervisedSplit(pairs, unlabeled="drop"), SPARSE):
        assert labeled[train].all()


def test_pairs_of_labeled_samples_only_and_slices():
    train, test = np.array([1, 2, 3]), np.array([6, 7])
    ((own_train, own_test),) = folds(SemiSupervisedSplit([(train, test)]), SPARSE)
    assert own_test.tolist() == [6, 7]
    assert own_train.tolist() == [0, 1, 2, 3, 4, 5, 11]
    ((own_train, own_test),) = folds(SemiSupervisedSplit([(slice(None), slice(None))]), SPARSE)
    assert own_train.tolist() == list(range(12))
    assert own_test.tolist() == np.flatnonzero(SPARSE >= 0).tolist()


def test_pairs_and_groups():
    pairs = [
        (np.flatnonzero(number != CODES), np.flatnonzero(number == CODES)) for number in range(4)
    ]
    assert_same_folds(
        folds(SemiSupervisedSplit(pairs, unlabeled="groups"), SPARSE, GROUPS),
        folds(SemiSupervisedSplit(LeaveOneGroupOut(), unlabeled="groups"), SPARSE, GROUPS),
    )


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (([0, 1, 2, 3], [6, 7]), "Item 1 of cv names 1 of the 4 unlabeled samples"),
        (([1, 2, 12], [6]), r"Item 1 of cv is of other samples than these 12"),
        ((np.ones(11, dtype=bool), [6]), "Item 1 of cv is of other samples"),
        (([1, 2, 3], []), "Test fold 2 has no labeled sample"),
        (([0, 1, 2, 3, 4, 5], [11]), "Test fold 2 has no labeled sample"),
    ],
)
def test_pairs_that_are_refused(pair, message):
    splitter = SemiSupervisedSplit([([1, 2, 3], [6, 7]), pair])
    with pytest.raises(ValueError, match=message):
        folds(splitter, SPARSE)
