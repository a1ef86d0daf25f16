"""What all transformers of volumes share."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from numbers import Integral
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._volumes import check_volumes, has_flat_rows, is_lazy


class BaseVolumeTransformer(TransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all transformers here: reads volumes and remembers their shape.

    Parameters
    ----------
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "volume_shape": [None, Interval(Integral, 1, None, closed="left"), "array-like"],
    }

    def __init__(self, *, volume_shape=None):
        self.volume_shape = volume_shape

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters against the shape of the volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes, axes z, y, x; or flat rows.
        y : object, optional
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If `X` is malformed or a parameter does not suit its box.
        """
        check_volumes(self, X, volume_shape=self.volume_shape, reset=True)
        self._check_parameters()
        return self

    def _check_parameters(self) -> None:
        """Raise ValueError where a parameter does not suit ``volume_shape_``."""

    def __sklearn_tags__(self):
        """Return the tags: float32 out."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class VolumeTransformer(BaseVolumeTransformer):
    """Base of transformers that work on each volume by itself and learn nothing from the data.

    Volumes come out in the layout they came in: four-dimensional, or flat rows. A subclass
    implements :meth:`_transform_volumes` and, where it has parameters, :meth:`_check_parameters`.

    Parameters
    ----------
    volume_shape : int or (int, int, int), optional
        Box in voxels, z, y, x, of flat rows. Without it, a flat row is read as one line of voxels.
    """

    def transform(self, X):
        """Transform volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes of the shape seen in :meth:`fit`.

        Returns
        -------
        X_new : ndarray of float32
            Four-dimensional if `X` is, else flat rows; a lazy stack if `X` is one.
        """
        check_is_fitted(self)
        volumes = check_volumes(self, X, reset=False)
        if is_lazy(X):
            return X.map(self._transform_volumes)
        volumes = self._transform_volumes(volumes)
        return volumes.reshape(len(volumes), -1) if has_flat_rows(X) else volumes

    def set_output(self, *, transform=None):
        """Do nothing: volumes have no tabular form. It exists so that pipelines can call it.

        Parameters
        ----------
        transform : object
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        return self

    @abstractmethod
    def _transform_volumes(self, volumes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Transform volumes of shape (n, depth, height, width), without changing them in place."""
