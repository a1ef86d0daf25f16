"""The file itself: a zip archive of one JSON document and plain arrays, none compressed.

Every entry is stored as it is, so that no entry is larger than the file, and every array has its
type and shape in the document, which decide about its size before memory is asked for. Arrays are
entries in NumPy's format, which ``numpy.load`` opens; their headers are compared with what they
have to be, never parsed.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import BoundedFile

# In bytes. What it becomes in memory is up to fifty times as large.
_LARGEST_DOCUMENT = 2**24
_NUMBERS = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<c(8|16)|(<U|\|S)[1-9][0-9]{0,5}")
_MOST_AXES = 64
_LOCAL_HEADER, _END_RECORD = 30, 22
# Of checksums: bytes that fit into a cache, and numbers in a block.
_PART, _BLOCK = 2**20, 2**12


def write_archive(
    path: Path, document: dict[str, Any], arrays: Sequence[NDArray], *, name: str
) -> None:
    """Write a document and arrays; what is written is the same for the same content.

    Parameters
    ----------
    path : Path
        Replaced if it is there.
    document : dict
        Of JSON. The descriptions of the arrays are added to it.
    arrays : sequence of ndarray
        Of numbers or text.
    name : str
        Of the document within the archive, such as "model.json".

    Raises
    ------
    ValueError
        If the document is larger than a reader takes.
    """
    entries = [_contiguous(array) for array in arrays]
    described = {
        **document,
        "arrays": [{**_description(one), "sum": _checksum(_bytes(one))} for one in entries],
    }
    text = json.dumps(described, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > _LARGEST_DOCUMENT:
        raise ValueError(
            f"Parameters and histories take {len(text)} bytes beside the arrays; {name} has room "
            f"for {_LARGEST_DOCUMENT}."
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(name), text)
        for number, array in enumerate(entries):
            entry = zipfile.ZipInfo(_name(number))
            with archive.open(entry, "w", force_zip64=array.nbytes >= 2**31) as file:
                file.write(_header(_description(array)))
                file.write(_bytes(array).data)


def _contiguous(array: NDArray) -> NDArray:
    array = np.asarray(array)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        # Products may differ in a bit with the order in memory, which a view has, too.
        array = array.copy(order="K")
    return array if _is_fortran(array) else np.ascontiguousarray(array).reshape(array.shape)


def _is_fortran(array: NDArray) -> bool:
    return array.flags.f_contiguous and not array.flags.c_contiguous


def _bytes(array: NDArray) -> NDArray[np.uint8]:
    """Return the bytes of an array in the order in which they are in memory, not copied."""
    # Transposed, an array in Fortran's order is one in C's.
    return (array.T if _is_fortran(array) else array).reshape(-1).view(np.uint8)


def _description(array: NDArray) -> dict[str, Any]:
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "order": "F" if _is_fortran(array) else "C",
    }


def _name(number: int) -> str:
    return f"arrays/{number}.npy"


def _header(description: dict[str, Any]) -> bytes:
    """Return the header of NumPy's format, version 1.0, a multiple of 64 bytes long."""
    shape = tuple(description["shape"])
    text = (
        f"{{'descr': {description['dtype']!r}, 'fortran_order': {description['order'] == 'F'}, "
        f"'shape': {shape!r}, }}"
    )
    filled = text.ljust(-(-(len(text) + 11) // 64) * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(filled).to_bytes(2, "little") + filled.encode("latin1")


class Archive:
    """A file that was written by :func:`write_archive`, open for reading.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Of the document within it.

    Attributes
    ----------
    document : dict
        What was written, as JSON has it.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no such file, is damaged, or says of itself what cannot be. What else
        ``zipfile`` may raise is for the caller to catch.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by __exit__
        try:
            self._n_bytes = os.fstat(self._file.fileno()).st_size
            self._entries = self._read_directory()
            self.document = self._read_document()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def described(self) -> None:
        """Check the descriptions of arrays against the entries, before any of them is read.

        Raises
        ------
        ValueError
            If there is another entry than those described, or one has another size.
        """
        described = self.document["arrays"]
        if not isinstance(described, list) or len(self._entries) != len(described) + 1:
            raise ValueError("its arrays are not those that it lists")
        for number, one in enumerate(described):
            _check_description(one)
            expected = len(_header(one)) + _n_bytes(one)
            if self._entries[_name(number)].file_size != expected:
                raise ValueError(f"{_name(number)} is not of the size that it should have")

    def array(self, number: int) -> NDArray:
        """Read an array, after :meth:`described`."""
        description = self.document["arrays"][number]
        header = _header(description)
        shape, dtype = tuple(description["shape"]), np.dtype(description["dtype"])
        fortran = description["order"] == "F"
        array = np.empty(shape[::-1] if fortran else shape, dtype)
        content = array.reshape(-1).view(np.uint8)
        entry = self._entries[_name(number)]
        self._seek(entry)
        if self._file.read(len(header)) != header:
            raise ValueError(f"{entry.filename} is not what it should be")
        found = _checksum(content, self._file)
        # Files of the first schema have none.
        if description["sum"] is not None and found != description["sum"]:
            raise ValueError(f"{entry.filename} is damaged")
        if dtype.kind == "b" and content.max(initial=0) > 1:
            raise ValueError(f"{entry.filename} has truth values that are neither 0 nor 1")
        return array.T if fortran else array

    def _read_directory(self) -> dict[str, zipfile.ZipInfo]:
        with zipfile.ZipFile(BoundedFile(self._file)) as archive:
            listed = archive.infolist()
            end = archive.start_dir
        self._file.seek(-_END_RECORD, io.SEEK_END)
        if self._file.read(4) != b"PK\x05\x06":
            raise ValueError("something stands behind its end")
        entries = {entry.filename: entry for entry in listed}
        expected = {self._name, *(_name(number) for number in range(len(listed) - 1))}
        if len(entries) != len(listed) or set(entries) != expected:
            raise ValueError("its entries are not those of such a file")
        for entry in listed:
            plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
            if not plain or entry.compress_size != entry.file_size:
                raise ValueError(f"{entry.filename} is compressed or encrypted")
        self._check_places(sorted(listed, key=lambda entry: entry.header_offset), end)
        return entries

    def _check_places(self, entries: list[zipfile.ZipInfo], end: int) -> None:
        """Check that no two entries are in the same place of the file."""
        if entries[0].header_offset != 0:
            raise ValueError("something stands before its first entry")
        ends = [*(entry.header_offset for entry in entries[1:]), min(end, self._n_bytes)]
        for entry, limit in zip(entries, ends, strict=True):
            least = _LOCAL_HEADER + len(entry.filename) + entry.file_size
            if entry.header_offset < 0 or entry.header_offset + least > limit:
                raise ValueError(f"{entry.filename} reaches into another entry")

    def _read_document(self) -> dict[str, Any]:
        entry = self._entries[self._name]
        if entry.file_size > _LARGEST_DOCUMENT:
            raise ValueError(f"{self._name} has {entry.file_size} bytes")
        self._seek(entry)
        text = self._file.read(entry.file_size)
        if zlib.crc32(text) != entry.CRC:
            raise ValueError(f"{self._name} is damaged")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
        if not isinstance(document, dict):
            raise ValueError(f"{self._name} is no mapping")
        return document

    def _seek(self, entry: zipfile.ZipInfo) -> None:
        """Go to the first byte of an entry, past its own header."""
        self._file.seek(entry.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if len(header) != _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
            raise ValueError(f"{entry.filename} is not where it should be")
        n_name, n_extra = (int.from_bytes(header[k : k + 2], "little") for k in (26, 28))
        if self._file.read(n_name) != entry.filename.encode():
            raise ValueError(f"{entry.filename} is not where it should be")
        self._file.seek(n_extra, io.SEEK_CUR)


def _checksum(content: NDArray[np.uint8], file: BinaryIO | None = None) -> int:
    """Return a checksum of bytes, which are read from a file first if there is one.

    CRC-32 of the sums of blocks, as numbers of 64 bits: a wrong bit always shows, and it takes an
    eighth of the time of the CRC-32 of all bytes, which would be as long as that of reading. The
    archive has that, too; ``unzip -t`` compares it.
    """
    crc = 0
    for start in range(0, len(content), _PART):
        part = content[start : start + _PART]
        if file is not None and file.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise ValueError("it ends within an array")
        whole = len(part) // 8 * 8
        words = part[:whole].view("<u8")
        sums = np.add.reduceat(words, np.arange(0, len(words), _BLOCK)) if whole else words
        crc = zlib.crc32(part[whole:].tobytes(), zlib.crc32(sums.tobytes(), crc))
    return crc


def check_dtype(dtype: Any) -> None:
    """Check that a type that a file names is one of numbers or text.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(dtype, str) or not _NUMBERS.fullmatch(dtype):
        raise ValueError(f"{str(dtype)[:40]} is no type of numbers or text")


def _check_description(described: Any) -> None:
    """Check type and shape of an array, which come from the file."""
    shape = described["shape"]
    check_dtype(described["dtype"])
    if described["order"] not in ("C", "F"):
        raise ValueError("the order of an array is neither C nor F")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise ValueError("the shape of an array is none")
    if not all(type(edge) is int and 0 <= edge < 2**48 for edge in shape):
        raise ValueError("the shape of an array is none")


def _n_bytes(described: dict[str, Any]) -> int:
    # With Python's integers, which do not overflow.
    return math.prod(described["shape"]) * np.dtype(described["dtype"]).itemsize


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its document has a name twice")
    return found


def _refused(text: str) -> None:
    raise ValueError(f"its document has {text}, which is no JSON")
