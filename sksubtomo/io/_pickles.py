"""Labeled subtomograms in pickles, read without running what is in them."""

from __future__ import annotations

import mmap
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import errors_of_damage
from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError

# Of float32 to what is in the file, where it may be bytes; and some more for small files.
_LARGEST_GROWTH, _SMALL = 8, 2**20
_LABELS = (str, bytes, bool, int, float, np.generic)
# What stands for the class of arrays, so that none can be made by calling it.
_ARRAY = object()


def _empty_array(kind: object, shape: object, _typecode: object) -> NDArray:
    """Return the array that NumPy begins with, of no size: the rest comes with the numbers."""
    if kind is not _ARRAY or shape != (0,):
        raise pickle.UnpicklingError("it makes an array other than NumPy does")
    return np.ndarray((0,), dtype=np.int8)


def _number_type(name: str, *options: Any) -> np.dtype:
    kind = np.dtype(name, *options)
    if kind.kind not in "biufSU":
        raise pickle.UnpicklingError(f"it asks for arrays of {kind}, which are no numbers or text")
    return kind


def _latin_bytes(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode(encoding)


# All that arrays and labels need, safe versions of some; NumPy moved its modules in version 2.
_CORES = ("numpy.core", "numpy._core")
_OWN: dict[tuple[str, str], Any] = {
    **{(f"{core}.multiarray", "_reconstruct"): _empty_array for core in _CORES},
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _number_type,
    ("_codecs", "encode"): _latin_bytes,
}
_ALLOWED = {
    *((f"{core}.multiarray", "scalar") for core in _CORES),
    *((f"{core}.numeric", "_frombuffer") for core in _CORES),
    ("collections", "OrderedDict"),
}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that makes arrays, containers, text and numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if that is harmless."""
        if (module, name) in _OWN:
            return _OWN[module, name]
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"it asks for {shorten(f'{module}.{name}', 80)}, which is no array"
            )
        return super().find_class(module, name)


def read_labeled_pickle(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Read volumes and labels from a pickle that maps labels to lists of volumes.

    As AITom distributes its subtomograms. A pickle can run any code when it is read; this
    reader makes arrays of NumPy, containers, text and numbers only, and refuses all else. Sizes
    in the file are checked before anything is allocated.

    Parameters
    ----------
    path : path-like
        The file, of Python 2 or 3.

    Returns
    -------
    X : ndarray of shape (n_samples, depth, height, width) of float32
        Volumes, in the order of the labels in the file.
    y : ndarray of shape (n_samples,) of str
        Labels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is no such pickle, asks for anything but arrays, or its volumes differ in shape.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    remedy = "Only pickles that map labels to lists of volumes are read."
    with errors_of_damage(path, "a pickle of arrays", remedy):
        _check_sizes(path)
        with open(path, "rb") as file:
            # Text and arrays of Python 2 are bytes, of which latin1 loses none.
            content = _ArraysOnly(file, encoding="latin1").load()
    if not isinstance(content, dict) or not content:
        raise FileFormatError(f"{path} holds no dictionary of labels and volumes.")
    volumes: list[NDArray] = []
    labels: list[str] = []
    for label, arrays in content.items():
        for array in arrays if isinstance(arrays, (list, tuple, np.ndarray)) else [None]:
            if not isinstance(label, _LABELS) or array is None or not _is_volume(array):
                said = shorten(repr(label) if isinstance(label, _LABELS) else type(label), 80)
                raise FileFormatError(f"{path}: the label {said} is not of a list of volumes.")
            volumes.append(array)
            labels.append(str(label))
    _check_volumes(path, volumes)
    return np.stack(volumes).astype(np.float32), np.array(labels)


def _is_volume(array: object) -> bool:
    if not isinstance(array, np.ndarray) or array.ndim != 3 or not array.size:
        return False
    return array.dtype.kind in "fiu"


def _check_sizes(path: Path) -> None:
    """Read a pickle without making anything of it.

    Raises
    ------
    ValueError
        If it is cut off, or says of something that it is larger than the file: the unpickler
        would allocate that much.
    """
    n_bytes = path.stat().st_size
    if not n_bytes:
        raise ValueError("it is empty")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # A mapping, of which `read` returns what there is; a file allocates what it is asked for.
        operations = pickletools.genops(content)  # type: ignore[arg-type]
        for number, (code, argument, _) in enumerate(operations):
            if "PUT" in code.name and int(argument or 0) > number + 1:
                raise ValueError(f"it keeps a value at place {argument} of its memory")
            if code.name == "FRAME" and int(argument or 0) > n_bytes:
                raise ValueError(f"it says of a part that it has {argument} bytes")


def _check_volumes(path: Path, volumes: list[NDArray]) -> None:
    shapes = sorted({volume.shape for volume in volumes})
    if len(shapes) != 1:
        raise FileFormatError(f"{path} holds volumes of shapes {shapes[:5]}; they must be alike.")
    # A pickle may name one array any number of times.
    n_bytes = 4 * len(volumes) * volumes[0].size
    if n_bytes > _LARGEST_GROWTH * path.stat().st_size + _SMALL:
        raise FileFormatError(
            f"{path} has the same volumes again and again: {len(volumes)} of shape {shapes[0]}."
        )
