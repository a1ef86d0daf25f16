"""Volumes whose voxels lie in a file one after the other, read whole or in blocks."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._scale import VoxelSize

Block = tuple[slice, slice, slice]


class Layout(NamedTuple):
    """Where the voxels of a volume are in its file.

    Parameters
    ----------
    shape : (int, int, int)
        Edges in the order of the file, the slowest axis first.
    dtype : dtype
        Of a voxel, with its byte order.
    offset : int
        Bytes before the first voxel.
    order : (int, int, int)
        Which axes of the file are z, y and x.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    offset: int
    order: tuple[int, int, int] = (0, 1, 2)

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]


def read_voxels(path: Path, layout: Layout, *, mmap: bool) -> NDArray:
    """Read or map all voxels, axes z, y, x.

    Raises
    ------
    ValueError
        If the file is shorter than the layout says.
    """
    if mmap:
        data: NDArray = np.memmap(
            path, dtype=layout.dtype, mode="r", offset=layout.offset, shape=layout.shape
        )
    else:
        data = np.fromfile(path, layout.dtype, layout.n_voxels, offset=layout.offset)
        data = data.reshape(layout.shape)
    return data.transpose(layout.order)


@documented
class RawVolume:
    """A volume in a file, of which blocks are read and not kept.

    Not a memory map: what a process has read through one counts as its memory, and how much is
    read along with a voxel is up to the system.

    Parameters
    ----------
    path : Path
        An uncompressed file.
    layout : Layout
        Where its voxels are.
    voxel_size_angstrom : (float, float, float) or None
        Edges of a voxel, z, y, x.

    %(volume_in_a_file)s
    """

    ndim = 3

    def __init__(
        self,
        path: Path,
        layout: Layout,
        voxel_size_angstrom: VoxelSize | None,
    ) -> None:
        self.voxel_size_angstrom = voxel_size_angstrom
        self.dtype = layout.dtype
        self.shape: tuple[int, ...] = tuple(layout.shape[axis] for axis in layout.order)
        self._layout = layout
        self._lock = threading.Lock()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed in __del__

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __getitem__(self, key: Block) -> NDArray:
        """Read a block; the key is three slices without steps."""
        _, n_rows, n_columns = self._layout.shape
        axes = np.argsort(self._layout.order)
        spans = [key[axis].indices(self.shape[axis])[:2] for axis in axes]
        (first, last), (low, high), (left, right) = spans
        row_bytes = n_columns * self.dtype.itemsize
        block = np.empty((last - first, high - low, right - left), dtype=self.dtype)
        for plane, number in zip(block, range(first, last), strict=True):
            start = self._layout.offset + (number * n_rows + low) * row_bytes
            rows = self._read((high - low) * row_bytes, start)
            if len(rows) < (high - low) * row_bytes:
                raise FileFormatError(f"{self._file.name} has become shorter than its header says.")
            plane[:] = np.frombuffer(rows, self.dtype).reshape(-1, n_columns)[:, left:right]
        return block.transpose(self._layout.order)

    def _read(self, n_bytes: int, start: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), n_bytes, start)
        # Windows has no reading by position; threads share the file's own.
        with self._lock:
            self._file.seek(start)
            return self._file.read(n_bytes)
