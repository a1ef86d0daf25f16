"""What the meta-estimators of this package share."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._delegation import inner_has
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo.calibration._folds import fit_clone
from sksubtomo.metrics import make_labeled_scorer


class ClassifierAround(DocLinkMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Base of classifiers around a classifier, which is given as ``estimator``."""

    def _fit_estimator(self, X: Any, y: NDArray) -> None:
        self.estimator_ = fit_clone(self.estimator, X, y)
        self.classes_ = self.estimator_.classes_
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))

    @inner_has("transform")
    def transform(self, X):
        """Transform by the classifier inside.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.

        Returns
        -------
        X_new : ndarray
            Whatever the classifier makes of them.
        """
        check_is_fitted(self)
        return self.estimator_.transform(X)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy over the labelled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            True labels; rows that are unlabelled are left out.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        score : float
            Share of correct predictions.

        Raises
        ------
        ValueError
            If no row is labelled.
        """
        return make_labeled_scorer("accuracy")(self, X, y, sample_weight=sample_weight)

    def __sklearn_tags__(self):
        """Return the tags of the classifier inside, as far as they concern the input."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        tags.non_deterministic = inner.non_deterministic
        return tags
