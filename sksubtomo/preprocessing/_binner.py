"""Binning volumes by cropping their Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sksubtomo.fourier import fourier_crop
from sksubtomo.preprocessing._smaller_box import SmallerBoxTransformer


class FourierBinner(SmallerBoxTransformer):
    """Resample volumes to fewer, larger voxels by keeping their low frequencies.

    The field of view stays: the voxel size grows by ``old_box / new_box``. The center voxel, index
    ``n // 2``, stays the center voxel, and the mean stays.

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
        Box in voxels, z, y, x, before binning.
    box_size_ : tuple of int
        Box in voxels, z, y, x, after binning.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if `X` was a data frame that has some.

    See Also
    --------
    sksubtomo.fourier.fourier_crop : The function behind it.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import FourierBinner
    >>> FourierBinner(16).fit_transform(np.ones((2, 32, 32, 32))).shape
    (2, 16, 16, 16)
    """

    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return partial(fourier_crop, box_size=self.box_size_)
