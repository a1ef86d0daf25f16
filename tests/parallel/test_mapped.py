import pickle

import numpy as np
import pytest

from sksubtomo.parallel._mapped import MappedArray, by_reference


@pytest.fixture
def mapped(tmp_path):
    numbers = np.arange(6 * 1000, dtype=">f4").reshape(6, 10, 10, 10)
    np.save(tmp_path / "X.npy", numbers)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "part",
    [
        lambda X: X,
        lambda X: X[2:5],
        lambda X: X[1:][1:],
        lambda X: X.reshape(6, -1)[3:],
        lambda X: np.asarray(X)[4:],
        lambda X: X[1],
    ],
)
def test_contiguous_parts_travel_as_places_in_the_file(mapped, part):
    expected = part(mapped)
    text = pickle.dumps(by_reference(expected), protocol=5)
    assert len(text) < 500
    again = pickle.loads(text)
    assert isinstance(again, np.memmap)
    assert not isinstance(again, MappedArray)
    assert again.dtype == expected.dtype
    np.testing.assert_array_equal(again, expected)


def test_what_may_differ_from_the_file_travels_as_it_is(mapped, tmp_path):
    changed = np.load(tmp_path / "X.npy", mmap_mode="c")
    changed[0] = -1
    for array in (changed, mapped[::2], mapped[:0], mapped[[0, 1]], mapped * 2, [1, 2]):
        assert by_reference(array) is array
    strided = by_reference(mapped)[::2]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(strided)), mapped[::2])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(by_reference(mapped) * 2)), mapped * 2)


def test_raw_files_with_an_offset(tmp_path):
    (tmp_path / "raw").write_bytes(b"x" * 5000 + np.arange(40, dtype=np.int16).tobytes())
    raw = np.memmap(tmp_path / "raw", dtype=np.int16, mode="r", offset=5000, shape=(10, 4))
    again = pickle.loads(pickle.dumps(by_reference(raw[3:])))
    np.testing.assert_array_equal(again, raw[3:])
