"""Unlabelled volumes as a part of the estimator, for tools that do not know -1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    _fit_context,
    clone,
)
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._delegation import inner_has
from sksubtomo._utils._labels import UNLABELED, UNLABELED_STRINGS, check_labels
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo.semi_supervised._shared_volumes import SharedVolumes


class WithUnlabeled(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Semi-supervised classifier that brings its unlabelled volumes along.

    From outside it is an ordinary classifier, to be fitted to labelled volumes. That makes
    scikit-learn's meta-estimators right that do not know -1: voting, stacking, bagging,
    calibration and one-vs-rest turn -1 into a class before a classifier can see it.

    Parameters
    ----------
    estimator : classifier
        Takes -1 (strings: "unlabeled") for unlabelled.
    unlabeled : SharedVolumes, array-like of shape (n_unlabeled, ...) or None, default=None
        Volumes to add, unlabelled, to those of :meth:`fit`. A :class:`SharedVolumes` is not copied
        when the estimator is cloned. None adds nothing.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        Its classes.
    n_features_in_ : int
        Its number of features.

    Notes
    -----
    Labels that are hidden in the `y` of :meth:`fit` are unlabelled, too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import VotingClassifier
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> from sksubtomo.semi_supervised import SharedVolumes, WithUnlabeled
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X = rng.normal(scale=0.2, size=(40, 2)) + y[:, np.newaxis]
    >>> classifier = WithUnlabeled(LabelSpreading(), SharedVolumes(X[10:]))
    >>> voting = VotingClassifier([("a", classifier), ("b", classifier)], voting="soft")
    >>> voting.fit(X[:10], y[:10]).score(X, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "unlabeled": [SharedVolumes, "array-like", None],
    }

    def __init__(self, estimator, unlabeled=None):
        self.estimator = estimator
        self.unlabeled = unlabeled

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Fit a clone of the estimator to the given and the unlabelled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Labelled volumes, four-dimensional or flat rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the unlabelled volumes have another shape than `X`.
        """
        if self.unlabeled is not None and len(self.unlabeled):
            X, y = _append(X, check_labels(y), np.asarray(self.unlabeled))
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.classes_ = self.estimator_.classes_
        if hasattr(self.estimator_, "n_features_in_"):
            self.n_features_in_ = self.estimator_.n_features_in_
        return self

    def predict(self, X):
        """Predict by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        check_is_fitted(self)
        refuse_scoring_unlabeled()
        return self.estimator_.predict(X)

    @inner_has("predict_proba")
    def predict_proba(self, X):
        """Return class probabilities by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        refuse_scoring_unlabeled()
        return self.estimator_.predict_proba(X)

    @inner_has("decision_function")
    def decision_function(self, X):
        """Return decision values by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        check_is_fitted(self)
        refuse_scoring_unlabeled()
        return self.estimator_.decision_function(X)

    @inner_has("transform")
    def transform(self, X):
        """Transform by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.

        Returns
        -------
        X_new : ndarray
            Whatever the estimator makes of them.
        """
        check_is_fitted(self)
        return self.estimator_.transform(X)

    def __sklearn_tags__(self):
        """Return the tags of the estimator inside, as far as they concern the input."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.non_deterministic = inner.non_deterministic
        return tags


def _append(X: Any, y: NDArray, unlabeled: NDArray) -> tuple[NDArray, NDArray]:
    """Stack labelled and unlabelled volumes, in the layout of the labelled."""
    X = np.asarray(X)
    same_voxels = X.ndim == 2 and unlabeled.size == len(unlabeled) * X.shape[1]
    if unlabeled.shape[1:] != X.shape[1:] and not same_voxels:
        raise ValueError(
            f"X has volumes of shape {X.shape[1:]}, but the unlabelled volumes have shape "
            f"{unlabeled.shape[1:]}."
        )
    is_text = y.dtype.kind in "US" or (y.dtype.kind == "O" and isinstance(y[0], str))
    hidden = np.array([UNLABELED_STRINGS[0] if is_text else UNLABELED] * len(unlabeled))
    if y.dtype.kind == "O":
        hidden = hidden.astype(object)
    elif y.dtype.kind in "ub":  # these cannot hold -1
        y = y.astype(np.int64)
    return (
        np.concatenate([X, unlabeled.reshape(len(unlabeled), *X.shape[1:])]),
        np.concatenate([y, hidden]),
    )
