"""Volumes as rows of a table."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._arrays import check_table
from sksubtomo._utils._docs import documented
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.preprocessing._base import BaseVolumeTransformer


@documented
class VolumeFlattener(BaseVolumeTransformer):
    """Turn volumes into rows of voxels, for those of scikit-learn's tools that need a table.

    %(parameters_of_a_transformer)s

    %(fitted_transformer)s

    Examples
    --------
    >>> import numpy as np
    >>> from sksubtomo.preprocessing import VolumeFlattener
    >>> flattener = VolumeFlattener().fit(np.zeros((2, 3, 3, 3)))
    >>> flattener.transform(np.ones((5, 3, 3, 3))).shape
    (5, 27)
    >>> flattener.inverse_transform(np.ones((5, 27))).shape
    (5, 3, 3, 3)
    """

    def transform(self, X):
        """Flatten volumes.

        %(volumes)s

        Returns
        -------
        rows : ndarray of shape (n_samples, n_voxels) of float32
            A row a volume; x varies fastest.
        """
        check_is_fitted(self)
        volumes = np.asarray(check_volumes(self, X, reset=False))
        return volumes.reshape(len(volumes), -1)

    def inverse_transform(self, X):
        """Give rows the shape of volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_voxels)
            Rows, for example images of principal components.

        Returns
        -------
        volumes : ndarray of shape (n_samples, depth, height, width)
            Volumes, in single or double precision as the rows.

        Raises
        ------
        ValueError
            If a row does not have as many columns as a volume has voxels.
        """
        check_is_fitted(self)
        rows = check_table(X, dtype=[np.float32, np.float64], input_name="X")
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"Rows have {rows.shape[1]} columns, but volumes of shape {self.volume_shape_} "
                f"have {self.n_features_in_} voxels."
            )
        return rows.reshape(len(rows), *self.volume_shape_)
