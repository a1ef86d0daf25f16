"""Turning dark density bright."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._arrays import as_array
from sksubtomo._utils._docs import documented
from sksubtomo.preprocessing._base import VolumeTransformer


@documented
class ContrastInverter(VolumeTransformer):
    """Multiply volumes by -1: density is dark in raw tomograms, bright in maps of structures.

    %(parameters_of_a_transformer)s

    %(fitted_transformer)s

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import ContrastInverter
    >>> float(ContrastInverter().fit_transform(np.ones((1, 2, 2, 2))).sum())
    -8.0
    """

    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return np.negative

    def inverse_transform(self, X):
        """Invert the contrast back.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Inverted volumes.

        Returns
        -------
        X_original : ndarray of the shape of X, float32
            The volumes.
        """
        check_is_fitted(self)
        return self._transform(as_array(X))
