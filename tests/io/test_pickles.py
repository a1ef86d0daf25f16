import codecs
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hostile_pickles import contents
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


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_in_any_layout_and_labels_of_any_type(tmp_path, protocol):
    for content in contents():
        X, y = read_labeled_pickle(write(tmp_path / "a.pickle", content, protocol))
        expected = [volume for volumes in content.values() for volume in volumes]
        np.testing.assert_array_equal(X, np.array(expected, dtype=np.float32))
        labels = [str(label) for label, volumes in content.items() for _ in volumes]
        assert y.tolist() == labels


def test_a_pickle_of_python_2(tmp_path):
    """By hand: bytes are text, in quotes with escapes or counted."""
    values = np.arange(8, dtype="<f4")
    state = (
        b"(I1\n(I2\nI2\nI2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
    )
    begun = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    quoted = b"S" + repr(values.tobytes())[1:].encode() + b"\n"
    counted = b"T" + len(values.tobytes()).to_bytes(4, "little") + values.tobytes()
    for content in (quoted, counted):
        (tmp_path / "a.pickle").write_bytes(b"(dS'1KP8'\n(l" + begun + state + content + b"tbas.")
        X, y = read_labeled_pickle(tmp_path / "a.pickle")
        np.testing.assert_array_equal(X, values.reshape(1, 2, 2, 2))
        assert y.tolist() == ["1KP8"]


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
F4 = b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR"
PLAIN = b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
SHAPE = b"(K\x02K\x02K\x02t"


def array(kind=F4 + PLAIN, shape=SHAPE, content=b"B" + b"\x20\0\0\0" + bytes(32)):
    """Return operations that make a pickle of one volume."""
    state = b"(K\x01" + shape + kind + b"\x89" + content + b"tb"
    return b"\x80\x02(U\x01a](" + ARRAY + state + b"ed."


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        # Types with fields, parts, pointers, or sizes of their own.
        (array(kind=F4 + b"(K\x03U\x01<N(U\x01xt}NK\x04K\x04K\x00tb"), "fields or parts"),
        (array(kind=F4 + b"(K\x03U\x01<(U\x02O8K\x02tNNK\x10K\x08K\x3ftb"), "fields or parts"),
        (array(kind=F4 + b"(K\x03U\x01|NNNJ\x00\x00\x00\x10K\x01K\x3ftb"), "none of NumPy's own"),
        (array(kind=F4 + b"(K\x04U\x01<NNNK\x04K\x04K\x00}tb"), None),
        (array(kind=F4 + b"(K\x04U\x01<NNNK\xffK\x04K\x00tb"), "none of NumPy's own"),
        (array(kind=b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR"), "arrays of object"),
        (array(kind=b"cnumpy\ndtype\n(U\x02V4K\x00K\x01tR"), "no numbers or text"),
        (array(kind=b"cnumpy\ndtype\n(U\x02M8K\x00K\x01tR"), "no numbers or text"),
        (array(kind=b"U\x02f4"), "without type"),
        # Shapes that are not those of the numbers.
        (array(shape=b"(K\xffK\xffK\xfft"), "32 bytes for an array"),
        (array(shape=b"(K\x02K\x02K\x01t"), "32 bytes for an array"),
        (array(shape=b"(J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x08t"), "without a shape"),
        (array(shape=b"(G" + bytes(8) + b"K\x02K\x04t"), "without a shape"),
        (array(shape=b"](K\x02K\x02K\x02e"), "without a shape"),
        # No numbers, of which uninitialized memory would be left.
        (array(content=b"N"), "without type or numbers"),
        (b"\x80\x02(U\x01a](" + ARRAY + b"ed.", "'a' is not of a list"),
        (array(content=b"]N"), "without type or numbers|shape"),
        # Operations that call, or that ask others.
        (b"\x80\x02cos\nsystem\n(U\x04exittR.", r"asks for os\.system"),
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "operation NEWOBJ"),
        (b"(icos\nsystem\n.", "operation INST"),
        (b"(cnumpy\ndtype\no.", "operation OBJ"),
        (b"\x80\x02U\x01aQ.", "operation BINPERSID"),
        (b"Pa\n.", "operation PERSID"),
        (b"\x82\x01.", "operation EXT1"),
        (b"\x80\x05\x97.", "operation NEXT_BUFFER"),
        (b"\x80\x02cnumpy\ndtype\n}U\x0c__defaults__)sb.", "gives a state"),
        (b"\x80\x02cnumpy\ndtype\nN}U\x08__code__Ns\x86b.", "gives a state"),
        (b"\x80\x02K\x01)R.", "not callable"),
        (b"\x80\x02h\x05.", "cannot be read"),
        (b"\x80\x02(.", "a mark"),
        (b"\xff.", "do not know"),
        # Keys whose hash would exhaust the stack.
        (b"\x80\x02}N" + b"\x85" * 10**6 + b"Ns.", "the label <class 'tuple'>"),
        (b"\x80\x02]" + b"\x85" * 10**6 + b".", "no dictionary"),
        (b"\x80\x02" + b"]" * 10**5 + b"a" * 99_999 + b".", "no dictionary"),
        # Lists within themselves, and as many objects as there are bytes.
        (b"\x80\x02]q\x00h\x00a.", "no dictionary"),
        (b"\x80\x02" + b"}" * 5_000_000 + b".", "more than 4000000 operations"),
    ],
)
def test_attacks_on_the_unpickler_are_refused(tmp_path, operations, message):
    path = tmp_path / "a.pickle"
    path.write_bytes(operations)
    if message is None:
        # Metadata of a type that are empty say nothing.
        assert read_labeled_pickle(path)[0].shape == (1, 2, 2, 2)
        return
    with pytest.raises(FileFormatError, match=message):
        read_labeled_pickle(path)


def test_the_honest_operations_are_read(tmp_path):
    (tmp_path / "a.pickle").write_bytes(array())
    X, y = read_labeled_pickle(tmp_path / "a.pickle")
    assert X.shape == (1, 2, 2, 2)
    assert y.tolist() == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a" * 2000: [VOLUMES[0]]}, "label of more than 1000 characters"),
        ({10**5000: [VOLUMES[0]]}, "cannot be read as a pickle"),
        ({"a": [VOLUMES[0].astype(float) * 1e300]}, "overflow"),
    ],
)
def test_labels_and_numbers_that_do_not_fit(tmp_path, content, message):
    with pytest.raises(FileFormatError, match=rf"a.pickle.*{message}"):
        read_labeled_pickle(write(tmp_path / "a.pickle", content))


@pytest.mark.slow
def test_twenty_thousand_pickles_raise_nothing_else():
    script = Path(__file__).parents[1] / "hostile_pickles.py"
    run = subprocess.run(
        [sys.executable, str(script), "20000", "1"], capture_output=True, text=True, timeout=280
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.startswith("20000 files")
