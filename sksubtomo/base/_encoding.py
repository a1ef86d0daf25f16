"""What all estimators share whose network encodes volumes."""

from __future__ import annotations

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._containers import check_container
from sksubtomo._utils._docs import documented
from sksubtomo._utils._volumes import check_volumes


@documented
class EncodingMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Latent codes of volumes, as scikit-learn's transformers give features.

    Mixed into a :class:`BaseVolumeEstimator` whose network has ``encode``.
    """

    @property
    def _n_features_out(self) -> int:
        return self.net_.module_.latent_dim

    def fit_transform(self, X, y=None, **fit_params):
        """Fit, and return the latent codes of the same volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_voxels)
            Volumes, as in :meth:`fit`.
        y : array-like of shape (n_samples,), optional
            Labels, as in :meth:`fit`.
        **fit_params : dict
            More arguments of :meth:`fit`.

        Returns
        -------
        latents : ndarray of shape (n_samples, latent_dim) of float32
            As :meth:`transform` gives them.

        Raises
        ------
        ImportError
            If ``set_output`` asks for a library that is not installed; before any training.
        ValueError
            As :meth:`fit`.
        """
        check_container(self)
        return super().fit_transform(X, y, **fit_params)

    def transform(self, X):
        """Return the latent codes of volumes.

        %(volumes)s

        Returns
        -------
        latents : ndarray of shape (n_samples, latent_dim) of float32
            The output of the encoder. Variational and contrastive ones are of either sign, others
            are not negative.
        """
        check_is_fitted(self, "net_")
        return self._forward("encode", check_volumes(self, X, reset=False))

    def __sklearn_tags__(self):
        """Return the tags: latent codes are float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
