"""Boxes over many tomograms, read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sksubtomo._utils._lazy import LazyVolumes
from sksubtomo._utils._messages import listed, plural
from sksubtomo.io._cut import cut_boxes
from sksubtomo.io._extract import (
    NOT_FOUND,
    OK,
    OUTCOMES,
    UNREADABLE,
    box_outcomes,
    check_centers,
    check_request,
    place_outcomes,
    raise_for_places,
)
from sksubtomo.io._names import find_tomograms
from sksubtomo.io._ome_zarr import ZarrVolume
from sksubtomo.io._particle_table import ParticleTable, checked_centers
from sksubtomo.io._raw import RawVolume
from sksubtomo.io._volume import check_missing_chunks, open_volume
from sksubtomo.io._voxels import check_voxels

# Files that are kept open.
_MOST_OPEN_FILES = 64


class _Absent(NamedTuple):
    """A tomogram that a table names, and that has no file."""

    name: str


class SubtomogramStack(LazyVolumes):
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
        Files as of :func:`open_volume`: MRC, EM or OME-Zarr, uncompressed.
    coordinates : array-like of shape (n_particles, 3)
        Centers z, y, x in voxels, counted from 0.
    tomogram_index : array-like of shape (n_particles,)
        For each particle, which of the tomograms it is in.
    box_size : int
        Edge of a box in voxels; no larger than a tomogram.
    border : {"error", "drop", "pad", "noise"}, default="error"
        What to do about boxes that reach beyond the tomogram, see :func:`extract_subtomograms`.
        With "drop", ``index`` tells which particles are left.
    normalize : bool, default=False
        Whether to give every box mean 0 and variance 1.
    on_bad : {"raise", "skip"}, default="raise"
        What to do about particles that cannot be used: see :func:`extract_subtomograms`; also
        those whose tomogram cannot be read, or is smaller than a box. With "raise", what can be
        told without reading voxels is an error now, and NaN is one when it is read. With "skip",
        the boxes of floating-point numbers are read once now, and such particles left out;
        ``index`` tells which are left, ``outcomes`` and ``file_errors`` why others are not.
    missing_chunks : {"raise", "fill"}, default="raise"
        What to do about chunks of an OME-Zarr that have no file, see :func:`read_volume`.
    imaging : Imaging, optional
        How each row of `coordinates` was imaged, or all of them, which estimators that can use it
        take from here. See :class:`sksubtomo.fourier.Imaging`.

    Attributes
    ----------
    imaging : Imaging or None
        That of the boxes.
    shape : (int, int, int, int)
        Particles, and edges of the boxes.
    index : ndarray of shape (n,)
        Rows of `coordinates` that the boxes are of.
    tomogram_index : ndarray of shape (n,)
        Which tomogram each box is from: ``groups`` for group-aware splits.
    outcomes : ndarray of shape (n_particles,) of str
        What became of each row of `coordinates`: as of :func:`box_outcomes`, or "unreadable", or
        "tomogram not found". Of a part of a stack, of each row of the part.
    file_errors : dict of int to str
        What is wrong with tomograms that cannot be used, by their number.

    Raises
    ------
    FileNotFoundError
        If there is no such file, and `on_bad` is "raise".
    FileFormatError
        If a file is no volume, or compressed, so that it cannot be read in parts, and `on_bad` is
        "raise".
    ValueError
        If particles cannot be used and `on_bad` is "raise", or lengths do not match.

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

    def __init__(
        self,
        tomograms: Sequence[str | os.PathLike[str]],
        coordinates: ArrayLike,
        tomogram_index: ArrayLike,
        box_size: int,
        *,
        border: str = "error",
        normalize: bool = False,
        on_bad: str = "raise",
        missing_chunks: str = "raise",
        imaging: Any = None,
    ) -> None:
        check_request(box_size, border, "round", on_bad)
        self._missing_chunks = check_missing_chunks(missing_chunks)
        # Links keep their names, whose endings tell the kind of file.
        self._paths = tuple(
            one if isinstance(one, _Absent) else Path(os.path.abspath(one)) for one in tomograms
        )
        which = _check_index(tomogram_index, coordinates, len(self._paths))
        self._open: dict[int, RawVolume | ZarrVolume] = {}
        self._box_size, self._border, self._normalize = int(box_size), border, bool(normalize)
        self.file_errors: dict[int, str] = {}
        centers = np.asarray(coordinates, dtype=np.float64)
        self._codes = np.zeros(len(which), dtype=np.int8)
        for file in np.unique(which):
            rows = np.flatnonzero(which == file)
            examine = self._check if on_bad == "raise" else self._look
            self._codes[rows] = examine(int(file), centers[rows], rows)
        self.index = np.flatnonzero(self._codes == OK)
        self.tomogram_index = which[self.index]
        if imaging is not None and len(imaging) not in (1, len(which)):
            raise ValueError(
                f"imaging is that of {len(imaging)} particles, but there are {len(which)} "
                "coordinates. Give one for each, or one for all."
            )
        self.imaging = _rows_of(imaging, self.index)
        self._centers = centers[self.index]
        self._steps = ()
        self._edges = (self._box_size,) * 3

    @classmethod
    def from_particles(
        cls,
        particles: ParticleTable,
        tomograms: Sequence[str | os.PathLike[str]] | Mapping[str, str | os.PathLike[str]],
        box_size: int,
        *,
        border: str = "error",
        normalize: bool = False,
        on_bad: str = "raise",
        missing_chunks: str = "raise",
        imaging: Any = None,
    ) -> SubtomogramStack:
        """Make a stack of the particles of a table.

        Parameters
        ----------
        particles : ParticleTable
            With names of tomograms.
        tomograms : sequence of path-like, or mapping of str to path-like
            Files, named as in the table, or files by name; see :func:`find_tomograms`.
        box_size : int
            Edge of a box in voxels.
        border : {"error", "drop", "pad", "noise"}, default="error"
            As above.
        normalize : bool, default=False
            As above.
        on_bad : {"raise", "skip"}, default="raise"
            As above. With "skip", particles of a tomogram without a file are left out, too, unless
            they are most.
        missing_chunks : {"raise", "fill"}, default="raise"
            As above.
        imaging : Imaging, optional
            As above, in the order of the table.

        Returns
        -------
        stack : SubtomogramStack
            In the order of the table.

        Raises
        ------
        ValueError
            If the table names no tomograms, one without a file, or one that may be several; or if
            the voxels of a file are not those that the particles' coordinates are in.
        """
        names = particles.tomogram_names
        if names is None:
            raise ValueError("The particles do not say which tomogram they are in (rlnTomoName).")
        files = find_tomograms(names, tomograms, missing="ignore")
        absent = [str(name) for name in dict.fromkeys(names) if str(name) not in files]
        if absent and (on_bad != "skip" or 2 * np.isin(names, absent).sum() > len(names)):
            find_tomograms(names, tomograms)
        number_of = {name: number for number, name in enumerate([*files, *absent])}
        which = np.array([number_of[str(name)] for name in names], dtype=np.intp)
        if particles.voxels is not None:
            check_voxels(particles.voxels, list(files.values()), which)
        paths: list[Any] = [*files.values(), *map(_Absent, absent)]
        return cls(
            paths,
            checked_centers(particles),
            which,
            box_size,
            border=border,
            normalize=normalize,
            on_bad=on_bad,
            missing_chunks=missing_chunks,
            imaging=imaging,
        )

    @property
    def outcomes(self) -> NDArray[np.str_]:
        """What became of each row of the coordinates."""
        return OUTCOMES[self._codes]

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
        part = self._copy()
        for name in ("index", "tomogram_index", "_centers"):
            setattr(part, name, getattr(self, name)[rows])
        part.imaging = _rows_of(self.imaging, rows)
        # Parts travel to other processes, and need not take along what is not in them.
        part._codes, part.file_errors = np.full(len(rows), OK, dtype=np.int8), {}
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return self._read(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, tomograms={len(self._paths)})"

    def _tomogram(self, file: int) -> RawVolume | ZarrVolume:
        if file not in self._open:
            path = self._paths[file]
            if isinstance(path, _Absent):
                raise FileNotFoundError(f"No file is given of the tomogram {listed([path.name])}.")
            if len(self._open) >= _MOST_OPEN_FILES:
                self._open.clear()
            self._open[file] = open_volume(path, missing_chunks=self._missing_chunks)
        return self._open[file]

    def _check(
        self, file: int, coordinates: NDArray[np.float64], rows: NDArray[np.intp]
    ) -> NDArray[np.int8]:
        """Return what becomes of the particles of a tomogram, none of which may be bad."""
        tomogram = self._tomogram(file)
        try:
            centers = check_centers(tomogram, coordinates, self._box_size)
            codes = place_outcomes(tomogram, centers, self._box_size, self._border)
            raise_for_places(codes, centers, tomogram, self._box_size, self._border, rows)
        except ValueError as error:
            raise ValueError(f"{self._paths[file]}: {error}") from error
        return codes

    def _look(
        self, file: int, coordinates: NDArray[np.float64], _rows: NDArray[np.intp]
    ) -> NDArray[np.int8]:
        """Return what becomes of the particles of a tomogram, and keep what is wrong with it."""
        try:
            outcomes = box_outcomes(
                self._tomogram(file), coordinates, self._box_size, border=self._border
            )
        except (ValueError, OSError) as error:
            self.file_errors[file] = str(error)
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else UNREADABLE
            return np.full(len(coordinates), code, dtype=np.int8)
        return (outcomes[:, np.newaxis] == OUTCOMES).argmax(axis=1).astype(np.int8)

    def _read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        boxes = np.empty((len(rows), *(self._box_size,) * 3), dtype=np.float32)
        for file in np.unique(self.tomogram_index[rows]):
            inside = np.flatnonzero(self.tomogram_index[rows] == file)
            tomogram = self._tomogram(int(file))
            boxes[inside] = cut_boxes(
                tomogram, self._centers[rows[inside]], self._box_size, border=self._border
            )
        bad = ~np.isfinite(boxes).all(axis=(1, 2, 3))
        if bad.any():
            row = rows[bad.argmax()]
            raise ValueError(
                f"{self._paths[self.tomogram_index[row]]} holds NaN or infinity in the box around "
                f"{self._centers[row].tolist()} (z, y, x) of particle {self.index[row]}. Leave "
                "such particles out by on_bad='skip'."
            )
        if self._normalize:
            boxes -= boxes.mean(axis=(1, 2, 3), keepdims=True)
            spread = boxes.std(axis=(1, 2, 3), keepdims=True)
            boxes /= np.where(spread > 0, spread, 1)
        for step in self._steps:
            boxes = step(boxes)
        return boxes


def _rows_of(imaging: Any, rows: NDArray[np.intp]) -> Any:
    """Return the imaging of some particles; one that is for all stays as it is."""
    return imaging if imaging is None or len(imaging) == 1 else imaging[rows]


def _check_index(tomogram_index: ArrayLike, coordinates: ArrayLike, n_files: int) -> NDArray:
    which, shape = np.asarray(tomogram_index), np.shape(coordinates)
    if len(shape) != 2 or shape[1] != 3:
        raise ValueError(f"coordinates must have shape (n_particles, 3), got {shape}.")
    if which.shape != shape[:1] or which.dtype.kind not in "iu":
        raise ValueError(
            f"tomogram_index of shape {which.shape} and type {which.dtype} does not suit "
            f"{shape[0]} coordinates; it must be one whole number for each."
        )
    if not len(which):
        raise ValueError("There are no particles.")
    if which.min() < 0 or which.max() >= n_files:
        raise ValueError(
            f"tomogram_index goes from {which.min()} to {which.max()}, but there "
            f"{'is' if n_files == 1 else 'are'} {plural(n_files, 'tomogram')}."
        )
    return which.astype(np.intp)
