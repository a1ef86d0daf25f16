"""A handle on volumes, which copies of an estimator share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._arrays import is_lazy
from sksubtomo._utils._files import check_is_file


class SharedVolumes:
    """Volumes held by reference: cloning the holder does not copy them.

    ``sklearn.base.clone`` deep-copies parameters, gigabytes included; a deep copy of this
    handle is the handle itself. Made from a file, it is pickled as the path, and worker processes
    map the file instead of receiving the voxels; made from an array, it is pickled with them.

    Parameters
    ----------
    volumes : array-like of shape (n_samples, ...), or path of a ``.npy`` file
        The volumes. Data frames keep their columns, and lazy stacks stay lazy.

    Attributes
    ----------
    volumes : ndarray, data frame or lazy stack of shape (n_samples, ...)
        The volumes, not copied.
    shape : tuple of int
        Shape of the volumes.
    dtype : dtype
        Type of a voxel.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a ``.npy`` file.

    Examples
    --------
    >>> import copy
    >>> import numpy as np
    >>> from sksubtomo.io import SharedVolumes
    >>> handle = SharedVolumes(np.zeros((100, 8, 8, 8)))
    >>> copy.deepcopy(handle) is handle, len(handle)
    (True, 100)
    """

    def __init__(self, volumes: Any) -> None:
        self._path: Path | None = None
        if isinstance(volumes, (str, Path)):
            self._path = Path(volumes).resolve()
            self._array = _map_file(self._path)
        else:
            as_given = hasattr(volumes, "columns") or is_lazy(volumes)
            self._array = volumes if as_given else np.asarray(volumes)

    @property
    def volumes(self) -> Any:
        """The volumes, not copied."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the volumes."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of a voxel."""
        found = getattr(self._array, "dtype", None)  # data frames have one a column
        return found if isinstance(found, np.dtype) else np.asarray(self._array[:1]).dtype

    def __len__(self) -> int:
        return len(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.array(self._array, dtype=dtype, copy=copy)

    def __copy__(self) -> SharedVolumes:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedVolumes:
        return self

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        return type(self), (self._array if self._path is None else self._path,)

    def __repr__(self) -> str:
        source = "" if self._path is None else f", {str(self._path)!r}"
        return f"<SharedVolumes of shape {self.shape}{source}>"


def _map_file(path: Path) -> NDArray:
    check_is_file(path)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is not a .npy file of volumes ({error}). Write one with numpy.save."
        ) from error
