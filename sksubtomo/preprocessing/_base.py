"""What all transformers of volumes share."""

from __future__ import annotations

import itertools
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._arrays import as_array, has_flat_rows, is_lazy
from sksubtomo._utils._containers import in_container
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import EDGES
from sksubtomo._utils._sklearn import fit_context
from sksubtomo._utils._volumes import Shape3d, check_volumes, unchanged_on_error


def voxel_names(shape: Shape3d) -> NDArray[np.object_]:
    """Return ``voxel_z_y_x`` for every voxel of a box, x fastest, as rows are flattened."""
    indices = itertools.product(*(range(edge) for edge in shape))
    return np.array([f"voxel_{z}_{y}_{x}" for z, y, x in indices], dtype=object)


@documented
class BaseVolumeTransformer(
    DocLinkMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of all transformers here: reads volumes and remembers their shape.

    What :meth:`transform` does is settled in :meth:`fit`: parameters that are set later count from
    the next fit on.

    %(parameters_of_a_transformer)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {"volume_shape": EDGES}

    def __init__(self, *, volume_shape=None):
        self.volume_shape = volume_shape

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters against the shape of the volumes.

        Parameters
        ----------
        %(X)s
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
        with unchanged_on_error(self):
            check_volumes(self, X, volume_shape=self.volume_shape, reset=True)
            self._fit_parameters()
        return self

    def _fit_parameters(self) -> None:
        """Take over the parameters; raise ValueError where one does not suit ``volume_shape_``."""

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of flat rows.

        Parameters
        ----------
        input_features : array-like of shape (n_voxels,) of str, optional
            Names of the columns that come in. By default those of the data frame in :meth:`fit`,
            or ``voxel_z_y_x`` where it had none.

        Returns
        -------
        names : ndarray of str
            The names that come in, where the box stays.

        %(wrong_names)s
        """
        check_is_fitted(self)
        if input_features is None and not hasattr(self, "feature_names_in_"):
            input_features = voxel_names(self.volume_shape_)
        return super().get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        """Return the tags: float32 out."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


@documented
class VolumeTransformer(BaseVolumeTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of transformers that work on each volume by itself and learn nothing from the data.

    Volumes come out in the layout they came in: four-dimensional, or flat rows. A subclass
    implements :meth:`_function` and, where it has parameters, :meth:`_fit_parameters`.

    %(parameters_of_a_transformer)s
    """

    def __init_subclass__(cls, **kwargs):
        # scikit-learn would put four-dimensional volumes into a table, too.
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def transform(self, X):
        """Transform volumes.

        %(volumes)s

        Returns
        -------
        X_new : ndarray of float32
            Four-dimensional if `X` is, else flat rows, in a data frame if :meth:`set_output` asks
            for one; a lazy stack if `X` is one.
        """
        check_is_fitted(self)
        X = as_array(X)
        transformed = self._transform(X)
        if has_flat_rows(X):
            return in_container(self, transformed, self.get_feature_names_out, X)
        return transformed

    def _transform(self, X: Any) -> Any:
        """Transform what :func:`as_array` read, in its layout."""
        volumes = check_volumes(self, X, reset=False)
        if is_lazy(X):
            return X.map(self._function())
        volumes = self._function()(volumes)
        return volumes.reshape(len(volumes), -1) if has_flat_rows(X) else volumes

    def set_output(self, *, transform=None):
        """Choose the container of flat rows; volumes have no tabular form and stay arrays.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            What :meth:`transform` makes of flat rows. None changes nothing.

        Returns
        -------
        self : object
            The transformer.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    @abstractmethod
    def _function(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Return what takes volumes of shape (n, depth, height, width) to new ones.

        It does not change them in place. Lazy stacks keep it and may be pickled, so it must not
        depend on the transformer, which may be fitted anew.
        """
