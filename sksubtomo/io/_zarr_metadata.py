"""What the metadata of a Zarr ask for, looked at before zarr does.

zarr makes the objects of all codecs that metadata name, whichever packages bring them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

LARGEST_METADATA = 2**25
# That keep or tell the size of what they make; what is used where is checked afterwards.
_OF_NUMCODECS = {
    *("astype", "bitround", "blosc", "bz2", "crc32c", "delta", "fixedscaleoffset", "gzip"),
    *("lz4", "lzma", "packbits", "quantize", "shuffle", "zlib", "zstd"),
}
_KNOWN = {
    *("blosc", "bytes", "crc32c", "endian", "gzip", "sharding_indexed", "transpose", "zstd"),
    *(f"numcodecs.{name}" for name in _OF_NUMCODECS),
}
# Of version 2: one codec, a list of them; of version 3.
_PLACES_2, _PLACES_3 = ("compressor", "filters"), ("codecs", "index_codecs")


def check_metadata(key: str, content: bytes) -> None:
    """Check a file of metadata.

    Parameters
    ----------
    key : str
        Its name within the Zarr.
    content : bytes
        What is in it.

    Raises
    ------
    ValueError
        If it is no JSON, too large, or names a codec that is not known here.
    """
    if len(content) > LARGEST_METADATA:
        raise ValueError(f"its {key} has {len(content)} bytes")
    if key.endswith(".zattrs"):
        return
    try:
        metadata = json.loads(content)
    except RecursionError:
        raise ValueError(f"its {key} is nested too deeply") from None
    for codec, known in _codecs(metadata):
        # Of version 3, a codec may be its name alone.
        name = codec.get("name" if known is _KNOWN else "id") if isinstance(codec, dict) else codec
        if not isinstance(name, str) or name not in known:
            raise ValueError(
                f"it asks for the codec {str(name)[:80]!r}, which is not read. Write it with one "
                "of Blosc, Zstandard, LZ4, gzip, zlib, bzip2 or LZMA"
            )


def _codecs(node: Any) -> Iterator[tuple[Any, set[str]]]:
    """Yield all codecs in metadata, also consolidated ones, and those that are known there."""
    if isinstance(node, list):
        for one in node:
            yield from _codecs(one)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in _PLACES_2 or key in _PLACES_3:
            known = _OF_NUMCODECS if key in _PLACES_2 else _KNOWN
            listed = value if isinstance(value, list) else [value]
            yield from ((one, known) for one in listed if one is not None)
        # What users and other programs say of an array is not for zarr. Arrays may have that name.
        is_node = isinstance(node.get("zarr_format"), int)
        if not (key == "attributes" and is_node) and not key.endswith(".zattrs"):
            yield from _codecs(value)
