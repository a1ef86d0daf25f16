"""Arrays in files, which travel to other processes as the name of the file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class MappedArray(np.memmap):
    """A memory-mapped array that is pickled as its place in the file, not as its numbers."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        place = _place_in_file(self)
        if place is None:
            return np.array(self).__reduce__()
        return _open, place


def by_reference(array: Any) -> Any:
    """Return a view of a memory-mapped array that is pickled as its place in the file.

    Parameters
    ----------
    array : object
        What is no contiguous array in a file, or may differ from its file, comes back as it is.

    Returns
    -------
    array : object
        With the same numbers.
    """
    return array if _place_in_file(array) is None else array.view(MappedArray)


def _open(path: str, dtype: np.dtype, offset: int, shape: tuple[int, ...]) -> np.memmap:
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def _place_in_file(array: Any) -> tuple[str, np.dtype, int, tuple[int, ...]] | None:
    """Return file, type, offset in bytes and shape of a mapped array; None for other arrays."""
    if not isinstance(array, np.ndarray) or not array.size or not array.flags.c_contiguous:
        return None
    root: NDArray = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    # A mapping of mode "c" may have changes that are not in the file.
    if not isinstance(root, np.memmap) or root.filename is None or root.mode == "c":
        return None
    # Slices of a memmap keep the offset of the whole.
    offset = root.offset + array.ctypes.data - root.ctypes.data
    return str(root.filename), array.dtype, offset, array.shape
