"""Volumes in MRC files."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._files import atomic_path
from sksubtomo.exceptions import FileFormatError

_HEADER_BYTES = 1024
# bzip2 does not shrink anything by more.
_LARGEST_COMPRESSION = 50_000
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
    voxel_size_angstrom: tuple[float, float, float] | None


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
        voxel size.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is not an MRC file, is truncated, holds complex numbers, or is not one volume.

    Warns
    -----
    UserWarning
        If the header lacks the marks of an MRC file, as old programs write it, but fits the file;
        or says that signed bytes go beyond 127, which are then read as unsigned, as older programs
        write them.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        oddities = _check_header(path)
        opener = mrcfile.mmap if mmap else mrcfile.open
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            file = opener(path, mode="r", permissive=bool(oddities))
        with file:
            header, data, voxel_size = file.header, file.data, file.voxel_size
            axes = tuple(int(header[name]) for name in ("maps", "mapr", "mapc"))
            sizes = tuple(float(voxel_size[axis]) for axis in "zyx")
            if data is not None and _holds_unsigned_bytes(header):
                data = data.view(np.uint8)
                oddities.append(f"signed bytes with values up to {header.dmax:g}, read as unsigned")
    except (ValueError, OSError, EOFError) as error:
        raise FileFormatError(
            f"{path} cannot be read as an MRC file: {error}. Check that it is complete and was "
            "written as MRC or CCP4."
        ) from error
    if data is None or data.ndim != 3 or 0 in data.shape:
        found = "no data" if data is None else f"an array of shape {data.shape}"
        raise FileFormatError(f"{path} holds {found}, not one volume with axes z, y, x.")
    if data.dtype.kind == "c":
        raise FileFormatError(f"{path} holds complex numbers (a transform), not a volume.")
    # All zero in files of programs that left the fields out: the usual order is meant.
    if axes == (0, 0, 0):
        axes = (3, 2, 1)
    if sorted(axes) != [1, 2, 3]:
        raise FileFormatError(
            f"{path} names the axes (MAPS, MAPR, MAPC) = {axes} in its header; they must be a "
            "permutation of 1, 2, 3."
        )
    if oddities:
        warnings.warn(
            f"{path} is read as MRC although its header is odd: {'; '.join(oddities)}. Check that "
            "the volume looks right.",
            UserWarning,
            stacklevel=2,
        )
    data = data.transpose([axes.index(axis) for axis in (3, 2, 1)])
    return Volume(data, sizes if all(size > 0 for size in sizes) else None)  # type: ignore[arg-type]


def _check_header(path: Path) -> list[str]:
    """Return what is odd about a header that can be read nonetheless.

    Raises
    ------
    ValueError
        If it cannot be, or speaks of more data than there are: before anything of that size is
        allocated.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        with mrcfile.open(path, header_only=True, permissive=True) as file:
            header, compressed = file.header, type(file) is not mrcfile.mrcfile.MrcFile
    shape = tuple(int(header[name]) for name in ("nz", "ny", "nx"))
    extended = int(header.nsymbt)
    if min(shape) < 1 or extended < 0:
        raise ValueError(f"its header says {shape} voxels, and {extended} bytes of more header")
    itemsize = mrcfile.utils.dtype_from_mode(int(header.mode)).itemsize
    expected = _HEADER_BYTES + extended + math.prod(shape) * itemsize
    available = path.stat().st_size * (_LARGEST_COMPRESSION if compressed else 1)
    if expected > available:
        raise ValueError(
            f"its header says {shape} voxels, which take {expected} bytes, but the file has "
            f"{path.stat().st_size}"
        )
    return list(dict.fromkeys(str(warning.message) for warning in caught))


def _holds_unsigned_bytes(header: np.recarray) -> bool:
    """Tell whether bytes, signed by the standard, are of a program that writes unsigned ones."""
    largest_signed, largest = np.iinfo(np.int8).max, np.iinfo(np.uint8).max
    return int(header.mode) == 0 and largest_signed < float(header.dmax) <= largest


def write_mrc(
    path: str | os.PathLike[str],
    data: ArrayLike,
    voxel_size_angstrom: float | tuple[float, float, float],
    *,
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
    voxel_size_angstrom : float or (float, float, float)
        Edge of a voxel, or edges z, y, x.
    overwrite : bool, default=False
        Whether to replace an existing file.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    ValueError
        If the data are not one volume of finite numbers, of a type that MRC knows, or the voxel
        size is not positive.
    """
    array = _writable(np.asarray(data))
    sizes = np.broadcast_to(np.asarray(voxel_size_angstrom, dtype=float), 3)
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError(f"voxel_size_angstrom={voxel_size_angstrom!r} must be positive.")
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        mrcfile.new(temporary, data=array) as file,
    ):
        file.set_volume()
        file.voxel_size = tuple(sizes[::-1])


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
