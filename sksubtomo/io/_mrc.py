"""Volumes in MRC files."""

from __future__ import annotations

import bz2
import gzip
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mrcfile
import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import byte_order_from_machine_stamp, dtype_from_mode, spacegroup_is_volume_stack
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._files import atomic_path, check_is_file, errors_of_damage
from sksubtomo._utils._messages import plural
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._raw import Layout, read_voxels
from sksubtomo.io._scale import VoxelSize, plausible_voxel_size

_HEADER_BYTES = HEADER_DTYPE.itemsize
# bzip2 does not shrink anything by more.
_LARGEST_COMPRESSION = 50_000
# Voxels of noise shrink by less, and what is this small is unpacked whatever the file has.
_USUAL_COMPRESSION, _ALWAYS_UNPACKED = 200, 2**30
_CHUNK_BYTES, _REST_CHUNK_BYTES = 2**24, 2**20
# Bytes behind the voxels of a compressed file that are unpacked to reach its checksum.
_LARGEST_REST = 2**29
_MAP_PLACE, _MAP = 208, b"MAP "
_OPENERS: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZ", bz2.open),
)
# IMOD's fields, within what MRC2014 leaves to programs: https://bio3d.colorado.edu/imod/doc/mrc_format.txt
_IMOD_PLACE, _IMOD_STAMP = 40, 1146047817
_IMOD_SIGNED, _IMOD_NIBBLES = 1, 16
_NO_MARK = "Map ID string not found"
_MORE = "the file goes on beyond what it says"
# Of a single image.
_IMAGE_STACK = 0
# Real numbers, in the types that mrcfile knows.
_MODES = {mode: dtype_from_mode(mode) for mode in (0, 1, 2, 6, 12)}
# The header has ten, of which mrcfile takes the first.
_MOST_LABELS = 9
_WRITABLE = (np.int8, np.int16, np.uint16, np.float16, np.float32)


class Volume(NamedTuple):
    """A volume and its scale.

    Parameters
    ----------
    data : ndarray of shape (depth, height, width)
        Voxels, axes z, y, x.
    voxel_size_angstrom : (float, float, float) or None
        Edges of a voxel, z, y, x; None where the file does not say.
    """

    data: NDArray
    voxel_size_angstrom: VoxelSize | None


class MrcHeader(NamedTuple):
    """What the header of an MRC file says.

    Parameters
    ----------
    layout : Layout
        Where the voxels are, after decompression.
    voxel_size_angstrom : (float, float, float) or None
        Edges of a voxel, z, y, x; None where the header does not say, or says nothing plausible.
    oddities : list of str
        What is odd about a file that can be read nonetheless.
    opener : callable or None
        Opens the file where it is compressed.
    """

    layout: Layout
    voxel_size_angstrom: VoxelSize | None
    oddities: list[str]
    opener: Callable[..., Any] | None


def read_mrc(path: str | os.PathLike[str], *, mmap: bool = False) -> Volume:
    """Read a volume from an MRC or CCP4 file.

    Parameters
    ----------
    path : path-like
        The file; compressed by gzip or bzip2 is fine.
    mmap : bool, default=False
        Whether to map the file into memory, read-only, instead of reading it. Not for
        compressed files.

    Returns
    -------
    volume : Volume
        Voxels in the type of the file, axes z, y, x whatever their order in the file; and the
        voxel size, None where the header has none that is finite and plausible. Bytes (mode 0)
        are unsigned where IMOD's flags in the header say so.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not an MRC file, is truncated or otherwise damaged, holds complex numbers or bytes
        of two voxels each, or is not one volume. Sizes in the header are compared with the file
        before anything of that size is allocated.

    Warns
    -----
    UserWarning
        If the header lacks the marks of an MRC file, as old programs write it, but fits the file;
        says that signed bytes go beyond 127, which are then read as unsigned, as older programs
        write them; has a voxel size that is not plausible; or speaks of fewer voxels than the file
        has.
    """
    path = Path(path)
    header = read_header(path)
    oddities = header.oddities
    with _damage_named(path):
        if header.opener is None:
            data = read_voxels(path, header.layout, mmap=mmap)
        elif mmap:
            raise FileFormatError(f"{path} is compressed and cannot be mapped; unpack it.")
        else:
            data, more = _decompress(path, header.opener, header.layout)
            oddities = oddities + ([_MORE] if more else [])
    warn_odd(path, oddities, stacklevel=3)
    return Volume(data, header.voxel_size_angstrom)


def warn_odd(path: Path, oddities: list[str], *, stacklevel: int) -> None:
    """Warn of what is odd about a file that is read nonetheless."""
    if oddities:
        warnings.warn(
            f"{path} is read as MRC although its header is odd: {'; '.join(oddities)}. Check that "
            "the volume looks right.",
            UserWarning,
            stacklevel=stacklevel,
        )


