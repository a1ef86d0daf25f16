"""Labeled subtomograms in pickles, read without running what is in them.

A pickle is a program for a small machine with a stack. This module has a machine of its own, which
knows only the operations that arrays, containers, text and numbers need. Where Python's would look
up and call what the file names, it keeps the name; arrays, types and their states are checked and
made here, from bytes that are there. So a file chooses no object, no size and no memory.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import check_is_file, errors_of_damage
from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._pickle_machine import LABELS, load_arrays

# Of float32 to what is in the file, where it may be bytes; and some more for small files.
_LARGEST_GROWTH, _SMALL = 8, 2**20
_LONGEST_LABEL = 1000


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
    check_is_file(path)
    remedy = "Only pickles that map labels to lists of volumes are read."
    with errors_of_damage(path, "a pickle of arrays", remedy):
        content = load_arrays(path)
        return _stacked(path, content)


def _stacked(path: Path, content: object) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return volumes and labels of what a pickle holds."""
    if not isinstance(content, dict) or not content:
        raise FileFormatError(f"{path} holds no dictionary of labels and volumes.")
    volumes: list[NDArray] = []
    labels: list[str] = []
    for label, arrays in content.items():
        for array in arrays if isinstance(arrays, (list, tuple, np.ndarray)) else [None]:
            if not isinstance(label, LABELS) or array is None or not _is_volume(array):
                said = shorten(repr(label) if isinstance(label, LABELS) else type(label), 80)
                raise FileFormatError(f"{path}: the label {said} is not of a list of volumes.")
            volumes.append(array)
            labels.append(str(label))
    # Every volume has a copy of its label, and all are as long as the longest.
    if max(map(len, labels), default=0) > _LONGEST_LABEL:
        raise FileFormatError(f"{path} has a label of more than {_LONGEST_LABEL} characters.")
    _check_volumes(path, volumes)
    X = np.empty((len(volumes), *volumes[0].shape), np.float32)
    with np.errstate(over="raise"):
        for row, volume in enumerate(volumes):
            X[row] = volume
    return X, np.array(labels)


def _is_volume(array: object) -> bool:
    if not isinstance(array, np.ndarray) or array.ndim != 3 or not array.size:
        return False
    return array.dtype.kind in "fiu"


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
