import numpy as np
import pytest
import sklearn
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    LeaveOneGroupOut,
    StratifiedKFold,
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


def folds(splitter, y, groups=None):
    return list(splitter.split(np.zeros(len(y)), y, groups))


@pytest.mark.parametrize("cv", [2, 4, KFold(3), StratifiedKFold(3, shuffle=True, random_state=0)])
def test_test_folds_partition_the_labelled_and_training_has_all_unlabelled(table, cv):
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


def test_folds_are_those_of_the_labelled_alone(table):
    _, y = table
    labeled = np.flatnonzero(y != -1)
    expected = [labeled[test] for _, test in StratifiedKFold(3).split(labeled, y[labeled])]
    for (_, test), other in zip(folds(SemiSupervisedSplit(3), y), expected, strict=True):
        assert np.array_equal(test, other)


def test_dropping_the_unlabelled_keeps_the_test_folds(table):
    _, y = table
    with_them, without = (
        folds(SemiSupervisedSplit(3, unlabeled=policy), y) for policy in ("train", "drop")
    )
    for (train, test), (other_train, other_test) in zip(with_them, without, strict=True):
        assert np.array_equal(test, other_test)
        assert np.array_equal(other_train, train[y[train] != -1])


def test_unlabelled_of_held_out_tomograms_stay_out():
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


@pytest.mark.parametrize(
    ("splitter", "y", "groups", "message"),
    [
        (
            SemiSupervisedSplit(3),
            [0, 0, 0, 1, 1, -1],
            None,
            "Class 1 has 2 labelled samples, fewer",
        ),
        (SemiSupervisedSplit(StratifiedKFold(3)), [0, 0, 0, 1, 1, -1], None, "Class 1 has 2"),
        (SemiSupervisedSplit(2), [-1] * 6, None, "every label in y is hidden"),
        (SemiSupervisedSplit(2), None, None, "y is None"),
        (SemiSupervisedSplit(2, unlabeled="groups"), [0, 0, 1, 1], None, "needs groups"),
        (
            SemiSupervisedSplit(2, unlabeled="all"),
            [0, 0, 1, 1],
            None,
            "unlabeled='all' must be one",
        ),
        (SemiSupervisedSplit(2), [0, 0, 1, 1], [1, 1, 1, 1], "come from 1 groups, fewer"),
        (SemiSupervisedSplit([([0], [1])]), [0, 0, 1, 1], None, "must be a number of folds"),
    ],
)
def test_bad_input(splitter, y, groups, message):
    with pytest.raises(ValueError, match=message):
        next(splitter.split(np.zeros(6 if y is None else len(y)), y, groups))
