"""Damaged MRC files are told, in little memory."""

import bz2
import gzip
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    read_mrc,
    read_voxel_size,
    write_mrc,
)


@pytest.mark.parametrize("compress", [None, gzip.compress, bz2.compress])
def test_nothing_is_allocated_for_a_header_that_lies(tmp_path, volume, compress):
    write_mrc(tmp_path / "a.mrc", volume, 10.0)
    whole = bytearray((tmp_path / "a.mrc").read_bytes())
    whole[0:12] = np.array([2**20, 2**20, 2**10], dtype="<i4").tobytes()
    (tmp_path / "a.mrc").write_bytes(compress(whole) if compress else whole)
    with pytest.raises(FileFormatError, match=r"header says \(1024, 1048576, 1048576\) voxels"):
        read_mrc(tmp_path / "a.mrc")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_damaged_compressed_files_are_named(tmp_path, volume, compress):
    """What modules for compressed files raise: EOFError, zlib.error, OSError."""
    write_mrc(tmp_path / "a.mrc", volume, 10.0)
    whole = compress((tmp_path / "a.mrc").read_bytes())
    path = tmp_path / "b.mrc"
    middle = len(whole) // 2
    damaged = [whole[:n] for n in (0, 1, 3, 12, middle, len(whole) - 1)]
    damaged += [whole[:n] + bytes([whole[n] ^ 0xFF]) + whole[n + 1 :] for n in (2, 20, middle, -5)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"b.mrc cannot be read as an MRC file"):
            read_mrc(path)
    path.write_bytes(whole)
    assert np.array_equal(read_mrc(path).data, volume)
    assert read_voxel_size(path) == (10.0, 10.0, 10.0)
    with pytest.raises(FileFormatError, match=r"b.mrc is compressed and cannot be mapped"):
        read_mrc(path, mmap=True)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("n_more", [0, 1, 5000])
def test_checksums_are_compared_even_behind_more_than_the_header_says(
    header_with, tmp_path, volume, compress, n_more
):
    """A damaged header may say fewer voxels; the checksum at the end of the file tells."""
    path = header_with(tmp_path / "a.mrc", volume, [])
    content = path.read_bytes() + bytes(n_more)
    whole = compress(content, 1)
    if compress is gzip.compress:
        # The checksum itself, and the length behind it.
        damaged = [bytearray(whole), bytearray(whole)]
        damaged[0][-8] ^= 1
        damaged[1][-4] ^= 1
    else:
        damaged = [bytearray(whole)]
        damaged[0][10] ^= 1
    for one in damaged:
        path.write_bytes(one)
        with pytest.raises(FileFormatError, match=r"a.mrc cannot be read as an MRC file"):
            read_mrc(path)
    # A member of its own, whose checksum comes last.
    path.write_bytes(whole + compress(b"end")[:-3])
    with pytest.raises(FileFormatError, match=r"a.mrc cannot be read as an MRC file"):
        read_mrc(path)


def unpacked(content):
    """Return what zlib makes of a gzip stream; None if it refuses it."""
    try:
        return zlib.decompress(content, wbits=31)
    except zlib.error:
        return None


def test_flipped_bits_of_stored_voxels_are_noticed(header_with, tmp_path):
    """gzip stores noise as it is: most damage changes voxels or the header, and nothing else."""
    rng = np.random.default_rng(0)
    path = header_with(tmp_path / "a.mrc", rng.normal(size=(8, 9, 10)).astype(np.float32), [])
    whole = gzip.compress(path.read_bytes(), 1)
    n_harmless = 0
    for place in rng.integers(10, len(whole), size=200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        if unpacked(damaged) == unpacked(whole):
            # Between blocks and before the checksum, up to seven bits fill a byte.
            n_harmless += 1
            continue
        with pytest.raises(FileFormatError, match=r"a.mrc"):
            read_mrc(path)
    assert n_harmless <= 2


def test_a_compressed_file_that_goes_on_and_on_is_refused(
    header_with, tmp_path, volume, monkeypatch
):
    monkeypatch.setattr("sksubtomo.io._mrc._LARGEST_REST", 1000)
    path = header_with(tmp_path / "a.mrc", volume, [])
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(1001)))
    with pytest.raises(FileFormatError, match="goes on for more than 1000 bytes beyond"):
        read_mrc(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_no_more_is_kept_than_the_header_says(header_with, tmp_path, volume, compress):
    path = header_with(tmp_path / "a.mrc", volume, [])
    n_more = 2**27
    path.write_bytes(compress(path.read_bytes() + bytes(n_more)))
    assert path.stat().st_size < n_more / 900
    tracemalloc.start()
    with pytest.warns(UserWarning, match=r"a.mrc .*the file goes on beyond what it says"):
        assert np.array_equal(read_mrc(path).data, volume)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26


@pytest.mark.parametrize("compress", [None, gzip.compress, bz2.compress])
def test_a_long_extended_header_is_not_believed(header_with, tmp_path, volume, compress):
    path = header_with(tmp_path / "a.mrc", volume, [(92, "<i4", [2**31 - 1])])
    if compress:
        path.write_bytes(compress(path.read_bytes()))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=r"a.mrc .*(which take|ends within its header)"):
        read_mrc(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26
    header_with(path, volume, [(92, "<i4", [-1])], overwrite=True)
    with pytest.raises(FileFormatError, match="-1 bytes of more header"):
        read_mrc(path)


def test_more_voxels_than_the_header_says(header_with, tmp_path, volume):
    path = header_with(tmp_path / "a.mrc", volume, [(8, "<i4", [2])])
    with pytest.warns(UserWarning, match="goes on beyond"):
        assert np.array_equal(read_mrc(path).data, volume[:2])
    # Without the mark of an MRC file, it is none.
    header_with(path, volume, [(8, "<i4", [2]), (208, "u1", [0, 0, 0, 0])], overwrite=True)
    with pytest.raises(FileFormatError, match="lacks the mark MAP, and its size is not"):
        read_mrc(path)


def test_what_the_system_says_stays_what_it_is(tmp_path, volume, monkeypatch):
    write_mrc(tmp_path / "a.mrc", volume, 10.0)

    def fail(*args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(np, "fromfile", fail)
    with pytest.raises(OSError, match=r"Input/output error: '.*a.mrc'"):
        read_mrc(tmp_path / "a.mrc")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bits_and_cut_ends_give_a_volume_or_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.mrc"
    write_mrc(path, np.arange(60, dtype=np.float32).reshape(3, 4, 5), 10.0)
    whole = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, 1023), max_size=4)):
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    path.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome = str(read_mrc(path).data.ndim)
        except FileFormatError as error:
            outcome = str(error)
    assert outcome == "3" or "a.mrc" in outcome
    assert path.read_bytes() == damaged
    assert [file.name for file in path.parent.iterdir()] == ["a.mrc"]
