"""Volumes in OME-Zarr."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo._utils._files import errors_of_damage
from sksubtomo._utils._messages import listed, plural
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._raw import Block
from sksubtomo.io._scale import VoxelSize, plausible_voxel_size
from sksubtomo.io._zarr_store import checked_store, is_metadata

_ANGSTROM = {"angstrom": 1.0, "nanometer": 10.0, "micrometer": 1e4}
# No codec in use shrinks anything by more.
_LARGEST_COMPRESSION = 50_000
# Bytes of a volume most chunks of which may be missing.
_LARGEST_FILL = 2**30
_NUMBERS = "iufb"


class _Axes(NamedTuple):
    """What OME-Zarr says of the axes of an array.

    Parameters
    ----------
    names : list of str
        Such as t, c, z, y, x.
    units : list of str or None
        Of the scale.
    scale : list of float
        Edge of a voxel.
    """

    names: list[str]
    units: list[str | None]
    scale: list[float]


@documented
class ZarrVolume:
    """One resolution of an OME-Zarr, of which blocks are read.

    Parameters
    ----------
    path : Path
        The folder.
    level : int
        Which of the resolutions.
    missing_chunks : {"raise", "fill"}
        What to do about chunks without a file.

    %(volume_in_a_file)s
    voxel_size_angstrom : (float, float, float) or None
        Edges of a voxel, z, y, x.
    """

    ndim = 3

    def __init__(self, path: Path, level: int, missing_chunks: str) -> None:
        self._path = path
        with _damage_named(path):
            self._array, axes, store = _open(path, level)
            _check_array(path, self._array, axes.names)
            store.limit(self._array)
            _check_chunks(path, self._array, missing_chunks)
            self._axes = [axes.names.index(name) for name in "zyx"]
            self.voxel_size_angstrom = _voxel_size(path, axes)
        self.dtype: np.dtype = np.dtype(self._array.dtype)
        self.shape: tuple[int, ...] = tuple(self._array.shape[axis] for axis in self._axes)

    def __getitem__(self, key: Block) -> NDArray:
        """Read a block; the key is three slices without steps."""
        where: list[slice | int] = [0] * self._array.ndim
        for axis, part in zip(self._axes, key, strict=True):
            where[axis] = part
        with _damage_named(self._path):
            block = np.asarray(self._array[tuple(where)])
        # The axes that are left are z, y and x in the order of the file.
        return block.transpose([sorted(self._axes).index(axis) for axis in self._axes])


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    remedy = "Check that it is complete, and that its metadata are those of OME-Zarr."
    with errors_of_damage(path, "OME-Zarr", remedy):
        yield


def _open(path: Path, level: int) -> tuple[Any, _Axes, Any]:
    """Return an array, what is said of its axes, and the store that reads it."""
    try:
        import zarr
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package zarr: pip install 'sksubtomo[zarr]'."
        ) from error
    store = checked_store(path)
    group: Any = zarr.open_group(store, mode="r")
    attributes: dict[str, Any] = dict(group.attrs)
    # Version 0.5 moved the metadata one step down.
    multiscales = attributes.get("ome", attributes).get("multiscales")
    if not multiscales:
        raise ValueError("it has no metadata of OME-Zarr (multiscales)")
    multiscale = multiscales[0]
    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        raise FileFormatError(
            f"{path} has {plural(len(datasets), 'resolution')}; there is no {level}."
        )
    array = group[datasets[level]["path"]]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"its resolution {level} is no array")
    axes = multiscale["axes"]
    scale = _scale(multiscale, datasets[level], len(axes))
    names, units = [axis["name"] for axis in axes], [axis.get("unit") for axis in axes]
    return array, _Axes(names, units, scale.tolist()), store


def _check_array(path: Path, array: Any, names: list[str]) -> None:
    """Refuse what is not one volume of real numbers."""
    if sorted(set(names) & set("zyx")) != ["x", "y", "z"] or not (
        len(names) == len(set(names)) == array.ndim
    ):
        raise FileFormatError(
            f"{path} has axes {listed(names)}, for data of shape {array.shape}; there must be one "
            "each of z, y and x."
        )
    kind = getattr(array.dtype, "kind", "O")
    if kind not in _NUMBERS:
        raise FileFormatError(f"{path} holds {array.dtype}, not real numbers.")
    if 0 in array.shape:
        raise FileFormatError(f"{path} is empty: its shape is {array.shape}.")
    others = [n for n, name in zip(array.shape, names, strict=True) if name not in "zyx"]
    if any(n != 1 for n in others):
        raise FileFormatError(
            f"{path} holds several volumes: axes {listed(names)}, shape {array.shape}."
        )


def _check_chunks(path: Path, array: Any, missing_chunks: str) -> None:
    """Compare the chunks that there should be with the files, before anything is allocated.

    Raises
    ------
    FileFormatError
        If there are fewer, or they cannot hold as much.
    """
    stored = array.shards or array.chunks
    if min(stored, default=1) < 1 or min(array.chunks, default=1) < 1:
        raise ValueError(f"its metadata say chunks of {tuple(array.chunks)} voxels")
    grid = [math.ceil(edge / chunk) for edge, chunk in zip(array.shape, stored, strict=True)]
    sizes = _file_sizes(path / array.path)
    if missing_chunks == "raise":
        n_chunks = math.prod(grid)
        # Only where there are as many files can it be afforded to look for each.
        n_found = len(sizes) if len(sizes) < n_chunks else _n_present(array, grid, sizes)
        if n_found < n_chunks:
            raise FileFormatError(
                f"{path} has {n_found} of {plural(n_chunks, 'chunk')}. Copy it again; or, if what "
                "is missing was never written, read it with missing_chunks='fill' (on the command "
                f"line, --missing-chunks fill), which takes it for {array.fill_value}.",
                arguments=("missing_chunks",),
            )
    largest, n_bytes = max(sizes.values(), default=0), array.size * array.dtype.itemsize
    in_a_chunk = math.prod(stored) * array.dtype.itemsize
    if sizes and in_a_chunk > largest * _LARGEST_COMPRESSION:
        raise ValueError(
            f"its metadata say chunks of {in_a_chunk} bytes, but its largest has {largest}"
        )
    if n_bytes > max(sum(sizes.values()) * _LARGEST_COMPRESSION, _LARGEST_FILL):
        raise ValueError(
            f"its metadata say {n_bytes} bytes, but its chunks have {sum(sizes.values())}"
        )


def _n_present(array: Any, grid: list[int], sizes: dict[str, int]) -> int:
    keys = (array.metadata.encode_chunk_key(place) for place in np.ndindex(*grid))
    return sum(key in sizes for key in keys)


def _file_sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of an array's files, by their paths within its folder."""
    return {
        Path(place, name).relative_to(folder).as_posix(): os.path.getsize(Path(place, name))
        for place, _, names in os.walk(folder)
        for name in names
        if not is_metadata(name)
    }


