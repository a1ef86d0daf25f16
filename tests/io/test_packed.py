"""Chunks of OME-Zarr that unpack to more than their array has."""

import bz2
import gzip
import json
import lzma
import tracemalloc
import warnings
import zlib

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import SubtomogramStack, open_volume, read_volume
from sksubtomo.io._packed import check_unpacked

VOLUME = np.random.default_rng(0).integers(0, 3, size=(8, 8, 8)).astype(np.float32)
# What a bomb unpacks to: a thousand times the volume, and much more than the test may take.
BOMB = bytes(2**26)
pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

V2 = {
    "zlib": (numcodecs.Zlib(), zlib.compress),
    "gzip": (numcodecs.GZip(), gzip.compress),
    "bz2": (numcodecs.BZ2(), bz2.compress),
    "lzma": (numcodecs.LZMA(), lzma.compress),
    "lz4": (numcodecs.LZ4(), numcodecs.LZ4().encode),
    "zstd": (numcodecs.Zstd(), numcodecs.Zstd().encode),
    "blosc": (numcodecs.Blosc(), numcodecs.Blosc().encode),
}
V3 = {
    "gzip": (GzipCodec(), gzip.compress),
    "zstd": (ZstdCodec(), numcodecs.Zstd().encode),
    "blosc": (BloscCodec(), numcodecs.Blosc().encode),
}


