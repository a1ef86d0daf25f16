"""What all estimators with a code and a decoder share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._arrays import as_array, check_table, has_flat_rows
from sksubtomo._utils._available import unavailable
from sksubtomo._utils._docs import documented
from sksubtomo._utils._volumes import check_volumes
from sksubtomo.base._encoding import EncodingMixin


def _no_branch_to_train(estimator: Any) -> str | None:
    """Why there is nothing that the next fit could transform by."""
    try:
        if estimator.trains_decoder():
            return None
    except TypeError:  # alpha is no number, which fit refuses
        return None
    return (
        "alpha=0 switches the reconstruction branch off; there is no trained code and decoder. Fit "
        "with alpha > 0."
    )


def _no_trained_branch(estimator: Any) -> str | None:
    """Why there is nothing to transform by: of a fitted estimator, how it was fitted counts."""
    if not hasattr(estimator, "net_"):
        return _no_branch_to_train(estimator)
    if getattr(estimator.net_.module_, "reconstructs", True):
        return None
    return (
        "it was fitted with alpha=0, which switches the reconstruction branch off; there is no "
        "trained code and decoder. Fit with alpha > 0."
    )


@unavailable(_no_branch_to_train, "fit_transform")
@unavailable(
    _no_trained_branch,
    "transform",
    "get_feature_names_out",
    "inverse_transform",
    "reconstruct",
    "reconstruction_error",
)
@documented
class ReconstructionMixin(EncodingMixin):
    """Latent codes and reconstructions, in the layout and the units of the input.

    Mixed into a :class:`BaseVolumeEstimator` whose network has ``encode``, ``decode`` and
    ``reconstruct``.
    """

    def trains_decoder(self) -> bool:
        """Return whether the next fit will train the reconstruction branch."""
        return True

    def inverse_transform(self, X):
        """Decode latent codes to volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, latent_dim)
            Latent codes, as :meth:`transform` gives them.

        Returns
        -------
        volumes : ndarray of shape (n_samples, depth, height, width) of float32
            Volumes in the units of the training volumes.
        """
        check_is_fitted(self, "net_")
        codes = check_table(X, dtype=np.float32, input_name="codes")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"Latent codes have {self._n_features_out} features, but X has {codes.shape[1]}."
            )
        return self._to_units(self._forward("decode", codes))

    def reconstruct(self, X):
        """Return volumes as the network reconstructs them, with less noise.

        %(volumes)s

        Returns
        -------
        reconstructions : ndarray of the shape of X, float32
            Reconstructions in the units of `X`.
        """
        check_is_fitted(self, "net_")
        X = as_array(X)
        volumes = check_volumes(self, X, reset=False)
        reconstructions = self._to_units(self._forward("reconstruct", volumes))
        return reconstructions.reshape(len(volumes), -1) if has_flat_rows(X) else reconstructions

    def reconstruction_error(self, X):
        """Return the mean squared error of the reconstruction of each volume.

        %(volumes)s

        Returns
        -------
        errors : ndarray of shape (n_samples,) of float64
            Mean over the voxels of the squared difference, in the squared units of `X`. Its mean
            is the figure of the paper's Table 3.
        """
        check_is_fitted(self, "net_")
        volumes = check_volumes(self, X, reset=False)
        errors, start = np.empty(len(volumes)), 0
        with keeping_freed_memory():
            for batch in self._forward_batches("reconstruct", volumes):
                rows = slice(start, start + len(batch))
                difference = self._to_units(batch) - np.asarray(volumes[rows])
                errors[rows] = np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3))
                start = rows.stop
        return errors

    def _to_units(self, outputs: np.ndarray) -> np.ndarray:
        """Drop the channel axis and undo the scaling."""
        return outputs[:, 0] * np.float32(self.scale_) + np.float32(self.offset_)
