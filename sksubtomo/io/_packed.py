"""How large packed bytes become, told before they are unpacked.

Codecs trust the size in the first bytes of a chunk, or unpack as much as there is: a chunk of a
megabyte may become gigabytes, and Blosc reads beyond a chunk that lies about its size.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

# Codecs that leave the size as it is but for a checksum of so many bytes, behind or before.
_CHECKSUM_BYTES = {"crc32c": 4, "shuffle": 0}
_MOST_AT_ONCE, _MOST_MEMORY = 2**20, 2**28
_BLOSC_HEADER_BYTES, _BLOSC_COPIED = 16, 2
_ZSTD_MAGIC, _ZSTD_SKIPPED, _ZSTD_BLOCK_BYTES = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18", 2**17
# A frame of Zstandard without its size may seem so much larger than it is, or that large.
_ZSTD_EXCESS, _ZSTD_HARMLESS = 4, 2**28


def codec_name(codec: Any) -> str:
    """Return the name of a codec of zarr or numcodecs, in small letters."""
    return type(codec).__name__.lower().removesuffix("codec")


def check_codecs(codecs: Sequence[Any]) -> None:
    """Check that it can be told how large becomes what codecs packed.

    Raises
    ------
    ValueError
        If it cannot.
    """
    names = [codec_name(codec) for codec in codecs]
    packers = [name for name in names if name not in _CHECKSUM_BYTES]
    if len(packers) > 1 or not set(packers) <= {*_PARTS, "blosc", "lz4", "zstd"}:
        raise ValueError(
            f"its chunks are packed by {', '.join(packers)}, of which it is not known how large "
            "they become. Write it with one of Blosc, Zstandard, LZ4, gzip, zlib, bzip2 or LZMA"
        )


def check_unpacked(codecs: Sequence[Any], content: bytes, most: int) -> None:
    """Check that packed bytes do not become more than they may.

    Parameters
    ----------
    codecs : sequence of codec
        What packed them, one after the other, after :func:`check_codecs`.
    content : bytes
        The packed bytes.
    most : int
        How many there may be, unpacked.

    Raises
    ------
    ValueError
        If there may be more, or what they say of themselves contradicts itself.
    """
    for codec in reversed(codecs):
        name = codec_name(codec)
        if name in _CHECKSUM_BYTES:
            content = content[: len(content) - _CHECKSUM_BYTES[name]]
            continue
        size = _unpacked_size(name, codec, content, most)
        if size > most:
            raise ValueError(f"it unpacks to {size} bytes or more, of at most {most}")


def _unpacked_size(name: str, codec: Any, content: bytes, most: int) -> int:
    """Return how many bytes there will be; or, if it is more than `most`, that it is."""
    if name == "blosc":
        return _blosc_size(content)
    if name == "lz4":
        # In numcodecs' own form, which begins with the size.
        return int.from_bytes(content[:4], "little")
    if name == "zstd":
        return _zstd_size(content, most)
    size = 0
    for part in _PARTS[name](content, codec):
        size += len(part)
        if size > most:
            break
    return size


def _parts_of_gzip(content: bytes, _: Any) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=BytesIO(content)) as stream:
        while part := stream.read(_MOST_AT_ONCE):
            yield part


def _parts_of_zlib(content: bytes, _: Any) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    while content and not unpacker.eof:
        yield unpacker.decompress(content, _MOST_AT_ONCE)
        content = unpacker.unconsumed_tail


def _parts_of_streams(content: bytes, codec: Any) -> Iterator[bytes]:
    """Yield what one or more streams of bzip2 or LZMA unpack to."""
    # numcodecs' codec, where one of zarr is around it.
    codec = getattr(codec, "_codec", codec)
    while content:
        unpacker: Any = bz2.BZ2Decompressor()
        if codec_name(codec) == "lzma":
            limit = None if codec.format == lzma.FORMAT_RAW else _MOST_MEMORY
            unpacker = lzma.LZMADecompressor(codec.format, limit, codec.filters)
        part = unpacker.decompress(content, _MOST_AT_ONCE)
        while part:
            yield part
            part = b"" if unpacker.eof else unpacker.decompress(b"", _MOST_AT_ONCE)
        content = unpacker.unused_data if unpacker.eof else b""


_PARTS = {
    "bz2": _parts_of_streams,
    "gzip": _parts_of_gzip,
    "lzma": _parts_of_streams,
    "zlib": _parts_of_zlib,
}


def _zstd_size(content: bytes, most: int) -> int:
    """Return the size that the frames of Zstandard say, or the most that their blocks can have.

    References
    ----------
    RFC 8878, 3.1.1.
    """
    size = bound = place = 0
    while len(content) > place + 8:
        magic = content[place : place + 4]
        if magic[1:] == _ZSTD_SKIPPED and magic[0] >> 4 == 5:
            place += 8 + int.from_bytes(content[place + 4 : place + 8], "little")
            continue
        if magic != _ZSTD_MAGIC:
            break
        said, has_checksum, place = _zstd_header(content, place + 4)
        in_blocks, place = _zstd_blocks(content, place)
        size, bound = (size, bound + in_blocks) if said is None else (size + said, bound)
        place += 4 * has_checksum
    return size + (bound if bound > max(_ZSTD_EXCESS * most, _ZSTD_HARMLESS) else 0)


def _zstd_header(content: bytes, place: int) -> tuple[int | None, bool, int]:
    """Return the size that a frame says, if it ends in a checksum, and where its blocks begin."""
    descriptor = content[place]
    size_flag, single_segment, dictionary = descriptor >> 6, descriptor >> 5 & 1, descriptor & 3
    n_digits = (single_segment, 2, 4, 8)[size_flag]
    # Behind the window, which single segments have none of, and the dictionary's number.
    start = place + 1 + (not single_segment) + (0, 1, 2, 4)[dictionary]
    size = int.from_bytes(content[start : start + n_digits], "little")
    size += 256 if n_digits == 2 else 0
    return size if n_digits else None, bool(descriptor >> 2 & 1), start + n_digits


def _zstd_blocks(content: bytes, place: int) -> tuple[int, int]:
    """Return the most bytes that the blocks of a frame can have, and where they end."""
    bound, last = 0, False
    while not last and place + 3 <= len(content):
        header = int.from_bytes(content[place : place + 3], "little")
        last, kind, n_bytes = bool(header & 1), header >> 1 & 3, header >> 3
        bound += _ZSTD_BLOCK_BYTES if kind == 2 else n_bytes
        # One byte repeated takes one byte.
        place += 3 + (1 if kind == 1 else n_bytes)
    return bound, place


def _blosc_size(content: bytes) -> int:
    """Return the size in the header of a Blosc chunk that fits the chunk.

    References
    ----------
    https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """
    n_bytes = len(content)
    if n_bytes < _BLOSC_HEADER_BYTES:
        raise ValueError(f"a chunk of {n_bytes} bytes is too short for Blosc")
    size, block, packed = (
        int.from_bytes(content[place : place + 4], "little") for place in (4, 8, 12)
    )
    if packed != n_bytes:
        raise ValueError(f"a chunk of {n_bytes} bytes says that it has {packed}")
    if content[2] & _BLOSC_COPIED:
        if size + _BLOSC_HEADER_BYTES != n_bytes:
            raise ValueError(f"a chunk of {n_bytes} bytes says that it holds {size} as they are")
    elif size and not (
        0 < block <= size and 4 * -(-size // block) + _BLOSC_HEADER_BYTES <= n_bytes
    ):
        raise ValueError(f"a chunk of {n_bytes} bytes says that it has blocks of {block}")
    return size
