"""Binning volumes by cropping their Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._docs import documented
from sksubtomo.fourier import fourier_crop
from sksubtomo.preprocessing._smaller_box import SmallerBoxTransformer


@documented
class FourierBinner(SmallerBoxTransformer):
    """Resample volumes to fewer, larger voxels by keeping their low frequencies.

    The field of view stays: the voxel size grows by ``old_box / new_box``. The center voxel, index
    ``n // 2``, stays the center voxel, and the mean stays.

    %(parameters_of_a_smaller_box)s

    %(fitted_smaller_box)s

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
