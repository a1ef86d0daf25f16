"""Cutting out the middle of volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
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


@documented
class CenterCropper(SmallerBoxTransformer):
    """Cut the middle out of volumes; the center voxel, index ``n // 2``, stays the center.

    %(parameters_of_a_smaller_box)s

    %(fitted_smaller_box)s

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import CenterCropper
    >>> CenterCropper(28).fit_transform(np.zeros((2, 32, 32, 32))).shape
    (2, 28, 28, 28)
    """

    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return partial(crop_center, box_size=self.box_size_)
