"""What a file is, told by its first bytes."""

from __future__ import annotations

import os
from pathlib import Path

from sksubtomo.exceptions import FileFormatError

# Offset of the marks of a kind, and the marks.
_MARKS = (
    (208, b"MAP ", "an MRC volume"),
    (0, b"\x1f\x8b", "a file compressed by gzip"),
    (0, b"BZh", "a file compressed by bzip2"),
    (0, b"\xfd7zXZ\x00", "a file compressed by xz"),
    (0, b"\x28\xb5\x2f\xfd", "a file compressed by zstd"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\x00\x05\x16\x07", "an AppleDouble file of macOS, not the file that it is named after"),
    (0, b"\xff\xfe", "text in UTF-16"),
    (0, b"\xfe\xff", "text in UTF-16"),
)
_EM_TYPES = (1, 2, 4, 5, 8, 9, 10)
_EM_MACHINES = range(7)
# A pickle of protocol 2 and later begins with the protocol.
_PICKLE_PROTOCOLS = range(2, 6)
_N_BYTES = 4096
# Of text: five million particles with what RELION says of each, several times as much in memory.
_LARGEST_TEXT = 2**31


def binary_kind(path: str | os.PathLike[str]) -> str | None:
    """Return what kind of binary file this is, or None if it looks like text.

    Parameters
    ----------
    path : path-like
        The file, of which the first bytes are read.

    Returns
    -------
    kind : str or None
        With its article, such as "an MRC volume".
    """
    with open(path, "rb") as file:
        start = file.read(_N_BYTES)
    for offset, mark, kind in _MARKS:
        if start[offset : offset + len(mark)] == mark:
            return kind
    if len(start) >= 2 and start[0] == 0x80 and start[1] in _PICKLE_PROTOCOLS:
        return "a Python pickle"
    if len(start) >= 512 and start[0] in _EM_MACHINES and start[3] in _EM_TYPES:
        return "an EM volume"
    return "a binary file" if b"\x00" in start else None


def check_is_text(path: Path, expected: str) -> None:
    """Check that a file is text of a size that can be meant, before it is parsed.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        What it is to be, such as "a table of particles".

    Raises
    ------
    FileFormatError
        If it is a binary file, or has gigabytes.
    """
    kind = binary_kind(path)
    if kind is not None:
        raise FileFormatError(f"{path} is {kind}, not {expected}. Give text in UTF-8.")
    n_bytes = path.stat().st_size
    if n_bytes > _LARGEST_TEXT:
        raise FileFormatError(
            f"{path} has {n_bytes / 2**30:.1f} GiB, which is not {expected}; up to "
            f"{_LARGEST_TEXT / 2**30:g} GiB are read. Split it."
        )
