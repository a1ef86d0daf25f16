"""Volumes that are read when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray


class LazyVolumes:
    """Base of stacks of volumes that are read when they are needed.

    A subclass sets ``_edges`` and ``_steps``, has ``__len__`` and ``__getitem__``, and reads in
    ``__array__``.
    """

    #: What estimators recognize it by.
    lazy_volumes: ClassVar[bool] = True
    ndim: ClassVar[int] = 4
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)

    #: Edges of a box, after the steps.
    _edges: tuple[int, ...]
    #: What boxes go through when they are read.
    _steps: tuple[Callable[[NDArray], NDArray], ...]

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of volumes, and edges of the boxes."""
        return (len(self), *self._edges)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    def map(self, function: Callable[[NDArray], NDArray]) -> Self:
        """Return a stack whose boxes go through a function when they are read.

        Parameters
        ----------
        function : callable
            From an array (n, d, h, w) to one of as many volumes, each by itself; it has to be one
            that can be pickled, for worker processes.

        Returns
        -------
        stack : object
            As lazy as this one, and of its class.

        Raises
        ------
        ValueError
            If the function does not turn a volume into a volume.
        """
        result = np.asarray(function(np.zeros((1, *self._edges), dtype=self.dtype)))
        if result.ndim != 4 or len(result) != 1:
            raise ValueError(f"function turns one volume into an array of shape {result.shape}.")
        mapped = self._copy()
        mapped._steps = (*self._steps, function)
        mapped._edges = result.shape[1:]
        return mapped

    def _copy(self) -> Self:
        """Return a shallow copy. copy.copy would leave out what pickles do not take along."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied
