"""Labeled and unlabeled volumes, one after the other, whatever they come in."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, issparse

from sksubtomo.io import SharedVolumes, SubtomogramStack, write_mrc
from sksubtomo.semi_supervised._joined import JoinedVolumes, join_volumes


@pytest.fixture
def arrays():
    """Labeled and unlabeled volumes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 2, 3, 4)).astype(np.float32), rng.normal(size=(7, 2, 3, 4))


@pytest.fixture
def stacks(tmp_path):
    """Two lazy stacks of boxes of 4 voxels, and both as one array."""
    rng = np.random.default_rng(0)
    write_mrc(tmp_path / "a.mrc", rng.normal(size=(9, 12, 10)).astype(np.float32), 10.0)
    found = [
        SubtomogramStack([tmp_path / "a.mrc"], rng.integers(2, 7, (n, 3)), np.zeros(n, int), 4)
        for n in (6, 4)
    ]
    return *found, np.concatenate([np.asarray(stack) for stack in found])


def test_arrays_and_lists(arrays):
    X, unlabeled = arrays
    expected = np.concatenate([X, unlabeled])
    assert np.array_equal(join_volumes(X, unlabeled), expected)
    assert np.array_equal(join_volumes(X.tolist(), list(unlabeled)), expected)


def test_layout_is_that_of_the_labeled(arrays):
    X, unlabeled = arrays
    rows = join_volumes(X.reshape(5, -1), unlabeled)
    assert rows.shape == (12, 24)
    assert np.array_equal(rows[5:], unlabeled.reshape(7, -1))
    assert join_volumes(X, unlabeled.reshape(7, -1)).shape == (12, 2, 3, 4)


@pytest.mark.parametrize("shape", [(7, 4, 3, 2), (7, 2, 3, 5), (7, 24, 1), (7, 25)])
def test_other_shapes_are_refused(arrays, shape):
    # (4, 3, 2) has as many voxels, but they are other ones.
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\), but the unlabeled volumes have"):
        join_volumes(arrays[0], np.zeros(shape))


def test_data_frames_keep_names_and_types():
    X = pd.DataFrame({"voxel": [1.5, 2.5], "defocus": [1, 2], "name": ["a", "b"]}, index=[7, 7])
    more = pd.DataFrame({"voxel": [3.5], "defocus": [3], "name": ["c"]})
    joined = join_volumes(X, more)
    assert joined.columns.tolist() == ["voxel", "defocus", "name"]
    assert joined.dtypes.tolist()[:2] == X.dtypes.tolist()[:2]
    assert joined.to_numpy().tolist() == [[1.5, 1, "a"], [2.5, 2, "b"], [3.5, 3, "c"]]
    shared = SharedVolumes(more)
    assert join_volumes(X, shared.volumes).equals(joined)


def test_data_frame_and_array():
    X = pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=[*"abc"])
    joined = join_volumes(X, np.ones((4, 3)))
    assert joined.columns.tolist() == [*"abc"]
    assert joined.shape == (6, 3)
    # Names that X does not have are not made up.
    assert isinstance(join_volumes(np.ones((4, 3)), X), np.ndarray)


def test_polars_data_frames():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    joined = join_volumes(X, polars.DataFrame({"a": [5.0], "b": [6]}))
    assert isinstance(joined, polars.DataFrame)
    assert joined.columns == ["a", "b"]
    assert joined.to_numpy().tolist() == [[1, 3], [2, 4], [5, 6]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([*"abx"], r"differ in \['c'\]"),
        ([*"acb"], "their order differs"),
        ([*"ab"], r"differ in \['c'\]"),
        ([*"abcd"], r"differ in \['d'\]"),
    ],
)
def test_other_columns_are_refused(columns, message):
    X = pd.DataFrame(np.ones((2, 3)), columns=[*"abc"])
    with pytest.raises(ValueError, match=message):
        join_volumes(X, pd.DataFrame(np.ones((2, len(columns))), columns=columns))


def test_sparse_rows():
    X, unlabeled = np.eye(3), np.arange(6.0).reshape(2, 3)
    expected = np.concatenate([X, unlabeled])
    for other in (unlabeled, csr_array(unlabeled), coo_array(unlabeled)):
        joined = join_volumes(csr_array(X), other)
        assert issparse(joined)
        assert np.array_equal(joined.toarray(), expected)
    assert np.array_equal(join_volumes(X, coo_array(unlabeled)), expected)


# --- Lazy stacks ---------------------------------------------------------------------------------


def test_stacks_stay_lazy(stacks):
    labeled, unlabeled, both = stacks
    joined = join_volumes(labeled, unlabeled)
    assert isinstance(joined, JoinedVolumes)
    assert (joined.shape, len(joined), joined.size) == ((10, 4, 4, 4), 10, 640)
    assert np.array_equal(joined, both)
    for rows in ([9, 0, 5, 6], np.arange(10) % 3 == 0, slice(4, 8), slice(None, None, -2)):
        part = joined[rows]
        assert isinstance(part, JoinedVolumes)
        assert np.array_equal(part, both[rows])
        assert np.array_equal(part[1:][0], both[rows][1])
    assert np.array_equal(joined[-1], both[-1])
    assert np.array_equal(pickle.loads(pickle.dumps(joined[3:])), both[3:])
    assert np.asarray(joined, dtype=np.float64).dtype == np.float64
    assert len(joined[:0]) == len(np.asarray(joined[:0])) == 0


def double(volumes):
    return 2 * volumes[:, 1:]


def test_functions_are_applied_when_rows_are_read(stacks):
    labeled, unlabeled, both = stacks
    mapped = join_volumes(labeled, unlabeled).map(double)
    assert mapped.shape == (10, 3, 4, 4)
    assert np.array_equal(mapped[[8, 1]], 2 * both[[8, 1], 1:])
    assert np.array_equal(mapped.map(np.negative)[0], -2 * both[0, 1:])


def test_stack_and_array(stacks):
    labeled, unlabeled, both = stacks
    arrays = both[:6], both[6:]
    mixed = [
        (labeled, arrays[1]),
        (arrays[0], unlabeled),
        (labeled, arrays[1].reshape(4, -1)),
        (arrays[0].reshape(6, -1), unlabeled),
        (labeled, SharedVolumes(unlabeled).volumes),
    ]
    for pair in mixed:
        joined = join_volumes(*pair)
        assert isinstance(joined, JoinedVolumes)
        assert np.array_equal(joined, both)
    with pytest.raises(ValueError, match=r"shape \(5, 4, 4\), but the unlabeled .* \(4, 4, 4\)"):
        join_volumes(np.zeros((2, 5, 4, 4)), unlabeled)
