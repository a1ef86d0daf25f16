"""Labelled subtomograms in pickles, read without running what is in them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.exceptions import FileFormatError

# All that arrays and labels need; numpy moved its modules in version 2.
_ALLOWED = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in
      ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
}  # fmt: skip


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that makes arrays, containers, text and numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names, if that is harmless."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return super().find_class(module, name)


def read_labeled_pickle(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Read volumes and labels from a pickle that maps labels to lists of volumes.

    As AITom distributes its subtomograms. A pickle can run any code when it is read; this
    reader makes arrays of NumPy, containers, text and numbers only, and refuses all else.

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
    try:
        with open(path, "rb") as file:
            # Text and arrays of Python 2 are bytes, of which latin1 loses none.
            content = _ArraysOnly(file, encoding="latin1").load()
    # A damaged pickle may raise anything.
    except Exception as error:
        raise FileFormatError(f"{path} cannot be read as a pickle of arrays: {error}.") from error
    if not isinstance(content, dict) or not content:
        raise FileFormatError(f"{path} holds no dictionary of labels and volumes.")
    volumes, labels = [], []
    for label, arrays in content.items():
        for array in arrays if isinstance(arrays, (list, tuple, np.ndarray)) else [None]:
            if (
                not isinstance(array, np.ndarray)
                or array.ndim != 3
                or array.dtype.kind not in "fiu"
            ):
                raise FileFormatError(f"{path}: the label {label!r} is not of a list of volumes.")
            volumes.append(array)
            labels.append(str(label))
    shapes = sorted({volume.shape for volume in volumes})
    if len(shapes) != 1:
        raise FileFormatError(f"{path} holds volumes of shapes {shapes[:5]}; they must be alike.")
    return np.stack(volumes).astype(np.float32), np.array(labels)
