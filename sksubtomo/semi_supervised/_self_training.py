"""scikit-learn's self-training, on volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.semi_supervised import SelfTrainingClassifier as _SelfTrainingClassifier

from sksubtomo._utils._delegation import inner_has
from sksubtomo._utils._labels import UNLABELED, check_labels, is_unlabeled, uniform_labels
from sksubtomo._utils._scoring import refuse_scoring_unlabeled


class SelfTrainingClassifier(_SelfTrainingClassifier):
    """Self-training around any classifier with ``predict_proba``, on volumes.

    scikit-learn's :class:`sklearn.semi_supervised.SelfTrainingClassifier`, which takes tables only.
    Here it takes four-dimensional volumes and hands them to its classifier as such; the algorithm
    is scikit-learn's own, and on flat rows so is the result. The classifier is fitted anew in every
    iteration, to the labelled volumes and those it was sure of before; it never sees the rest.

    Parameters
    ----------
    estimator : classifier
        Has ``fit`` and ``predict_proba``.
    threshold : float, default=0.75
        Probability above which a predicted label is taken, with ``criterion="threshold"``.
    criterion : {"threshold", "k_best"}, default="threshold"
        Whether to take predictions above the threshold, or the surest `k_best`.
    k_best : int, default=10
        Predictions to take an iteration, with ``criterion="k_best"``.
    max_iter : int or None, default=10
        Iterations at most; None goes on while labels are added.
    verbose : bool, default=False
        Whether to print the number of labels added.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier; fitted to volumes, it is ``estimator_.estimator_``, behind what gives
        rows back their shape.
    classes_ : ndarray of shape (n_classes,)
        Classes.
    transduction_ : ndarray of shape (n_samples,)
        Labels used in the final fit, pseudo-labels included; -1 where none was.
    labeled_iter_ : ndarray of shape (n_samples,)
        Iteration in which a sample got its label: 0 if it had one, -1 if it never did.
    n_iter_ : int
        Iterations.
    termination_condition_ : {"max_iter", "no_change", "all_labeled"}
        Why the iterations ended.

    See Also
    --------
    sksubtomo.semi_supervised.AutoencodingClassifier : Learns from all unlabelled volumes.

    References
    ----------
    Yarowsky, "Unsupervised word sense disambiguation rivaling supervised methods", ACL 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sksubtomo.preprocessing import VolumeFlattener
    >>> from sksubtomo.semi_supervised import SelfTrainingClassifier
    >>> y = np.arange(20) % 2
    >>> X = np.random.default_rng(0).normal(scale=0.1, size=(20, 2, 2, 2)) + y.reshape(-1, 1, 1, 1)
    >>> y_masked = np.where(np.arange(20) < 4, y, -1)
    >>> classifier = make_pipeline(VolumeFlattener(), LogisticRegression())
    >>> SelfTrainingClassifier(classifier).fit(X, y_masked).score(X, y)
    1.0
    """

    def _get_estimator(self) -> Any:
        estimator = super()._get_estimator()
        return (
            estimator if self.volume_shape_ is None else _OnVolumes(estimator, self.volume_shape_)
        )

    def fit(self, X, y, **params):
        """Fit to labelled and unlabelled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes; or rows, which the classifier gets as rows.
        y : array-like of shape (n_samples,)
            Labels, -1 where unlabelled; for strings also ``"unlabeled"``.
        **params : dict
            Metadata for the classifier, where scikit-learn's metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        y = check_labels(y)
        if y.dtype.kind in "USO":  # scikit-learn knows no sentinel but -1
            y = y.astype(object)
            y[is_unlabeled(y)] = UNLABELED
        X = np.asarray(X) if isinstance(X, (list, tuple)) else X
        self.volume_shape_ = tuple(X.shape[1:]) if getattr(X, "ndim", 2) == 4 else None
        return super().fit(self._rows(X), y, **params)

    def predict(self, X, **params):
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes, or rows.
        **params : dict
            Metadata for the classifier.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        refuse_scoring_unlabeled()
        return super().predict(self._rows(X), **params)

    def predict_proba(self, X, **params):
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes, or rows.
        **params : dict
            Metadata for the classifier.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        refuse_scoring_unlabeled()
        return super().predict_proba(self._rows(X), **params)

    @inner_has("predict_log_proba")
    def predict_log_proba(self, X, **params):
        """Return logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes, or rows.
        **params : dict
            Metadata for the classifier.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        refuse_scoring_unlabeled()
        return super().predict_log_proba(self._rows(X), **params)

    @inner_has("decision_function")
    def decision_function(self, X, **params):
        """Return decision values of the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes, or rows.
        **params : dict
            Metadata for the classifier.

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        refuse_scoring_unlabeled()
        return super().decision_function(self._rows(X), **params)

    def score(self, X, y):
        """Return the accuracy over the labelled samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes, or rows.
        y : array-like of shape (n_samples,)
            True labels; rows that are unlabelled are left out.

        Returns
        -------
        score : float
            Share of correct predictions.
        """
        y = check_labels(y)
        labeled = ~is_unlabeled(y)
        if not labeled.any():
            raise ValueError("The score needs labelled volumes, but every label in y is hidden.")
        return accuracy_score(uniform_labels(y[labeled]), self.predict(np.asarray(X)[labeled]))

    def _rows(self, X: Any) -> Any:
        """Flatten volumes, the only form that scikit-learn's validation lets through."""
        if getattr(self, "volume_shape_", None) is None:
            return X
        X = np.asarray(X)
        if X.ndim == 4 and X.shape[1:] != self.volume_shape_:
            raise ValueError(
                f"X has volumes of shape {X.shape[1:]}, but SelfTrainingClassifier was fitted on "
                f"volumes of shape {self.volume_shape_}."
            )
        return X.reshape(len(X), -1)


class _OnVolumes(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classifier that gives rows back their shape before its classifier sees them."""

    def __init__(self, estimator, volume_shape):
        self.estimator = estimator
        self.volume_shape = volume_shape

    def fit(self, X, y, **params):
        self.estimator_ = clone(self.estimator).fit(self._volumes(X), y, **params)
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X, **params):
        return self.estimator_.predict(self._volumes(X), **params)

    @inner_has("predict_proba")
    def predict_proba(self, X, **params):
        return self.estimator_.predict_proba(self._volumes(X), **params)

    @inner_has("predict_log_proba")
    def predict_log_proba(self, X, **params):
        return self.estimator_.predict_log_proba(self._volumes(X), **params)

    @inner_has("decision_function")
    def decision_function(self, X, **params):
        return self.estimator_.decision_function(self._volumes(X), **params)

    def _volumes(self, X):
        return X.reshape(len(X), *self.volume_shape)
