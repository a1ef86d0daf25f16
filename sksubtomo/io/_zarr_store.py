"""Files of a Zarr, of which no chunk may say of itself what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
_BLOSC_HEADER_BYTES, _BLOSC_COPIED = 16, 2


def is_metadata(key: str) -> bool:
    """Tell whether a file of a Zarr is none of its chunks."""
    return key.rsplit("/", 1)[-1] in _METADATA


def checked_store(path: Path) -> Any:
    """Return a store of zarr that reads a folder.

    Codecs believe what the first bytes of a chunk say: they allocate up to gigabytes, and Blosc
    reads beyond the chunk. Where ``limit`` was called, such chunks are refused.
    """
    from zarr.storage import LocalStore, WrapperStore

    class CheckedStore(WrapperStore):
        """Reads chunks and looks at what they say of their size."""

        _codec, _most = "", 0

        def limit(self, codecs: tuple[Any, ...], most: int) -> None:
            """Set what chunks are packed by, and how many bytes they unpack to at most."""
            # Of several, such as with a checksum, the first bytes may be of any.
            name = type(codecs[0]).__name__.lower() if len(codecs) == 1 else ""
            self._codec, self._most = name, most

        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            content = await super().get(key, prototype, byte_range)
            if content is not None and self._codec and not is_metadata(key):
                said = unpacked_size(self._codec, content[:24].to_bytes(), len(content))
                if said > self._most:
                    raise ValueError(
                        f"its chunk {key} says that it has {said} bytes, of at most {self._most}"
                    )
            return content

    return CheckedStore(LocalStore(path, read_only=True))


def unpacked_size(codec: str, start: bytes, n_bytes: int) -> int:
    """Return how many bytes a packed chunk says that it has, 0 where it does not say.

    Parameters
    ----------
    codec : str
        Name of the class of the codec, in small letters.
    start : bytes
        The first bytes of the chunk.
    n_bytes : int
        How many there are.

    Raises
    ------
    ValueError
        If what it says of itself contradicts itself.

    References
    ----------
    Zstandard: RFC 8878, 3.1.1.1. LZ4 is numcodecs' own form, which begins with the size.
    """
    if "blosc" in codec:
        return _blosc_size(start, n_bytes)
    if "lz4" in codec:
        return int.from_bytes(start[:4], "little")
    if "zstd" in codec and len(start) > 4:
        descriptor = start[4]
        size_flag, single_segment, dictionary = descriptor >> 6, descriptor >> 5 & 1, descriptor & 3
        n_digits = (single_segment, 2, 4, 8)[size_flag]
        # Behind the window, which single segments have none of, and the dictionary's number.
        place = 5 + (not single_segment) + (0, 1, 2, 4)[dictionary]
        size = int.from_bytes(start[place : place + n_digits], "little")
        return size + 256 if n_digits == 2 else size
    return 0


def _blosc_size(start: bytes, n_bytes: int) -> int:
    """Return the size in the header of a Blosc chunk that fits the chunk.

    References
    ----------
    https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """
    if n_bytes < _BLOSC_HEADER_BYTES:
        raise ValueError(f"a chunk of {n_bytes} bytes is too short for Blosc")
    size, block, packed = (
        int.from_bytes(start[place : place + 4], "little") for place in (4, 8, 12)
    )
    if packed != n_bytes:
        raise ValueError(f"a chunk of {n_bytes} bytes says that it has {packed}")
    if start[2] & _BLOSC_COPIED:
        if size + _BLOSC_HEADER_BYTES != n_bytes:
            raise ValueError(f"a chunk of {n_bytes} bytes says that it holds {size} as they are")
    elif size and not (
        0 < block <= size and 4 * -(-size // block) + _BLOSC_HEADER_BYTES <= n_bytes
    ):
        raise ValueError(f"a chunk of {n_bytes} bytes says that it has blocks of {block}")
    return size
