import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from sksubtomo.io import SharedVolumes
from sksubtomo.semi_supervised import WithUnlabeled


def test_copies_are_the_handle_itself():
    handle = SharedVolumes(np.zeros((3, 2, 2, 2)))
    assert copy.copy(handle) is copy.deepcopy(handle) is handle
    assert clone(WithUnlabeled(None, handle)).unlabeled is handle
    assert handle.shape == (3, 2, 2, 2)
    assert np.asarray(handle) is not None
    assert np.shares_memory(np.asarray(handle), handle._array)


def test_file_is_mapped_and_pickled_by_its_path(tmp_path):
    X = np.random.default_rng(0).normal(size=(100, 8, 8, 8))
    np.save(tmp_path / "X.npy", X)
    handle = SharedVolumes(tmp_path / "X.npy")
    pickled = pickle.dumps(handle)
    assert len(pickled) < 1000
    twin = pickle.loads(pickled)
    assert isinstance(twin._array, np.memmap)
    assert np.array_equal(np.asarray(twin), X)
    assert "X.npy" in repr(twin)


def test_array_is_pickled_as_such():
    handle = pickle.loads(pickle.dumps(SharedVolumes(np.ones((2, 3)))))
    assert np.array_equal(np.asarray(handle, dtype=np.float32), np.ones((2, 3)))


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        SharedVolumes(tmp_path / "missing.npy")
    (tmp_path / "text.npy").write_text("no volumes")
    with pytest.raises(ValueError, match=r"text.npy is not a .npy file of volumes"):
        SharedVolumes(tmp_path / "text.npy")
