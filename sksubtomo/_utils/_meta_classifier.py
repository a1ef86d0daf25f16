"""What the classifiers around another classifier share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._delegation import inner_has
from sksubtomo._utils._doc_link import DocLinkMixin
from sksubtomo._utils._docs import documented
from sksubtomo._utils._labeled_classifier import LabeledClassifierMixin
from sksubtomo._utils._routing import routed_params, same_methods
from sksubtomo._utils._rows import as_rows, fit_clone
from sksubtomo._utils._scoring import refuse_scoring_unlabeled


def fit_classifier(estimator: Any, X: Any, y: NDArray, params: Mapping[str, Any]) -> Any:
    """Return a fitted clone of a classifier that takes hidden labels for what they are.

    Parameters
    ----------
    estimator : classifier
        Not changed.
    X : array-like of shape (n_samples, ...)
        Volumes.
    y : ndarray of shape (n_samples,)
        Labels, of which some may be hidden.
    params : mapping
        Metadata for its ``fit``.

    Returns
    -------
    fitted : classifier
        The clone.

    Raises
    ------
    ValueError
        If the classifier took the label that means "unlabeled" for a class, or is none.
    """
    fitted = fit_clone(estimator, X, y, **params)
    if not hasattr(fitted, "classes_"):
        raise ValueError(
            f"{type(estimator).__name__} is not a classifier: fitted, it has no classes_."
        )
    return fitted


@documented
class BaseMetaClassifier(DocLinkMixin, MetaEstimatorMixin, LabeledClassifierMixin, BaseEstimator):
    """Base of classifiers around a classifier, which is given as ``estimator``.

    A subclass fits ``estimator_`` and calls :meth:`_record`. Metadata go to the classifier inside
    by scikit-learn's metadata routing, the ``sample_weight`` of :meth:`score` aside.
    """

    #: Methods whose metadata is handed on to the method of the same name.
    _routed_methods: ClassVar[tuple[str, ...]] = (
        *("fit", "predict", "predict_proba", "predict_log_proba", "decision_function"),
        "transform",
    )

    def _record(self, fitted: Any) -> None:
        """Set the attributes that tell of the classifier inside; none of an earlier fit stays."""
        self.estimator_ = fitted
        self.classes_ = fitted.classes_
        found = {
            name: getattr(fitted, name, None) for name in ("n_features_in_", "feature_names_in_")
        }
        last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
        # That of a frozen classifier is of the volumes that it was fitted to.
        frozen = isinstance(last, FrozenEstimator)
        found["transduction_"] = None if frozen else getattr(last, "transduction_", None)
        for name, value in found.items():
            if value is not None:
                setattr(self, name, value)
            elif hasattr(self, name):
                delattr(self, name)

    def _ask(self, method: str, X: Any, params: Mapping[str, Any]) -> Any:
        """Return the answer of the classifier inside, which gets the metadata it requests."""
        check_is_fitted(self)
        refuse_scoring_unlabeled()
        routed = routed_params(self, method, params)
        return getattr(self.estimator_, method)(as_rows(X), **routed["estimator"][method])

    def predict(self, X: Any, **params: Any) -> NDArray:
        """Predict classes by the classifier inside.

        %(rows_and_metadata)s

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        return self._ask("predict", X, params)

    @inner_has("predict_proba")
    @documented
    def predict_proba(self, X: Any, **params: Any) -> NDArray:
        """Return class probabilities of the classifier inside.

        %(rows_and_metadata)s

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._ask("predict_proba", X, params)

    @inner_has("predict_log_proba")
    @documented
    def predict_log_proba(self, X: Any, **params: Any) -> NDArray:
        """Return logarithms of class probabilities of the classifier inside.

        %(rows_and_metadata)s

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._ask("predict_log_proba", X, params)

    @inner_has("decision_function")
    @documented
    def decision_function(self, X: Any, **params: Any) -> NDArray:
        """Return decision values of the classifier inside.

        %(rows_and_metadata)s

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        return self._ask("decision_function", X, params)

    @inner_has("transform")
    @documented
    def transform(self, X: Any, **params: Any) -> Any:
        """Transform by the classifier inside.

        %(rows_and_metadata)s

        Returns
        -------
        X_new : ndarray or data frame
            Whatever the classifier makes of them.
        """
        return self._ask("transform", X, params)

    @inner_has("transform")
    def fit_transform(self, X: Any, y: Any, **params: Any) -> Any:
        """Fit, and transform the same volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            Labels, as in :meth:`fit`.
        **params : dict
            Metadata for :meth:`fit`.

        Returns
        -------
        X_new : ndarray or data frame
            Whatever the classifier makes of them.
        """
        return self.fit(X, y, **params).transform(X)

    @inner_has("get_feature_names_out")
    def get_feature_names_out(self, input_features: Any = None) -> NDArray:
        """Return the names of the columns that :meth:`transform` makes.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns of `X`.

        Returns
        -------
        names : ndarray of str
            Those of the classifier inside.
        """
        check_is_fitted(self)
        return self.estimator_.get_feature_names_out(input_features)

    @inner_has("set_output")
    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose the container of what :meth:`transform` makes.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None
            As in scikit-learn; None changes nothing.

        Returns
        -------
        self : object
            The estimator.
        """
        for inner in (self.estimator, getattr(self, "estimator_", None)):
            if inner is not None:
                inner.set_output(transform=transform)
        return self

    def _rows_to_score(self, X: Any) -> Any:
        return as_rows(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata go to the classifier inside.

        %(routing)s
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        methods = same_methods(self._routed_methods)
        return router.add(estimator=self.estimator, method_mapping=methods)

    def __sklearn_tags__(self) -> Any:
        """Return the tags of the classifier inside, as far as they concern the input."""
        tags = super().__sklearn_tags__()
        if self.estimator is None:
            return tags
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        tags.non_deterministic = inner.non_deterministic
        if inner.classifier_tags is not None:
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
        return tags
