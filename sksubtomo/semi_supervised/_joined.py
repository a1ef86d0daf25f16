"""Labeled and unlabeled volumes, one after the other, in the form of the labeled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse, vstack

from sksubtomo._utils._arrays import is_lazy
from sksubtomo._utils._lazy import LazyVolumes
from sksubtomo._utils._rows import as_rows


def join_volumes(X: Any, unlabeled: Any) -> Any:
    """Return labeled and unlabeled volumes, one after the other.

    Parameters
    ----------
    X : array-like, sparse matrix, data frame or lazy stack of shape (n_samples, ...)
        Labeled volumes.
    unlabeled : array-like, sparse matrix, data frame or lazy stack of shape (n_unlabeled, ...)
        Unlabeled volumes; volumes and flat rows of as many voxels go together.

    Returns
    -------
    volumes : ndarray, sparse matrix, data frame or JoinedVolumes
        Of the kind of `X`; lazy if one of the two is.

    Raises
    ------
    ValueError
        If shapes differ, or both are data frames and their columns differ.
    """
    X, unlabeled = as_rows(X), as_rows(unlabeled)
    if is_lazy(unlabeled) and not is_lazy(X):
        return JoinedVolumes([_in_shape_of(unlabeled, X, reverse=True), unlabeled])
    if is_lazy(X):
        return JoinedVolumes([X, _in_shape_of(X, unlabeled)])
    if hasattr(X, "columns"):
        return _join_frames(X, unlabeled)
    if issparse(X):
        return vstack([X, _in_shape_of(X, unlabeled)], format="csr")
    X = np.asarray(X)
    return np.concatenate([X, _in_shape_of(X, unlabeled)])


def _in_shape_of(model: Any, volumes: Any, *, reverse: bool = False) -> Any:
    """Return volumes in the layout of others; those that are lazy must have it already.

    The others are the labeled ones or, in reverse, the unlabeled.
    """
    if issparse(volumes):
        volumes = volumes if issparse(model) else volumes.toarray()
    elif not is_lazy(volumes):
        volumes = np.asarray(volumes)
    wanted, found = tuple(model.shape[1:]), tuple(volumes.shape[1:])
    if found == wanted:
        return volumes
    in_memory = isinstance(volumes, np.ndarray)
    if in_memory and 1 in (len(wanted), len(found)) and math.prod(wanted) == math.prod(found):
        return volumes.reshape(len(volumes), *wanted)
    labeled, unlabeled = (found, wanted) if reverse else (wanted, found)
    raise ValueError(
        f"X has volumes of shape {labeled}, but the unlabeled volumes have shape {unlabeled}."
    )


def _join_frames(X: Any, unlabeled: Any) -> Any:
    """Stack data frames of pandas or polars column by column, which keeps types and names."""
    names = list(X.columns)
    if hasattr(unlabeled, "columns"):
        others = list(unlabeled.columns)
        if others != names:
            differing = [name for name in names if name not in others] or [
                name for name in others if name not in names
            ]
            raise ValueError(
                "The columns of the unlabeled volumes must be those of X, in the same order; "
                + (f"they differ in {differing[:5]}." if differing else "their order differs.")
            )
        columns = [np.asarray(unlabeled[name]) for name in names]
    else:
        columns = list(_in_shape_of(X, unlabeled).T)
    joined = [
        np.concatenate([np.asarray(X[name]), column])
        for name, column in zip(names, columns, strict=True)
    ]
    return type(X)(dict(zip(names, joined, strict=True)))


class JoinedVolumes(LazyVolumes):
    """Volumes of several sources, one after the other, read when they are needed.

    A lazy stack, as :class:`sksubtomo.io.SubtomogramStack`: slices are stacks; one row, or
    ``np.asarray``, reads.

    Parameters
    ----------
    parts : sequence of ndarray or lazy stack of shape (n, d, h, w)
        Of one box size.

    Attributes
    ----------
    shape : (int, int, int, int)
        Volumes, and edges of the boxes.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self._rows = np.arange(self._starts[-1])
        self._steps = ()
        self._edges = tuple(self._parts[0].shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        """Return a stack for slices, masks and arrays of rows, and read one row."""
        if isinstance(key, tuple):
            key, *rest = key
            if any(part is not Ellipsis for part in rest):
                raise TypeError("Volumes that are read lazily are indexed by rows only.")
        if isinstance(key, Integral):
            return np.asarray(self[[key]])[0]
        part = self._copy()
        part._rows = self._rows[key]
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        source = np.searchsorted(self._starts, self._rows, side="right") - 1
        read = np.empty((len(self), *self._parts[0].shape[1:]), dtype=self.dtype)
        for number, part in enumerate(self._parts):
            inside = source == number
            if inside.any():
                read[inside] = np.asarray(part[self._rows[inside] - self._starts[number]])
        for step in self._steps:
            read = step(read)
        return read.astype(dtype or self.dtype, copy=False)
