import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array

from sksubtomo._utils._routing import is_per_row, take_rows


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sample_weight", [1.0, 2.0, 3.0], True),
        ("tilt_ranges", np.zeros((3, 2)), True),
        ("tilt_ranges", np.zeros((4, 2)), False),
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


def test_rows_of_metadata():
    rows = np.array([2, 0])
    params = {
        "sample_weight": [1.0, 2.0, 3.0],
        "groups": pd.Series([*"abc"], index=[5, 6, 7]),
        "tilt_ranges": np.arange(6).reshape(3, 2),
        "embedding": coo_array(np.eye(3)),
        "X_val": np.zeros((3, 2)),
        "flavor": "sweet",
    }
    taken = take_rows(params, rows, 3)
    assert taken["sample_weight"] == [3.0, 1.0]
    assert taken["groups"].tolist() == ["c", "a"]
    assert taken["tilt_ranges"].tolist() == [[4, 5], [0, 1]]
    assert taken["embedding"].toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert taken["X_val"] is params["X_val"]
    assert taken["flavor"] == "sweet"
