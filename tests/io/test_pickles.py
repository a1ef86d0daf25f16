import os
import pickle

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_labeled_pickle

VOLUMES = np.random.default_rng(0).normal(size=(5, 4, 4, 4)).astype(np.float32)


def write(path, content, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_volumes_and_labels(tmp_path, protocol):
    content = {"ribosome": list(VOLUMES[:2]), "none": list(VOLUMES[2:].astype(float))}
    X, y = read_labeled_pickle(write(tmp_path / "a.pickle", content, protocol))
    assert X.dtype == np.float32
    assert np.array_equal(X, VOLUMES)
    assert y.tolist() == ["ribosome"] * 2 + ["none"] * 3


class Harmful:
    def __reduce__(self):
        return os.system, ("exit 3",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": [Harmful()]}, r"asks for (posix|nt|os)\.system, which is no array"),
        ([1, 2], "no dictionary"),
        ({}, "no dictionary"),
        ({"a": [np.zeros((2, 2))]}, "'a' is not of a list of volumes"),
        ({"a": "text"}, "'a' is not of a list of volumes"),
        ({"a": [VOLUMES[0]], "b": [VOLUMES[0, 1:]]}, "volumes of shapes"),
    ],
)
def test_refused(tmp_path, content, message):
    with pytest.raises(FileFormatError, match=rf"a.pickle.*{message}"):
        read_labeled_pickle(write(tmp_path / "a.pickle", content))


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.pickle"):
        read_labeled_pickle(tmp_path / "a.pickle")
    whole = pickle.dumps({"a": list(VOLUMES)})
    for length in (0, 10, len(whole) - 5):
        (tmp_path / "a.pickle").write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"a.pickle cannot be read"):
            read_labeled_pickle(tmp_path / "a.pickle")
