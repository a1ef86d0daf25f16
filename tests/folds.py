"""Labels of few samples and their folds, for tests of splitters."""

import numpy as np

LABELED = np.array([0, 1, 0, 1, 0, 1, 0, 1])
SPARSE = np.insert(LABELED, [0, 3, 3, 8], -1)
GROUPS = np.array(["TS_1", "TS_2", "TS_3", "TS_4"] * 3)


def folds(splitter, y, groups=None):
    return list(splitter.split(np.zeros(len(y)), y, groups))


def assert_same_folds(one, two):
    for pair, other in zip(one, two, strict=True):
        for rows, expected in zip(pair, other, strict=True):
            assert rows.tolist() == expected.tolist()
