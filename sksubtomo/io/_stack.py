"""Boxes over many tomograms, read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._extract import boxes_inside, check_centres, cut_boxes
from sksubtomo.io._mrc import read_mrc
from sksubtomo.io._particles import ParticleTable

# Files that are kept open.
_MOST_OPEN_FILES = 64


class MrcFile:
    """A volume in an MRC file, of which parts are read and not kept.

    Not a memory map: what a process has read through one counts as its memory, and how much is
    read along with a voxel is up to the system.

    Parameters
    ----------
    path : Path
        An uncompressed MRC file.

    Attributes
    ----------
    shape : (int, int, int)
        Voxels z, y, x.
    """

    def __init__(self, path: Path) -> None:
        data = read_mrc(path, mmap=True).data
        if not isinstance(data, np.memmap):
            raise FileFormatError(f"{path} is compressed and cannot be read in parts; unpack it.")
        self.shape, self.ndim = data.shape, 3
        # Axes by distance in the file, the slowest first: MRC files may have any order.
        self._axes = np.argsort([-stride for stride in data.strides], kind="stable")
        self._dtype, self._offset = data.dtype, data.offset
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed in __del__

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray:
        """Read a block; the key is three slices without steps."""
        spans = [key[axis].indices(self.shape[axis])[:2] for axis in self._axes]
        (first, last), (low, high), (left, right) = spans
        _, n_rows, n_columns = (self.shape[axis] for axis in self._axes)
        row_bytes = n_columns * self._dtype.itemsize
        block = np.empty((last - first, high - low, right - left), dtype=self._dtype)
        for plane, number in zip(block, range(first, last), strict=True):
            start = self._offset + (number * n_rows + low) * row_bytes
            rows = os.pread(self._file.fileno(), (high - low) * row_bytes, start)
            if len(rows) < (high - low) * row_bytes:
                raise FileFormatError(f"{self._file.name} has become shorter than its header says.")
            plane[:] = np.frombuffer(rows, self._dtype).reshape(-1, n_columns)[:, left:right]
        return block.transpose(np.argsort(self._axes))


class SubtomogramStack:
    """A lazy array of boxes around particles in tomograms.

    It has the ``shape``, the length and the slicing of an array (n, d, d, d) of float32, and is
    valid as `X` in every estimator, splitter and search of this package and in scikit-learn's
    ``cross_val_score``, ``GridSearchCV`` and pipelines, whose volume transformers (but not
    ``VolumeFlattener``) leave it lazy. Slices are stacks; one particle, or ``np.asarray``, reads.
    Of the tomograms, only the boxes are read, and not kept. The stack is pickled as paths, so that
    worker processes share the files.

    Parameters
    ----------
    tomograms : sequence of path-like
        MRC files, uncompressed.
    coordinates : array-like of shape (n_particles, 3)
        Centres z, y, x in voxels, counted from 0.
    tomogram_index : array-like of shape (n_particles,)
        For each particle, which of the tomograms it is in.
    box_size : int
        Edge of a box in voxels.
    border : {"error", "drop", "pad", "noise"}, default="error"
        What to do about boxes that reach beyond the tomogram, see :func:`extract_subtomograms`.
        With "drop", ``index`` tells which particles are left.
    normalize : bool, default=False
        Whether to give every box mean 0 and variance 1.

    Attributes
    ----------
    shape : (int, int, int, int)
        Particles, and edges of the boxes.
    index : ndarray of shape (n,)
        Rows of `coordinates` that the boxes are of.
    tomogram_index : ndarray of shape (n,)
        Which tomogram each box is from: ``groups`` for group-aware splits.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If a file is no MRC volume, or compressed, so that it cannot be mapped.
    ValueError
        If coordinates are outside their tomogram, or lengths do not match.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sksubtomo.io import SubtomogramStack, write_mrc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "TS_01.mrc"
    ...     write_mrc(path, np.zeros((20, 30, 40), dtype=np.float32), 10.0)
    ...     stack = SubtomogramStack([path], [[10, 15, 25], [9, 9, 9]], [0, 0], box_size=8)
    ...     stack.shape, len(stack[1:]), stack[0].shape
    ((2, 8, 8, 8), 1, (8, 8, 8))
    """

    #: What estimators recognise it by.
    lazy_volumes: ClassVar[bool] = True
    ndim: ClassVar[int] = 4
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)

    def __init__(
        self,
        tomograms: Sequence[str | os.PathLike[str]],
        coordinates: ArrayLike,
        tomogram_index: ArrayLike,
        box_size: int,
        *,
        border: str = "error",
        normalize: bool = False,
    ) -> None:
        self._paths = tuple(Path(path).resolve() for path in tomograms)
        which = _check_index(tomogram_index, coordinates, len(self._paths))
        self._open: dict[int, MrcFile] = {}
        centres = np.asarray(coordinates, dtype=np.float64)
        kept = np.ones(len(which), dtype=bool)
        for file in np.unique(which):
            rows = np.flatnonzero(which == file)
            tomogram = self._tomogram(int(file))
            try:
                checked = check_centres(tomogram, centres[rows], box_size, border)
                kept[rows] = boxes_inside(tomogram, checked, box_size, border)
            except ValueError as error:
                raise ValueError(f"{self._paths[file]}: {error}") from error
        self.index = np.flatnonzero(kept)
        self.tomogram_index = which[self.index]
        self._centres = centres[self.index]
        self._box_size, self._border, self._normalize = int(box_size), border, bool(normalize)
        self._steps: tuple[Callable[[NDArray], NDArray], ...] = ()
        self._edges = (self._box_size,) * 3

    @classmethod
    def from_particles(
        cls,
        particles: ParticleTable,
        tomograms: Sequence[str | os.PathLike[str]],
        box_size: int,
        *,
        border: str = "error",
        normalize: bool = False,
    ) -> SubtomogramStack:
        """Make a stack of the particles of a table.

        Parameters
        ----------
        particles : ParticleTable
            With names of tomograms.
        tomograms : sequence of path-like
            MRC files, named as in the table, with or without ending.
        box_size : int
            Edge of a box in voxels.
        border : {"error", "drop", "pad", "noise"}, default="error"
            As above.
        normalize : bool, default=False
            As above.

        Returns
        -------
        stack : SubtomogramStack
            In the order of the table.

        Raises
        ------
        ValueError
            If the table names no tomograms, or one that is not among the files.
        """
        names = particles.tomogram_names
        if names is None:
            raise ValueError("The particles do not say which tomogram they are in (rlnTomoName).")
        files = {}
        for number, path in enumerate(map(Path, tomograms)):
            files[path.name] = files[path.stem] = number
        missing = sorted({str(name) for name in names} - set(files))
        if missing:
            raise ValueError(
                f"Particles are in tomograms {missing[:5]}, for which there is no file among "
                f"{sorted(path.name for path in map(Path, tomograms))[:5]}."
            )
        which = [files[name] for name in names]
        return cls(
            tomograms,
            particles.coordinates,
            which,
            box_size,
            border=border,
            normalize=normalize,
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Particles, and edges of the boxes."""
        return (len(self.index), *self._edges)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    def map(self, function: Callable[[NDArray], NDArray]) -> SubtomogramStack:
        """Return a stack whose boxes go through a function when they are read.

        Parameters
        ----------
        function : callable
            From an array (n, d, d, d) to one of as many volumes, each by itself; it has to be one
            that can be pickled, for worker processes.

        Returns
        -------
        stack : SubtomogramStack
            As lazy as this one.
        """
        mapped = self[:]
        mapped._steps = (*self._steps, function)
        result = np.asarray(function(np.zeros((1, *self._edges), dtype=np.float32)))
        if result.ndim != 4 or len(result) != 1:
            raise ValueError(f"function turns one volume into an array of shape {result.shape}.")
        mapped._edges = result.shape[1:]
        return mapped

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: Any) -> Any:
        """Return a stack for slices, masks and arrays of rows, and read one row."""
        if isinstance(key, tuple):
            key, *rest = key
            if any(part is not Ellipsis and part != slice(None) for part in rest):
                raise TypeError(
                    "A SubtomogramStack is indexed by particles only; np.asarray(stack) reads "
                    "all voxels."
                )
        if isinstance(key, Integral):
            return self._read(np.array([range(len(self))[key]]))[0]
        if key is Ellipsis:
            key = slice(None)
        rows = np.arange(len(self))[key]
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        for name in ("index", "tomogram_index", "_centres"):
            setattr(part, name, getattr(self, name)[rows])
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return self._read(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, tomograms={len(self._paths)})"

    def _tomogram(self, file: int) -> MrcFile:
        if file not in self._open:
            if len(self._open) >= _MOST_OPEN_FILES:
                self._open.clear()
            self._open[file] = MrcFile(self._paths[file])
        return self._open[file]

    def _read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        boxes = np.empty((len(rows), *(self._box_size,) * 3), dtype=np.float32)
        for file in np.unique(self.tomogram_index[rows]):
            inside = np.flatnonzero(self.tomogram_index[rows] == file)
            tomogram = self._tomogram(int(file))
            boxes[inside] = cut_boxes(
                tomogram, self._centres[rows[inside]], self._box_size, border=self._border
            )
        bad = ~np.isfinite(boxes).all(axis=(1, 2, 3))
        if bad.any():
            row = rows[bad.argmax()]
            raise ValueError(
                f"{self._paths[self.tomogram_index[row]]} holds NaN or infinity in the box around "
                f"{self._centres[row].tolist()} (z, y, x)."
            )
        if self._normalize:
            boxes -= boxes.mean(axis=(1, 2, 3), keepdims=True)
            spread = boxes.std(axis=(1, 2, 3), keepdims=True)
            boxes /= np.where(spread > 0, spread, 1)
        for step in self._steps:
            boxes = step(boxes)
        return boxes


def _check_index(tomogram_index: ArrayLike, coordinates: ArrayLike, n_files: int) -> NDArray:
    which = np.asarray(tomogram_index)
    n_particles = len(np.asarray(coordinates))
    if which.shape != (n_particles,) or which.dtype.kind not in "iu":
        raise ValueError(
            f"tomogram_index of shape {which.shape} and type {which.dtype} does not suit "
            f"{n_particles} coordinates; it must be one whole number for each."
        )
    if n_particles == 0:
        raise ValueError("There are no particles.")
    if which.min() < 0 or which.max() >= n_files:
        raise ValueError(
            f"tomogram_index goes from {which.min()} to {which.max()}, but there are {n_files} "
            "tomograms."
        )
    return which.astype(np.intp)
