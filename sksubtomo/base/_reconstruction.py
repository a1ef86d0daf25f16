"""What all estimators with a code and a decoder share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from sksubtomo._utils._allocator import keeping_freed_memory
from sksubtomo._utils._volumes import check_volumes, has_flat_rows


def _reconstructs(estimator: Any) -> bool:
    """Whether the decoder is trained; an untrained one is not offered."""
    if not estimator._trains_decoder():
        raise AttributeError(
            f"This {type(estimator).__name__} has alpha=0, which switches the reconstruction "
            "branch off; there is no trained code and decoder."
        )
    return True


class ReconstructionMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Codes and reconstructions, in the layout and the units of the input.

    Mixed into a :class:`BaseVolumeEstimator` whose network has ``encode``, ``decode`` and
    ``reconstruct``.
    """

    def _trains_decoder(self) -> bool:
        return True

    @property
    def _n_features_out(self) -> int:
        return self.net_.module_.latent_dim

    @available_if(_reconstructs)
    def transform(self, X):
        """Return the codes of volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        codes : ndarray of shape (n_samples, latent_dim) of float32
            Non-negative features from which the decoder reconstructs.
        """
        check_is_fitted(self, "net_")
        return self._forward("encode", check_volumes(self, X, reset=False))

    @available_if(_reconstructs)
    def inverse_transform(self, X):
        """Return the volumes that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, latent_dim)
            Codes, as :meth:`transform` gives them.

        Returns
        -------
        volumes : ndarray of shape (n_samples, depth, height, width) of float32
            Volumes in the units of the training volumes.
        """
        check_is_fitted(self, "net_")
        codes = check_array(X, dtype=np.float32, input_name="codes")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"Codes have {self._n_features_out} features, but X has {codes.shape[1]}."
            )
        return self._to_units(self._forward("decode", codes))

    @available_if(_reconstructs)
    def reconstruct(self, X):
        """Return volumes as the network reconstructs them, with less noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

        Returns
        -------
        reconstructions : ndarray of the shape of X, float32
            Reconstructions in the units of `X`.
        """
        check_is_fitted(self, "net_")
        volumes = check_volumes(self, X, reset=False)
        reconstructions = self._to_units(self._forward("reconstruct", volumes))
        return reconstructions.reshape(len(volumes), -1) if has_flat_rows(X) else reconstructions

    @available_if(_reconstructs)
    def reconstruction_error(self, X):
        """Return the mean squared error of the reconstruction of each volume.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes of the shape that the estimator was fitted on.

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

    def __sklearn_tags__(self):
        """Return the tags: codes are float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