def read_header(path: Path) -> MrcHeader:
    """Read the header of an MRC file, and compare it with the size of the file.

    Raises
    ------
    FileNotFoundError, FileFormatError
        As :func:`read_mrc`.
    """
    check_is_file(path)
    with _damage_named(path):
        with open(path, "rb") as file:
            start = file.read(_MAP_PLACE + len(_MAP))
        opener = None
        if not start.endswith(_MAP):
            opener = next((one for magic, one in _OPENERS if start.startswith(magic)), None)
        with (opener or open)(path, "rb") as file:
            content = file.read(_HEADER_BYTES)
        header, oddities = _parse(content)
        _check_shape(path, header)
        return _interpret(path, header, oddities, opener)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    with errors_of_damage(path, "an MRC file", "Check that it is complete and was written as MRC."):
        yield


def _parse(content: bytes) -> tuple[np.void, list[str]]:
    """Return the fields of a header, in the byte order that it is in, and what is odd about it."""
    if len(content) < _HEADER_BYTES:
        raise ValueError(f"it has {plural(len(content), 'byte')}, and no whole header")
    oddities = []
    header = np.frombuffer(content, HEADER_DTYPE)[0]
    # Of the four characters, the paper has three.
    if bytes(header["map"])[:3] != _MAP[:3]:
        oddities.append(_NO_MARK)
    try:
        order = byte_order_from_machine_stamp(header["machst"])
    except ValueError as error:
        order = "<"
        oddities.append(str(error))
    header = np.frombuffer(content, HEADER_DTYPE.newbyteorder(order))[0]
    if int(header["mode"]) not in _MODES:
        order = ">" if order == "<" else "<"
        other = np.frombuffer(content, HEADER_DTYPE.newbyteorder(order))[0]
        if int(other["mode"]) in _MODES:
            header = other
            oddities.append("its machine stamp does not match its byte order")
    return header, oddities