def write(path, version, codecs, **options):
    group = zarr.open_group(path, mode="w", zarr_format=version)
    array = group.create_array(
        "0", shape=VOLUME.shape, dtype="f4", compressors=codecs, **{"chunks": (4, 8, 8), **options}
    )
    array[...] = VOLUME
    axes = [{"name": name, "unit": "angstrom"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [10.0, 10.0, 10.0]}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    content = {"multiscales": [{**multiscale, "version": "0.4"}]}
    group.attrs.update(content if version == 2 else {"ome": content})
    return path


def chunks(path):
    files = sorted(file for file in (path / "0").rglob("*") if file.is_file())
    return [file for file in files if not file.name.startswith((".z", "zarr"))]


def refused(path, *message):
    tracemalloc.start()
    for read in (read_volume, lambda path: open_volume(path)[:1, :1, :1]):
        with pytest.raises(FileFormatError, match=rf"a.zarr.*{'.*'.join(message)}"):
            read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(BOMB) / 2


@pytest.mark.parametrize("name", V2)
def test_bombs_in_format_2(tmp_path, name):
    codec, compress = V2[name]
    path = write(tmp_path / "a.zarr", 2, codec)
    assert np.array_equal(read_volume(path).data, VOLUME)
    chunks(path)[0].write_bytes(compress(BOMB))
    refused(path, "its chunk 0/0.0.0 cannot be unpacked", "of at most 1024")


@pytest.mark.parametrize("name", V3)
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("checksum", [False, True])
def test_bombs_in_format_3(tmp_path, name, sharded, checksum):
    codec, compress = V3[name]
    options = {"chunks": (2, 4, 8), "shards": (4, 8, 8)} if sharded else {}
    codecs = [codec, Crc32cCodec()] if checksum else [codec]
    path = write(tmp_path / "a.zarr", 3, codecs, **options)
    assert np.array_equal(read_volume(path).data, VOLUME)
    volume = open_volume(path)
    assert np.array_equal(volume[1:3, 2:4, 5:], VOLUME[1:3, 2:4, 5:])
    bomb = compress(BOMB)
    if checksum:
        bomb = bytes(numcodecs.CRC32C(location="end").encode(bomb))
    chunk = chunks(path)[0]
    if sharded:
        # The index is of four places and sizes, and a checksum.
        whole = chunk.read_bytes()
        index = np.frombuffer(whole[-68:-4], "<u8").reshape(4, 2).copy()
        index[0] = 0, len(bomb)
        packed = numcodecs.CRC32C(location="end").encode(index.tobytes())
        chunk.write_bytes(bomb.ljust(len(whole) - 68, b"\0") + bytes(packed))
    else:
        chunk.write_bytes(bomb)
    refused(path, "cannot be unpacked: it unpacks to", "of at most")


def test_frames_of_zstandard_that_do_not_say_their_size():
    codec = [numcodecs.Zstd()]
    # 700 blocks of one byte repeated 128 KiB times, and the same with packed blocks.
    magic, window = b"\x28\xb5\x2f\xfd", b"\x00\x58"
    repeated = ((2**17 << 3 | 1 << 1).to_bytes(3, "little") + b"a") * 3000
    last = (1).to_bytes(3, "little")
    frame = magic + window + repeated + last
    assert len(numcodecs.Zstd().decode(magic + window + repeated[:4] + last)) == 2**17
    with pytest.raises(ValueError, match=r"unpacks to 393216000 bytes or more, of at most 4096"):
        check_unpacked(codec, frame, 4096)
    check_unpacked(codec, magic + window + repeated[:4] + last, 2**17)
    # Of several frames, skipped ones and ones with a checksum.
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    with_checksum = numcodecs.Zstd(checksum=True).encode(b"a" * 1000)
    check_unpacked(codec, skipped + with_checksum * 2, 2000)
    with pytest.raises(ValueError, match="unpacks to 3000 bytes or more"):
        check_unpacked(codec, skipped + with_checksum * 3, 2000)


def test_streams_of_several_parts_are_counted_whole():
    for name in ("gzip", "bz2", "lzma"):
        codec, compress = V2[name]
        check_unpacked([codec], compress(b"a" * 1000) * 2, 2000)
        with pytest.raises(ValueError, match="unpacks to 3000 bytes or more"):
            check_unpacked([codec], compress(b"a" * 1000) * 3, 2000)


@pytest.mark.parametrize("names", ["BZ2 gzip", "Delta", "Shuffle gzip", "LZMA", "Zlib"])
def test_codecs_of_numcodecs_in_format_3(tmp_path, names):
    of_numcodecs = pytest.importorskip("zarr.codecs.numcodecs")
    options = {"Delta": {"dtype": "<f4"}, "Shuffle": {"elementsize": 4}}
    codecs = [
        GzipCodec() if name == "gzip" else getattr(of_numcodecs, name)(**options.get(name, {}))
        for name in names.split()
    ]
    filters = {"filters": codecs} if names == "Delta" else {}
    path = write(tmp_path / "a.zarr", 3, [] if filters else codecs, **filters)
    if names != "BZ2 gzip":
        assert np.array_equal(read_volume(path).data, VOLUME)
        return
    with pytest.raises(FileFormatError, match=r"a.zarr.*packed by bz2, gzip, of which it is not"):
        read_volume(path)


@pytest.mark.parametrize(
    ("filters", "message"),
    [([numcodecs.Delta("<f4")], None), ([numcodecs.Zlib()], "coded by zlib, of which it is not")],
)
def test_filters_in_format_2(tmp_path, filters, message):
    path = write(tmp_path / "a.zarr", 2, numcodecs.Zstd(), filters=filters)
    if message is None:
        assert np.array_equal(read_volume(path).data, VOLUME)
        return
    with pytest.raises(FileFormatError, match=rf"a.zarr.*{message}"):
        read_volume(path)


def test_missing_chunks_are_filled_where_it_is_asked_for_only(tmp_path):
    path = write(tmp_path / "TS_1.zarr", 2, numcodecs.Zlib(), fill_value=7.0)
    chunks(path)[0].unlink()
    with pytest.raises(FileFormatError, match=r"1 of 2 chunks.*--missing-chunks fill"):
        SubtomogramStack([path], [[4, 4, 4]], [0], 4)
    stack = SubtomogramStack([path], [[4, 4, 4]], [0], 4, on_bad="skip")
    assert stack.outcomes.tolist() == ["unreadable"]
    stack = SubtomogramStack([path], [[4, 4, 4]], [0], 4, missing_chunks="fill")
    assert stack[0][0, 0, 0] == 7.0
    assert np.array_equal(stack[0][2:], VOLUME[4:6, 2:6, 2:6])
    with pytest.raises(ValueError, match="missing_chunks='zero' must be"):
        SubtomogramStack([path], [[4, 4, 4]], [0], 4, on_bad="skip", missing_chunks="zero")


class Foreign(numcodecs.abc.Codec):
    """A codec of another package, which zarr would make."""

    codec_id = "foreign"

    def __init__(self):
        raise AssertionError("it was made")


@pytest.mark.parametrize("place", ["compressor", "filters", "consolidated"])
@pytest.mark.parametrize("name", ["pickle", "foreign", "json2", "vlen-utf8"])
def test_other_codecs_are_refused_by_name_before_they_are_made(tmp_path, place, name):
    numcodecs.register_codec(Foreign)
    path = write(tmp_path / "a.zarr", 2, numcodecs.Zlib())
    if place == "consolidated":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(path)
    file = path / (".zmetadata" if place == "consolidated" else "0/.zarray")
    metadata = json.loads(file.read_text())
    array = metadata["metadata"]["0/.zarray"] if place == "consolidated" else metadata
    array["compressor" if place == "consolidated" else place] = (
        [{"id": name}] if place == "filters" else {"id": name}
    )
    file.write_text(json.dumps(metadata))
    with pytest.raises(FileFormatError, match=rf"a.zarr.*codec '{name}', which is not read"):
        read_volume(path)


@pytest.mark.parametrize("key", ["codecs", "index_codecs"])
def test_other_codecs_of_format_3_are_refused_by_name(tmp_path, key):
    path = write(tmp_path / "a.zarr", 3, [], shards=(8, 8, 8))
    metadata = json.loads((path / "0/zarr.json").read_text())
    metadata["codecs"][0]["configuration"][key].append({"name": "foreign"})
    (path / "0/zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(FileFormatError, match=r"a.zarr.*codec 'foreign', which is not read"):
        read_volume(path)


@pytest.mark.parametrize("content", ["[" * 10**5, '{"a":' * 10**5, "9" * 10**5])
def test_metadata_are_bounded(tmp_path, content):
    path = write(tmp_path / "a.zarr", 3, [])
    (path / "0/zarr.json").write_text(content)
    with pytest.raises(FileFormatError, match=r"a.zarr"):
        read_volume(path)
