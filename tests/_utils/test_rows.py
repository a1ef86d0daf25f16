import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading

from sksubtomo._utils._rows import fit_clone, is_per_row, take_rows


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


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sample_weight", [1.0, 2.0, 3.0], True),
        ("tilt_ranges_deg", np.zeros((3, 2)), True),
        ("tilt_ranges_deg", np.zeros((4, 2)), False),
        ("groups", pd.Series([*"aab"]), True),
        ("groups", "abc", False),
        ("scale", 3, False),
        ("scale", np.float64(3), False),
        ("scale", np.array(3), False),
        ("options", {"a": 1, "b": 2, "c": 3}, False),
        ("anything", None, False),
        # As many validation volumes as others are still not theirs.
        ("X_val", np.zeros((3, 8, 8, 8)), False),
        ("y_val", np.zeros(3), False),
    ],
)
def test_what_has_a_value_for_each_row(name, value, expected):
    assert is_per_row(name, value, 3) is expected


def test_validation_volumes_and_sparse_values():
    rows = np.array([2, 0])
    params = {
        "sample_weight": [1.0, 2.0, 3.0],
        "groups": pd.Series([*"abc"], index=[5, 6, 7]),
        "tilt_ranges_deg": np.arange(6).reshape(3, 2),
        "embedding": coo_array(np.eye(3)),
        "X_val": np.zeros((3, 2)),
        "flavor": "sweet",
    }
    taken = take_rows(params, rows, 3)
    assert taken["sample_weight"] == [3.0, 1.0]
    assert taken["groups"].tolist() == ["c", "a"]
    assert taken["tilt_ranges_deg"].tolist() == [[4, 5], [0, 1]]
    assert taken["embedding"].toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert taken["X_val"] is params["X_val"]
    assert taken["flavor"] == "sweet"