def _check_shape(path: Path, header: np.void) -> None:
    """Refuse what is not one volume of real numbers."""
    mode = int(header["mode"])
    if mode in (3, 4):
        raise FileFormatError(f"{path} holds complex numbers (a transform), not a volume.")
    if mode not in _MODES:
        raise ValueError(f"its header says mode {mode}, which is not known")
    depth, height, width = (int(header[name]) for name in ("nz", "ny", "nx"))
    shape: tuple[int, ...] = (depth, height, width)
    if spacegroup_is_volume_stack(header["ispg"]):
        per_volume = max(int(header["mz"]), 1)
        shape = (depth // per_volume, per_volume, height, width)
    elif header["ispg"] == _IMAGE_STACK and depth == 1:
        shape = (height, width)
    if len(shape) != 3:
        raise FileFormatError(
            f"{path} holds an array of shape {shape}, not one volume with axes z, y, x."
        )


def _interpret(
    path: Path, header: np.void, oddities: list[str], opener: Callable[..., Any] | None
) -> MrcHeader:
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    extended = int(header["nsymbt"])
    if min(shape) < 1 or extended < 0:
        raise ValueError(
            f"its header says {shape} voxels, and {plural(extended, 'byte')} of more header"
        )
    dtype = _MODES[int(header["mode"])].newbyteorder(header.dtype["mode"].byteorder)
    n_voxels, size = math.prod(shape), path.stat().st_size
    expected = _HEADER_BYTES + extended + n_voxels * dtype.itemsize
    if expected > size * (_LARGEST_COMPRESSION if opener else 1):
        raise ValueError(
            f"its header says {shape} voxels, which take {expected} bytes, but the file has {size}"
        )
    if opener is None and expected < size:
        if _NO_MARK in oddities:
            raise ValueError("it lacks the mark MAP, and its size is not what its header says")
        oddities = [*oddities, _MORE]
    if _bytes_are_unsigned(header, oddities):
        dtype = np.dtype(np.uint8)
    axes = tuple(int(header[name]) for name in ("maps", "mapr", "mapc"))
    # All zero in files of programs that left the fields out: the usual order is meant.
    if axes == (0, 0, 0):
        axes = (3, 2, 1)
    if sorted(axes) != [1, 2, 3]:
        raise FileFormatError(
            f"{path} names the axes (MAPS, MAPR, MAPC) = {axes} in its header; they must be a "
            "permutation of 1, 2, 3."
        )
    order = (axes.index(3), axes.index(2), axes.index(1))
    layout = Layout(shape, dtype, _HEADER_BYTES + extended, order)
    return MrcHeader(layout, _voxel_size(header, oddities), oddities, opener)


def _bytes_are_unsigned(header: np.void, oddities: list[str]) -> bool:
    """Tell whether bytes, signed by the standard, are of a program that writes unsigned ones."""
    if int(header["mode"]) != 0:
        return False
    fields = header["extra2"].tobytes()[_IMOD_PLACE : _IMOD_PLACE + 8]
    stamp, flags = np.frombuffer(fields, header.dtype["mode"]).tolist()
    if stamp == _IMOD_STAMP:
        if flags & _IMOD_NIBBLES:
            raise ValueError("it has two voxels of four bits in each byte; convert it to bytes")
        return not flags & _IMOD_SIGNED
    largest_signed, largest = np.iinfo(np.int8).max, np.iinfo(np.uint8).max
    if not largest_signed < float(header["dmax"]) <= largest:
        return False
    oddities.append(f"signed bytes with values up to {header['dmax']:g}, read as unsigned")
    return True


def _voxel_size(header: np.void, oddities: list[str]) -> VoxelSize | None:
    cell, grid = header["cella"], [int(header[name]) for name in ("mz", "my", "mx")]
    if 0 in grid:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        z, y, x = (
            float(np.float32(float(cell[axis]) / n)) for axis, n in zip("zyx", grid, strict=True)
        )
    return plausible_voxel_size((z, y, x), oddities)


def _decompress(path: Path, opener: Callable[..., Any], layout: Layout) -> tuple[NDArray, bool]:
    """Return the voxels of a compressed file, and whether there is more after them.

    No more memory is taken than the header says, and than is unpacked.
    """
    n_bytes = layout.n_voxels * layout.dtype.itemsize
    if n_bytes > max(_ALWAYS_UNPACKED, _USUAL_COMPRESSION * path.stat().st_size):
        raise ValueError(
            f"it takes {n_bytes} bytes, {n_bytes // path.stat().st_size} times those of the file. "
            "If it is meant so, unpack it by gunzip or bunzip2 and read what comes out"
        )
    with opener(path, "rb") as stream:
        skipped = 0
        while skipped < layout.offset:
            chunk = stream.read(min(_CHUNK_BYTES, layout.offset - skipped))
            if not chunk:
                raise ValueError("it ends within its header")
            skipped += len(chunk)
        content = bytearray()
        while len(content) < n_bytes:
            chunk = stream.read(min(_CHUNK_BYTES, n_bytes - len(content)))
            if not chunk:
                raise ValueError(
                    f"its header says {layout.shape} voxels, which take {n_bytes} bytes, but it "
                    f"has {len(content)}"
                )
            content += chunk
        more = _unpack_rest(stream)
    data = np.frombuffer(content, layout.dtype).reshape(layout.shape)
    return data.transpose(layout.order), more


def _unpack_rest(stream: Any) -> bool:
    """Unpack a compressed file to its end, where its checksum is; tell whether there was more."""
    n_bytes = 0
    while chunk := stream.read(_REST_CHUNK_BYTES):
        n_bytes += len(chunk)
        if n_bytes > _LARGEST_REST:
            raise ValueError(
                f"it goes on for more than {_LARGEST_REST} bytes beyond what its header says, and "
                "was not unpacked to its end"
            )
    return n_bytes > 0


@documented
def write_mrc(
    path: str | os.PathLike[str],
    data: ArrayLike,
    voxel_size_angstrom: float | tuple[float, float, float] | None,
    *,
    labels: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Write a volume to an MRC file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    data : array-like of shape (depth, height, width)
        Finite numbers, axes z, y, x. 64-bit floats become 32-bit, booleans 8-bit integers; other
        types that MRC knows stay.
    voxel_size_angstrom : float, (float, float, float) or None
        Edge of a voxel, or edges z, y, x. None leaves it open.
    labels : sequence of str, default=()
        Lines of text for the header, after the one of the library that writes it: at most nine, of
        at most 80 ASCII characters.
    %(overwrite)s
    ValueError
        If the data are not one volume of finite numbers, of a type that MRC knows, the voxel
        size is not positive, or labels do not fit.
    """
    array = _writable(np.asarray(data))
    sizes = np.zeros(3)
    if voxel_size_angstrom is not None:
        sizes = np.broadcast_to(np.asarray(voxel_size_angstrom, dtype=float), 3)
        if not (np.isfinite(sizes).all() and (sizes > 0).all()):
            raise ValueError(f"voxel_size_angstrom={voxel_size_angstrom!r} must be positive.")
    if len(labels) > _MOST_LABELS or not all(len(a) <= 80 and a.isascii() for a in labels):
        raise ValueError(
            f"labels must be at most {_MOST_LABELS} lines of at most 80 ASCII characters."
        )
    with atomic_path(path, overwrite=overwrite) as temporary:
        file = mrcfile.new(temporary, overwrite=True)
        try:
            file.set_data(array)
            file.set_volume()
            file.voxel_size = tuple(sizes[::-1])
            for label in labels:
                file.add_label(label)
            file.flush()
        finally:
            # Its own close writes once more, and leaves the file open where there is no room.
            file._iostream.close()


def _writable(array: NDArray) -> NDArray:
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"A volume has three axes z, y, x; the data have shape {array.shape}.")
    if array.dtype == bool:
        return array.astype(np.int8)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError("The data hold NaN or infinity, which other programs cannot read.")
        return array if array.dtype in _WRITABLE else array.astype(np.float32)
    if array.dtype not in _WRITABLE:
        names = ", ".join(np.dtype(kind).name for kind in _WRITABLE)
        raise ValueError(
            f"MRC files cannot hold {array.dtype}. Convert the data to one of {names}."
        )
    return array
