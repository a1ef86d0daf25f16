"""Damaged volumes give a plausible volume or an error that names the file, in little memory."""

import bz2
import gzip
import math
import pickle
import warnings

import emfile
import numcodecs
import numpy as np
import pytest
import zarr

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_labeled_pickle, read_volume, write_mrc

VOLUME = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
# What whole numbers in headers become: absurd, negative, and off by a little.
EXTREMES = [0, 1, 2, 255, 2**15, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 2, 0x7F800000]
LONGEST_MESSAGE = 800


def mutate(whole, rng, n_header):
    """Return bytes with some changed, most of them in the header, some cut off or put in."""
    content = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        if not content:
            break
        place = int(
            rng.integers(min(n_header, len(content)) if rng.random() < 0.8 else len(content))
        )
        kind = rng.integers(4)
        if kind == 0:
            content[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            content[place] = int(rng.integers(256))
        elif kind == 2:
            start = place // 4 * 4
            value = int(EXTREMES[rng.integers(len(EXTREMES))])
            content[start : start + 4] = value.to_bytes(
                4, "big" if rng.random() < 0.2 else "little"
            )
        elif rng.random() < 0.3:
            content[place:place] = rng.bytes(int(rng.integers(1, 9)))
        else:
            del content[place : place + int(rng.integers(1, 9))]
    if content and rng.random() < 0.15:
        del content[int(rng.integers(len(content))) :]
    return bytes(content)


def check_whole_volume(volume):
    np.testing.assert_array_equal(volume.data, (10 * VOLUME).astype(np.float32))


def check_volume(volume):
    assert volume.data.ndim == 3
    assert 0 < volume.data.size <= 2**22
    assert volume.data.dtype.kind in "iufb"
    sizes = volume.voxel_size_angstrom
    assert sizes is None or all(math.isfinite(size) and 0.01 <= size <= 1e6 for size in sizes)


def is_read(read, check, path):
    """Return whether a file was read; what is refused is refused by name and briefly."""
    message = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(read(path))
        except FileFormatError as error:
            message = str(error)
    assert message is None or (path.name in message and len(message) <= LONGEST_MESSAGE)
    return message is None


def mrc_bytes(tmp_path, dtype="float32"):
    write_mrc(tmp_path / "whole.mrc", (10 * VOLUME).astype(dtype), 10.0)
    content = bytearray((tmp_path / "whole.mrc").read_bytes())
    content[224:1024] = bytes(800)  # the labels, which give the time: each run damages the same
    return bytes(content)


def em_bytes(tmp_path):
    emfile.write(tmp_path / "whole.em", VOLUME)
    return (tmp_path / "whole.em").read_bytes()


def pickle_bytes(tmp_path, protocol):
    return pickle.dumps({"a": list(VOLUME[np.newaxis]), "b": [VOLUME + 1]}, protocol=protocol)


def imod_bytes(tmp_path):
    content = bytearray(mrc_bytes(tmp_path, "int8"))
    content[152:160] = b"IMOD" + bytes(4)
    return bytes(content)


CASES = {
    "a.mrc": (mrc_bytes, 1024, 14_000),
    "imod.mrc": (imod_bytes, 1024, 4_000),
    "a.mrc.gz": (lambda path: gzip.compress(mrc_bytes(path)), 10**6, 6_000),
    "b.mrc.gz": (mrc_bytes, 1024, 4_000),
    "a.mrc.bz2": (lambda path: bz2.compress(mrc_bytes(path)), 10**6, 5_000),
    "b.mrc.bz2": (mrc_bytes, 1024, 3_000),
    "a.em": (em_bytes, 512, 8_000),
    "a.pickle": (lambda path: pickle_bytes(path, 2), 10**6, 5_000),
    "b.pickle": (lambda path: pickle_bytes(path, 5), 10**6, 5_000),
}
# The checksum of these covers the volume: none but the whole one may be read.
_CHECKED = ("a.mrc.gz", "a.mrc.bz2")
_COMPRESS = {"b.mrc.gz": lambda whole: gzip.compress(whole, 1), "b.mrc.bz2": bz2.compress}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_damaged_files(tmp_path, little_memory, name):
    make, n_header, n_mutations = CASES[name]
    whole, path = make(tmp_path), tmp_path / name
    of_pickle = name.endswith(".pickle")
    read = read_labeled_pickle if of_pickle else read_volume
    check = check_labeled if of_pickle else check_volume
    check = check_whole_volume if name in _CHECKED else check
    rng = np.random.default_rng(0)
    n_read = 0
    for _ in range(n_mutations):
        # What is compressed after the damage has a checksum that fits.
        damaged = _COMPRESS.get(name, bytes)(mutate(whole, rng, n_header))
        path.write_bytes(damaged)
        n_read += is_read(read, check, path)
        assert path.stat().st_size == len(damaged)
    assert name in _CHECKED or n_read > 0
    assert n_read < n_mutations


def check_labeled(volumes_and_labels):
    X, y = volumes_and_labels
    assert X.ndim == 4
    assert len(X) == len(y) > 0
    assert 0 < X.size <= 2**22


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damaged_ome_zarr(tmp_path, little_memory, zarr_format):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    # Blosc says the size of its content itself, as zstd, the default of format 3, does.
    codec = {"compressors": numcodecs.Blosc()} if zarr_format == 2 else {}
    array = group.create_array("0", shape=VOLUME.shape, dtype="f4", chunks=(3, 7, 8), **codec)
    array[...] = VOLUME
    axes = [{"name": name, "unit": "angstrom"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [10.0, 10.0, 10.0]}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    content = {"multiscales": [{**multiscale, "version": "0.4"}]}
    group.attrs.update(content if zarr_format == 2 else {"ome": content})
    files = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    rng = np.random.default_rng(0)
    n_read = 0
    for _ in range(3_000):
        file = list(files)[rng.integers(len(files))]
        n_header = 10**6 if files[file][:1] == b"{" else 32
        file.write_bytes(mutate(files[file], rng, n_header))
        n_read += is_read(read_volume, check_volume, path)
        file.write_bytes(files[file])
    assert 0 < n_read < 3_000


def test_the_mutations_are_as_many_as_the_documents_say():
    assert sum(n for _, _, n in CASES.values()) + 2 * 3_000 >= 50_000
