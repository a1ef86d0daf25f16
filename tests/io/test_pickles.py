import codecs
import os
import pickle
import tracemalloc

import numpy as np
import pytest
from numpy._core import multiarray

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


class Call:
    """Asks for a function with arguments when it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": [Call(np.ndarray, (10**6, 10**6))]}, "not callable"),
        ({"a": [Call(multiarray._reconstruct, np.ndarray, (2**40,), b"b")]}, "other than NumPy"),
        ({"a": [Call(np.dtype, "O")]}, "arrays of object"),
        ({"a": [Call(np.dtype, "V1000000000")]}, "which are no numbers or text"),
        ({"a": [Call(codecs.encode, "text", "rot13")]}, "encoding 'rot13'"),
        ({"a": [VOLUMES[0]] * 10**5}, "the same volumes again and again"),
        ({"a": [np.zeros((2, 0, 2))]}, "'a' is not of a list of volumes"),
        ({("a", "b"): [VOLUMES[0]]}, "the label <class 'tuple'> is not"),
        ({"a" * 10**5: [np.zeros(2)]}, r"the label 'aaa.* is not"),
    ],
)
def test_what_would_allocate_is_refused(tmp_path, content, message):
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=rf"(?s)a.pickle.*{message}") as error:
        read_labeled_pickle(write(tmp_path / "a.pickle", content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26
    assert len(str(error.value)) < 800


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        (b"\x80\x04\x95" + (2**62).to_bytes(8, "little") + b"N.", "says of a part"),
        (b"\x80\x04Nr" + (2**31).to_bytes(4, "little") + b".", "place 2147483648"),
        (b"Np4294967295\n.", "place 4294967295"),
        (b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"ab.", "bytearray8"),
        (b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"ab.", "bytes8"),
        (b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"ab.", "unicode"),
    ],
)
def test_sizes_within_a_pickle_are_compared_with_the_file(tmp_path, operations, message):
    (tmp_path / "a.pickle").write_bytes(operations)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=rf"a.pickle.*{message}"):
        read_labeled_pickle(tmp_path / "a.pickle")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.pickle"):
        read_labeled_pickle(tmp_path / "a.pickle")
    whole = pickle.dumps({"a": list(VOLUMES)})
    for length in (0, 10, len(whole) - 5):
        (tmp_path / "a.pickle").write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"a.pickle cannot be read"):
            read_labeled_pickle(tmp_path / "a.pickle")
