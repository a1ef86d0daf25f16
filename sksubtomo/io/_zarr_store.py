"""Files of a Zarr, of which no chunk may say of itself what cannot be."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sksubtomo._utils._destination import kind_of
from sksubtomo.io._packed import check_codecs, check_unpacked, codec_name
from sksubtomo.io._zarr_metadata import LARGEST_METADATA, check_metadata

_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
# Filters of format 2 that keep the number of values; the widest value has 8 bytes.
_FILTERS = {"delta", "fixedscaleoffset", "quantize", "astype", "bitround", "shuffle", "packbits"}
_MOST_ITEM_BYTES = 8
_NO_CHUNK = 2**64 - 1


def is_metadata(key: str) -> bool:
    """Tell whether a file of a Zarr is none of its chunks."""
    return key.rsplit("/", 1)[-1] in _METADATA


def checked_store(path: Path) -> Any:
    """Return a store of zarr that reads a folder.

    Where ``limit`` was called with an array, chunks that unpack to more than the array's metadata
    say are refused before they are unpacked.
    """
    from zarr.storage import LocalStore, WrapperStore

    class CheckedStore(WrapperStore):
        """Reads chunks and looks at how large they become."""

        _chunks: _PackedChunks | None = None

        def limit(self, array: Any) -> None:
            """Set which array the chunks are of."""
            self._chunks = _PackedChunks(array)

        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            largest: int | None = LARGEST_METADATA
            if not is_metadata(key):
                largest = None if self._chunks is None else self._chunks.largest_file
            _check_size(path / key, key, largest)
            content = await super().get(key, prototype, byte_range)
            if content is not None and is_metadata(key):
                check_metadata(key, content.to_bytes())
            if content is not None and self._chunks is not None and not is_metadata(key):
                await asyncio.to_thread(self._chunks.check, key, content.to_bytes(), byte_range)
            return content

    return CheckedStore(LocalStore(path, read_only=True))


def _check_size(path: Path, key: str, largest: int | None) -> None:
    """Check that a file of a Zarr is one, and not too large to be read.

    Raises
    ------
    ValueError
        If it is a pipe or a device, which need not end, or too large.
    """
    kind = kind_of(path)
    if kind not in (None, "a file", "a folder"):
        raise ValueError(f"its {key} is {kind}, and no file")
    if kind == "a file" and largest is not None and path.stat().st_size > largest:
        raise ValueError(f"its {key} has {path.stat().st_size} bytes")


class _PackedChunks:
    """Chunks of an array as they are in its files.

    Parameters
    ----------
    array : zarr.Array
        Of numbers.

    Attributes
    ----------
    largest_file : int
        Bytes of the largest file that may hold a chunk, or a shard.

    Raises
    ------
    ValueError
        If it cannot be told how large they become.
    """

    def __init__(self, array: Any) -> None:
        self._codecs = array.compressors
        filters = {codec_name(one) for one in array.filters}
        serializer = "bytes" if array.serializer is None else codec_name(array.serializer)
        if serializer != "bytes" or (array.metadata.zarr_format == 2 and filters - _FILTERS):
            others = sorted({serializer, *filters} - {*_FILTERS, "bytes"})
            raise ValueError(
                f"its chunks are coded by {', '.join(others)}, of which it is not known how large "
                "they become. Write it without"
            )
        check_codecs(self._codecs)
        item_bytes = _MOST_ITEM_BYTES if filters else array.dtype.itemsize
        self._most = math.prod(array.chunks) * item_bytes
        self._n_in_shard = 0
        if array.shards:
            sharding = next(one for one in array.metadata.codecs if hasattr(one, "index_codecs"))
            names = [codec_name(one) for one in sharding.index_codecs]
            if names not in (["bytes"], ["bytes", "crc32c"]):
                raise ValueError("its shards have an index that is packed")
            pairs = zip(array.shards, array.chunks, strict=True)
            self._n_in_shard = math.prod(shard // chunk for shard, chunk in pairs)
            self._index_bytes = 16 * self._n_in_shard + 4 * (len(names) - 1)
            self._at_start = "start" in str(sharding.index_location)
        # What cannot be packed grows by little.
        self.largest_file = 2 * self._most * (self._n_in_shard or 1) + 2**20

    def check(self, key: str, content: bytes, byte_range: Any) -> None:
        """Check what was read of a file.

        Raises
        ------
        ValueError
            If a chunk becomes too large; the message names the file.
        """
        try:
            for chunk in self._chunks_in(content, byte_range):
                check_unpacked(self._codecs, chunk, self._most)
        except Exception as error:
            raise ValueError(f"its chunk {key} cannot be unpacked: {error}") from error

    def _chunks_in(self, content: bytes, byte_range: Any) -> Iterator[bytes]:
        if not self._n_in_shard:
            yield content
        elif byte_range is not None:
            # A shard's index, or one of its chunks.
            start = getattr(byte_range, "start", None)
            if start is not None and not (self._at_start and start == 0):
                yield content
        else:
            size = self._index_bytes
            index = content[:size] if self._at_start else content[max(len(content) - size, 0) :]
            places = np.frombuffer(index[: 16 * self._n_in_shard], "<u8").reshape(-1, 2)
            for place, n_bytes in places.tolist():
                if place != _NO_CHUNK:
                    yield content[place : place + n_bytes]
