import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading

from sksubtomo._utils._rows import fit_clone, take_rows


def test_entries_of_samples_are_taken_and_other_values_kept():
    given = {
        "weight": np.arange(4.0),
        "names": ["a", "b", "c", "d"],
        "series": pd.Series([5, 6, 7, 8]),
        "ranges": np.arange(8).reshape(4, 2),
        "word": "four",
        "mapping": {0: 1, 1: 2, 2: 3, 3: 4},
        "other": [1, 2],
        "scalar": np.float64(4),
        "zero_d": np.array(4),
        "nothing": None,
    }
    taken = take_rows(given, np.array([2, 0]), 4)
    assert taken.pop("weight").tolist() == [2, 0]
    assert taken.pop("names") == ["c", "a"]
    assert taken.pop("series").tolist() == [7, 5]
    assert taken.pop("ranges").tolist() == [[4, 5], [0, 1]]
    assert all(value is given[name] for name, value in taken.items())


def test_a_class_of_hidden_rows_is_refused():
    X, y = np.arange(6.0)[:, np.newaxis], np.array([0, 1, 0, 1, -1, -1])
    spreading = LabelSpreading()
    assert fit_clone(spreading, X, y).classes_.tolist() == [0, 1]
    assert not hasattr(spreading, "classes_")
    with pytest.raises(ValueError, match="LogisticRegression took -1, which means 'unlabeled'"):
        fit_clone(LogisticRegression(), X, y)
    weighted = fit_clone(LogisticRegression(), X[:4], y[:4], sample_weight=np.array([1, 0, 1, 1]))
    assert weighted.classes_.tolist() == [0, 1]
