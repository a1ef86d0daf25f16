"""Cutting out the middle of volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.preprocessing._smaller_box import SmallerBoxTransformer


def crop_center(volumes: NDArray, box_size: Sequence[int]) -> NDArray:
    """Cut a box out of volumes so that the center voxel, ``n // 2``, stays the center voxel.

    Parameters
    ----------
    volumes : ndarray of shape (..., depth, height, width)
        Volumes.
    box_size : sequence of int
        New edges in voxels, z, y, x, none larger than the old.

    Returns
    -------
    cropped : ndarray of shape (..., *box_size)
        A view.
    """
    slices: list[Any] = [...]
    for old, new in zip(volumes.shape[-3:], box_size, strict=True):
        start = old // 2 - new // 2
        slices.append(slice(start, start + new))
    return volumes[tuple(slices)]


class CenterCropper(SmallerBoxTransformer):
    """Cut the middle out of volumes; the center voxel, index ``n // 2``, stays the center.

    Parameters
    ----------
    box_size : int or (int, int, int), optional
        New edges in voxels, z, y, x. By default the box stays as it is.
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.

    Attributes
    ----------
    n_features_in_ : int
        Number of voxels of a volume.
    volume_shape_ : tuple of int
        Box in voxels, z, y, x, before cropping.
    box_size_ : tuple of int
        Box in voxels, z, y, x, after cropping.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if `X` was a data frame that has some.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import CenterCropper
    >>> CenterCropper(28).fit_transform(np.zeros((2, 32, 32, 32))).shape
    (2, 28, 28, 28)
    """

    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return partial(crop_center, box_size=self.box_size_)