def _scale(multiscale: dict[str, Any], dataset: dict[str, Any], n_axes: int) -> np.ndarray:
    """Return the scale of a resolution, which all resolutions' own scale multiplies."""
    scale = np.ones(n_axes)
    for part in (multiscale, dataset):
        for transformation in part.get("coordinateTransformations") or []:
            if transformation["type"] == "scale":
                scale = scale * np.asarray(transformation["scale"], dtype=float).reshape(n_axes)
    return scale


def zarr_frame(path: Path) -> tuple[tuple[int, ...], VoxelSize | None]:
    """Return the edges z, y, x of the finest resolution in voxels, and those of a voxel.

    Chunks are not looked at.

    Raises
    ------
    FileFormatError
        If it is no OME-Zarr of one volume.
    """
    with _damage_named(path):
        array, axes, _ = _open(path, 0)
        _check_array(path, array, axes.names)
        shape = tuple(array.shape[axes.names.index(name)] for name in "zyx")
        return shape, _voxel_size(path, axes)


def _voxel_size(path: Path, axes: _Axes) -> VoxelSize | None:
    order = [axes.names.index(name) for name in "zyx"]
    units = [axes.units[axis] for axis in order]
    unknown = sorted({str(unit) for unit in units if unit not in _ANGSTROM})
    if unknown == ["None"]:
        warnings.warn(
            f"{path} does not say the unit of its scale; it is taken for angstrom.",
            UserWarning,
            stacklevel=5,
        )
    elif unknown:
        raise FileFormatError(
            f"{path} has a scale in {listed(unknown)}; known are {listed(sorted(_ANGSTROM))}."
        )
    z, y, x = (
        float(axes.scale[axis]) * _ANGSTROM.get(unit or "angstrom", 1.0)
        for axis, unit in zip(order, units, strict=True)
    )
    oddities: list[str] = []
    sizes = plausible_voxel_size((z, y, x), oddities)
    if oddities:
        warnings.warn(f"{path} says {oddities[0]}.", UserWarning, stacklevel=5)
    return sizes
