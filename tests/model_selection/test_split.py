import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import sklearn
from folds import GROUPS, SPARSE, assert_same_folds, folds
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from sksubtomo.model_selection import SemiSupervisedSplit


@pytest.fixture
def table(mostly_hidden):
    X, y = mostly_hidden
    return X.reshape(60, 2, 4, 2, 4, 2, 4).mean(axis=(2, 4, 6)).reshape(60, 8), y


@pytest.mark.parametrize("cv", [2, 4, KFold(3), StratifiedKFold(3, shuffle=True, random_state=0)])
def test_test_folds_partition_the_labeled_and_training_has_all_unlabeled(table, cv):
    _, y = table
    splits = folds(SemiSupervisedSplit(cv), y)
    labeled, unlabeled = np.flatnonzero(y != -1), np.flatnonzero(y == -1)
    assert sorted(np.concatenate([test for _, test in splits])) == labeled.tolist()
    for train, test in splits:
        assert np.isin(unlabeled, train).all()
        assert not np.intersect1d(train, test).size
        assert len(train) + len(test) == len(y)
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
    assert SemiSupervisedSplit(cv).get_n_splits(None, y) == len(splits)


def test_folds_are_those_of_the_labeled_alone(table):
    _, y = table
    labeled = np.flatnonzero(y != -1)
    expected = [labeled[test] for _, test in StratifiedKFold(3).split(labeled, y[labeled])]
    for (_, test), other in zip(folds(SemiSupervisedSplit(3), y), expected, strict=True):
        assert np.array_equal(test, other)


def test_dropping_the_unlabeled_keeps_the_test_folds(table):
    _, y = table
    with_them, without = (
        folds(SemiSupervisedSplit(3, unlabeled=policy), y) for policy in ("train", "drop")
    )
    for (train, test), (other_train, other_test) in zip(with_them, without, strict=True):
        assert np.array_equal(test, other_test)
        assert np.array_equal(other_train, train[y[train] != -1])


def test_unlabeled_of_held_out_tomograms_stay_out():
    y = np.array([0, 1, -1, -1] * 6)
    groups = np.repeat(["A", "B", "C"], 8)
    for train, test in folds(SemiSupervisedSplit(3, unlabeled="groups"), y, groups):
        assert len(set(groups[test])) == 1
        assert not set(groups[train]) & set(groups[test])
        assert (y[train] == -1).sum() == 8
    for train, _ in folds(SemiSupervisedSplit(3), y, groups):
        assert (y[train] == -1).sum() == 12
    logo = SemiSupervisedSplit(LeaveOneGroupOut())
    assert len(folds(logo, y, groups)) == logo.get_n_splits(None, y, groups) == 3


def test_string_labels():
    y = np.array(["a", "b", "unlabeled"] * 4)
    for train, test in folds(SemiSupervisedSplit(2), y):
        assert set(y[test]) == {"a", "b"}
        assert (y[train] == "unlabeled").sum() == 4


@pytest.mark.parametrize(
    "classifier",
    [
        LabelSpreading(gamma=1.0),
        SelfTrainingClassifier(LogisticRegression()),
    ],
)
def test_perfect_model_scores_one_where_plain_folds_do_not(table, classifier):
    X, y = table
    assert cross_val_score(classifier, X, y, cv=SemiSupervisedSplit(2)).tolist() == [1.0, 1.0]
    result = cross_validate(
        classifier, X, y, cv=SemiSupervisedSplit(2), scoring=["accuracy", "roc_auc_ovr"]
    )
    assert result["test_roc_auc_ovr"].tolist() == [1.0, 1.0]
    # What happens without it: -1 counts as a class that is never predicted.
    assert cross_val_score(classifier, X, y, cv=StratifiedKFold(2)).max() <= 0.25


def test_search_and_curve(table):
    X, y = table
    search = GridSearchCV(LabelSpreading(), {"gamma": [0.5, 1.0]}, cv=SemiSupervisedSplit(2))
    assert search.fit(X, y).best_score_ == 1.0
    halving = HalvingGridSearchCV(
        SelfTrainingClassifier(LogisticRegression()),
        {"threshold": [0.6, 0.75]},
        resource="max_iter",
        min_resources=2,
        max_resources=6,
        cv=SemiSupervisedSplit(2),
        random_state=0,
    )
    assert halving.fit(X, y).best_score_ == 1.0
    _, _, scores = learning_curve(
        LabelSpreading(gamma=1.0),
        X,
        y,
        cv=SemiSupervisedSplit(2),
        train_sizes=[1.0],
    )
    assert scores.tolist() == [[1.0, 1.0]]


def test_groups_are_routed():
    X, y = np.arange(24.0)[:, np.newaxis] % 4, np.array([0, 1, -1, -1] * 6)
    groups = np.repeat([0, 1, 2], 8)
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            LabelSpreading(),
            X,
            y,
            cv=SemiSupervisedSplit(3, unlabeled="groups"),
            params={"groups": groups},
        )
    assert scores.tolist() == [1.0, 1.0, 1.0]


def test_repr():
    assert repr(SemiSupervisedSplit(3)) == "SemiSupervisedSplit(cv=3, unlabeled='train')"
    assert repr(SemiSupervisedSplit()) == repr(SemiSupervisedSplit(None))


