"""An answer for volumes that are of no known class."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._docs import documented
from sksubtomo._utils._labels import (
    UNLABELED,
    UNLABELED_STRINGS,
    check_labels,
    encode_labels,
    is_unlabeled,
)
from sksubtomo._utils._meta_classifier import fit_classifier
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._rows import as_rows
from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import HasMethods, StrOptions, fit_context, safe_indexing
from sksubtomo.calibration._base import BaseHeldOutClassifier
from sksubtomo.calibration._folds import make_folds, respond_out_of_fold, rows_to_calibrate_on
from sksubtomo.calibration._novelty import METHODS, check_method, fit_reference, score_volumes


@documented
class RejectingClassifier(BaseHeldOutClassifier):
    """Classifier that says "unknown" to volumes that look like none of its classes.

    Every volume gets a score, which is higher the more it is like the labeled ones. The
    threshold is a quantile of the scores of labeled volumes, given by clones that were not fitted
    on their labels, so that about that share of volumes of known classes is lost.

    Parameters
    ----------
    estimator : classifier
        With unlabeled volumes, it takes -1 (strings: "unlabeled") for unlabeled. A
        :class:`sklearn.frozen.FrozenEstimator` is not fitted again: what :meth:`fit` gets is then
        for the threshold only (with "mahalanobis", for means and spread, too), and should be new
        to it.
    method : str or callable, default="max_probability"
        How a volume is scored:

        - "max_probability": the largest of ``predict_proba`` [1]_. A network may be confident about
          what it has never seen.
        - "energy": log-sum-exp of ``decision_function`` [2]_, which are to be unnormalized
          log-probabilities; one column x counts as (-x/2, x/2).
        - "mahalanobis": minus the squared Mahalanobis distance to the nearest of the classes'
          means [3]_, with one covariance, shrunk as Ledoit and Wolf do; of ``features``, or else
          of ``transform``. Means and covariance are those of the training part of a fold; the
          score is averaged over the folds.
        - "likelihood": ``score_samples`` of the classifier.
        - a callable ``method(fitted_estimator, X)`` that returns one number a volume.
    quantile : float, default=0.05
        Share of known volumes to reject, at least 0, below 1. It cannot be met more closely than
        the number of labels allows: of 20, one is 5 %.
    unknown_label : int, str or None, default=None
        What :meth:`predict` says of volumes of no known class. None takes the label that means
        "unlabeled", -1 or with strings "unlabeled", so that predictions can be the labels of
        another fit.
    cv : int, cross-validation splitter or None, default=None
        Folds of the labeled volumes. None makes five, fewer where a class has fewer labels or
        the labels come from fewer groups, and at least two. A frozen classifier needs none,
        except for "mahalanobis".
    %(n_jobs)s

    %(fitted_to_everything)s
    offset_ : float
        Volumes with a lower score are unknown.
    unknown_label_ : int or str
        What :meth:`predict` says of them.
    classes_ : ndarray of shape (n_classes,)
        The known classes.
    %(fitted_held_out)s

    See Also
    --------
    sksubtomo.calibration.TemperatureScaledClassifier : Makes probabilities honest.

    Notes
    -----
    :meth:`score` counts a rejected volume as wrong.

    References
    ----------
    .. [1] Hendrycks & Gimpel, "A baseline for detecting misclassified and out-of-distribution
       examples in neural networks", ICLR 2017.
    .. [2] Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020.
    .. [3] Lee et al., "A simple unified framework for detecting out-of-distribution samples and
       adversarial attacks", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    >>> from sksubtomo.calibration import RejectingClassifier
    >>> y = np.arange(120) % 3
    >>> X = np.random.default_rng(0).normal(size=(120, 2)) + 9 * np.eye(3)[y, :2]
    >>> classifier = RejectingClassifier(LinearDiscriminantAnalysis(), method="mahalanobis")
    >>> classifier.fit(X, y).predict([[9, 0], [0, 9], [9, 9]])
    array([ 0,  1, -1])
    """

    # Whether a volume is unknown is asked without metadata, and so is its class.
    _routed_methods = tuple(
        name for name in BaseHeldOutClassifier._routed_methods if name != "predict"
    )
    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseHeldOutClassifier._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"])],
        "method": [StrOptions(set(METHODS)), callable],
        "quantile": [NumberInterval(Real, 0, 1, closed="left")],
        "unknown_label": [NumberInterval(Integral, None, None, closed="neither"), str, None],
    }

    def __init__(
        self,
        estimator,
        *,
        method="max_probability",
        quantile=0.05,
        unknown_label=None,
        cv=None,
        n_jobs=None,
    ):
        store_parameters(self, locals())

    @fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, *, groups=None, **params):
        """Fit the classifier to everything, and choose the threshold on held-out labels.

        %(held_out_fit)s

        Raises
        ------
        ValueError
            If the classifier lacks what the method needs, no volume is labeled, a class has too
            few labels for the folds or is missing from a training fold, the classifier takes
            hidden labels for a class, or the label of unknown volumes does not go with the classes.
        """
        check_method(self.estimator, self.method)
        X, y, groups = indexable(as_rows(X), check_labels(y), groups)
        rows = rows_to_calibrate_on(y)
        groups, routed = self._route_fit(groups, params)
        unknown_label = _check_unknown_label(self.unknown_label, y)
        frozen = isinstance(self.estimator, FrozenEstimator) and self.method != "mahalanobis"
        folds = None if frozen else make_folds(self.estimator, self.cv, X, y, groups)
        fitted = fit_classifier(self.estimator, X, y, routed)
        # As many volumes a reference as in the folds: the covariance of fewer volumes than
        # features depends on their number, and with it the scale of the distances.
        folds_of_references = folds if folds and self.method == "mahalanobis" else []
        references = [
            fit_reference(self.method, fitted, safe_indexing(X, train), y[train])
            for train in (own[~is_unlabeled(y[own])] for own, _ in folds_of_references)
        ]
        if folds is None:
            scores = score_volumes(self.method, fitted, references, safe_indexing(X, rows))
        else:
            respond = partial(_scores, self.method)
            scores = respond_out_of_fold(fitted, X, y, folds, respond, self.n_jobs, routed)
        self.offset_ = float(np.quantile(scores, self.quantile))
        self.unknown_label_ = unknown_label
        self._references = references
        self._record(fitted)
        return self

    def score_samples(self, X):
        """Return how much volumes are like those of the known classes.

        %(rows)s

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more alike. Only their order has a meaning.
        """
        check_is_fitted(self)
        return score_volumes(self.method, self.estimator_, self._references, as_rows(X))

    def is_unknown(self, X):
        """Tell which volumes are of no known class.

        %(rows)s

        Returns
        -------
        unknown : ndarray of shape (n_samples,) of bool
            True where :meth:`score_samples` is below ``offset_``.
        """
        return self.score_samples(X) < self.offset_

    def predict(self, X):  # type: ignore[override]
        """Predict classes, or the label of unknown volumes.

        %(rows)s

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes, and ``unknown_label_`` where :meth:`is_unknown`.
        """
        refuse_scoring_unlabeled()
        X = as_rows(X)
        unknown = self.is_unknown(X)
        return np.where(unknown, np.asarray(self.unknown_label_), self.estimator_.predict(X))


def _check_unknown_label(given: Any, y: NDArray) -> Any:
    """Return the label of unknown volumes, of the kind of the labels that there are."""
    classes = encode_labels(y)[1]
    are_text = classes.dtype.kind in "USO"
    if given is None:
        return UNLABELED_STRINGS[0] if are_text else UNLABELED
    if isinstance(given, str) != are_text:
        raise ValueError(
            f"unknown_label={given!r} must be of the kind of the labels, {classes.tolist()[:10]}."
        )
    if given in classes:
        raise ValueError(f"unknown_label={given!r} is one of the known classes.")
    return given


def _scores(method: Any, fitted: Any, X_train: Any, y_train: NDArray, X: Any) -> NDArray:
    return score_volumes(method, fitted, [fit_reference(method, fitted, X_train, y_train)], X)