@pytest.mark.parametrize(
    "cv",
    [
        *("x", "ab", b"ab", 0, 1, -3, np.int64(1), True, np.True_, 2.5, 3.0, np.array(3), object()),
        *(
            [],
            {},
            [0, 1],
            [([0], [1]), [2]],
            ["ab"],
            [([0.5], [1])],
            [(0, 1)],
            np.eye(2, dtype=int),
        ),
    ],
)
def test_cv_is_checked_at_construction(cv):
    with pytest.raises(ValueError, match="cv"):
        SemiSupervisedSplit(cv)


@pytest.mark.parametrize("unlabeled", ["nope", "", None, True, ["train"]])
def test_policy_is_checked_at_construction(unlabeled):
    with pytest.raises(
        ValueError, match=r"unlabeled=.* must be one of \('train', 'groups', 'drop'\)"
    ):
        SemiSupervisedSplit(3, unlabeled=unlabeled)


@pytest.mark.parametrize("cv", [np.int64(3), np.uint8(3), None, StratifiedKFold(3)])
def test_numpy_integers_and_copies(table, cv):
    _, y = table
    splitter = SemiSupervisedSplit(cv)
    if cv is None:
        y = np.r_[y, y]  # five folds need as many labels
    expected = folds(SemiSupervisedSplit(5 if cv is None else 3), y)
    assert_same_folds(folds(splitter, y), expected)
    assert type(splitter.get_n_splits()) is int
    assert splitter.get_n_splits() == len(expected)
    for copy in (deepcopy(splitter), pickle.loads(pickle.dumps(splitter))):
        assert_same_folds(folds(copy, y), expected)


# Groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, list, pd.Series, pd.Categorical])
def test_groups_of_any_kind(kind):
    y = np.array([0, 1, -1, -1] * 6)
    names = np.repeat(["A", "B", "C"], 8)
    splitter = SemiSupervisedSplit(3, unlabeled="groups")
    assert_same_folds(folds(splitter, y, kind(names)), folds(splitter, y, np.repeat([7, 8, 9], 8)))


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_group_is_named(missing):
    groups = GROUPS.astype(object)
    groups[3] = missing
    with pytest.raises(ValueError, match="groups has no value for row 3"):
        folds(SemiSupervisedSplit(2, unlabeled="groups"), SPARSE, groups)


def test_groups_that_folds_ignore_are_warned_of():
    with pytest.warns(UserWarning, match="groups parameter is ignored by KFold"):
        folds(SemiSupervisedSplit(KFold(2)), SPARSE, GROUPS)


def test_requests_of_metadata():
    splitter = SemiSupervisedSplit(3)
    assert splitter.get_metadata_routing().split.requests == {"groups": True}
    with sklearn.config_context(enable_metadata_routing=True):
        splitter.set_split_request(groups="tomogram")
        assert splitter.get_metadata_routing().split.requests == {"groups": "tomogram"}


@pytest.mark.parametrize(
    ("splitter", "y", "groups", "message"),
    [
        (
            SemiSupervisedSplit(3),
            [0, 0, 0, 1, 1, -1],
            None,
            "Class 1 has 2 labeled samples, fewer",
        ),
        (SemiSupervisedSplit(StratifiedKFold(3)), [0, 0, 0, 1, 1, -1], None, "Class 1 has 2"),
        (SemiSupervisedSplit(2), [-1] * 6, None, "every label in y is hidden"),
        (SemiSupervisedSplit(2), None, None, "y is None"),
        (SemiSupervisedSplit(2, unlabeled="groups"), [0, 0, 1, 1], None, "needs groups"),
        (SemiSupervisedSplit(2), [0, 0, 1, 1], [1, 1, 1, 1], "come from 1 groups, fewer"),
        (SemiSupervisedSplit(2), [0, 0, 1, 1], [1, 1, 1], "inconsistent numbers of samples"),
    ],
)
def test_bad_input(splitter, y, groups, message):
    with pytest.raises(ValueError, match=message):
        next(splitter.split(np.zeros(6 if y is None else len(y)), y, groups))


# --- What is no splitter --------------------------------------------------------------------------


@pytest.mark.parametrize("cv", [KFold, StratifiedKFold, LeaveOneGroupOut, SemiSupervisedSplit])
def test_classes_of_splitters_are_refused(cv):
    with pytest.raises(ValueError, match=rf"is a class. Pass an instance, {cv.__name__}\(...\)"):
        SemiSupervisedSplit(cv)


def test_objects_that_only_split_are_refused():
    class Splits:
        def split(self, X, y=None, groups=None):
            yield np.arange(3), np.arange(3, 6)

    with pytest.raises(ValueError, match="A splitter has split and get_n_splits"):
        SemiSupervisedSplit(Splits())


@pytest.mark.parametrize(
    "cv",
    [
        KFold(3),
        StratifiedKFold(2),
        RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
        ShuffleSplit(2, random_state=0),
        StratifiedShuffleSplit(2, test_size=3, random_state=0),
        TimeSeriesSplit(2),
        LeaveOneOut(),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_groups_of_the_unlabeled_are_used_beside_splitters_without_groups(table, cv):
    _, y = table
    groups = np.arange(60) // 5
    found = folds(SemiSupervisedSplit(cv, unlabeled="groups"), y, groups)  # a warning is an error
    plain = folds(SemiSupervisedSplit(cv, unlabeled="drop"), y)
    for (train, test), (labeled, same) in zip(found, plain, strict=True):
        assert test.tolist() == same.tolist()
        near = np.isin(groups, groups[test])
        expected = np.union1d(labeled, np.flatnonzero((y == -1) & ~near))
        assert train.tolist() == expected.tolist()
