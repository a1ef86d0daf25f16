"""One temperature that makes probabilities honest."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.utils import indexable

from sksubtomo._utils._answers import check_probabilities
from sksubtomo._utils._delegation import inner_has
from sksubtomo._utils._docs import documented
from sksubtomo._utils._labels import check_labels, encode_labels
from sksubtomo._utils._meta_classifier import fit_classifier
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._rows import as_rows
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import HasMethods, fit_context, safe_indexing
from sksubtomo.calibration._base import BaseHeldOutClassifier
from sksubtomo.calibration._folds import make_folds, respond_out_of_fold, rows_to_calibrate_on

_LARGEST_LOG_TEMPERATURE = 10.0
# The search never tries a bound itself; where the loss falls up to it, it ends about 1e-10 away.
_NEAR_BOUND = 1e-3


def to_logits(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return logarithms; probabilities below the resolution of their type count as that."""
    probabilities = np.asarray(probabilities)
    smallest = np.finfo(np.result_type(probabilities, np.float32)).eps
    return np.log(np.maximum(probabilities.astype(np.float64), smallest))


def fit_temperature(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """Return the temperature of the smallest negative log-likelihood.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Logarithms of probabilities, up to a constant per row.
    targets : ndarray of shape (n_samples,) of int
        Columns of the true classes.

    Returns
    -------
    temperature : float
        Between exp(-10) and exp(10), with a warning at these; 1, with a warning, if every row is
        right.
    """
    truth = logits[np.arange(len(targets)), targets]
    others = np.where(np.arange(logits.shape[1]) == targets[:, np.newaxis], -np.inf, logits)
    if (truth > others.max(axis=1)).all():
        warnings.warn(
            f"All {len(targets)} labeled volumes that the temperature is chosen on are predicted "
            "rightly. Their likelihood only rises as the temperature falls to 0; it is left at 1. "
            "Calibrate on more or on harder volumes.",
            ConvergenceWarning,
            stacklevel=4,
        )
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits * np.exp(-log_temperature), axis=1)
        return -scaled[np.arange(len(targets)), targets].mean()

    bounds = (-_LARGEST_LOG_TEMPERATURE, _LARGEST_LOG_TEMPERATURE)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    temperature = float(np.exp(found.x))
    if abs(found.x) > _LARGEST_LOG_TEMPERATURE - _NEAR_BOUND:
        why = (
            "they are predicted no better than by chance"
            if found.x > 0
            else ("their probabilities are almost equal")
        )
        warnings.warn(
            f"The temperature, {temperature:.3g}, is at an end of the range that is searched: the "
            f"likelihood of the {len(targets)} labeled volumes that it is chosen on has no maximum "
            f"in it, since {why}. Do not trust these probabilities. Calibrate on more volumes, or "
            "with another classifier.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return temperature


@documented
class TemperatureScaledClassifier(BaseHeldOutClassifier):
    r"""Classifier whose probabilities are softened, or sharpened, by one temperature.

    Networks are overconfident. Probabilities :math:`p` become
    :math:`\mathrm{softmax}(\log p / T)`, with the :math:`T` that gives labeled volumes the
    smallest negative log-likelihood [1]_, as predicted by clones that were not fitted on their
    labels. Predictions stay what they are.

    Unlabeled volumes are in every training fold and never judged. Then the classifier
    is fitted to everything.

    Parameters
    ----------
    estimator : classifier
        Has ``predict_proba``. With unlabeled volumes, it takes -1 (strings: "unlabeled") for
        unlabeled. A :class:`sklearn.frozen.FrozenEstimator` is not fitted again: what
        :meth:`fit` gets is then for choosing the temperature only, and should be new to it.
    cv : int, cross-validation splitter or None, default=None
        Folds of the labeled volumes. None makes five, fewer where a class has fewer labels or
        the labels come from fewer groups, and at least two. Not used with a frozen classifier.
    %(n_jobs)s

    %(fitted_to_everything)s
    temperature_ : float
        Above 1 for an overconfident classifier.
    classes_ : ndarray of shape (n_classes,)
        Classes.
    %(fitted_held_out)s

    See Also
    --------
    sksubtomo.metrics.expected_calibration_error : How far probabilities are off.
    sklearn.calibration.CalibratedClassifierCV : Takes -1 for a class.

    Notes
    -----
    Probabilities below the resolution of their floating-point type count as that, so that none
    is 0. Where every held-out volume is predicted rightly, no temperature is best; it is then
    left at 1, with a warning. A temperature at an end of the range that is searched, from
    exp(-10) to exp(10), is warned of, too: the best one, if there is any, is beyond it.

    References
    ----------
    .. [1] Guo et al., "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> from sksubtomo.calibration import TemperatureScaledClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 2
    >>> X = rng.normal(scale=0.5, size=(300, 2)) + y[:, np.newaxis]
    >>> y_masked = np.where(np.arange(300) < 150, y, -1)
    >>> classifier = TemperatureScaledClassifier(LabelSpreading()).fit(X, y_masked)
    >>> classifier.temperature_ != 1.0, classifier.classes_
    (True, array([0, 1]))
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **BaseHeldOutClassifier._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict", "predict_proba"])],
    }

    def __init__(self, estimator, *, cv=None, n_jobs=None):
        store_parameters(self, locals())

    @fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, *, groups=None, **params):
        """Choose the temperature on held-out labels, and fit the classifier to everything.

        %(held_out_fit)s

        Raises
        ------
        ValueError
            If no volume is labeled, a class has too few labels for the folds or is missing from a
            training fold, or the classifier takes hidden labels for a class.
        """
        X, y, groups = indexable(as_rows(X), check_labels(y), groups)
        rows = rows_to_calibrate_on(y)
        groups, routed = self._route_fit(groups, params)
        frozen = isinstance(self.estimator, FrozenEstimator)
        folds = None if frozen else make_folds(self.estimator, self.cv, X, y, groups)
        fitted = fit_classifier(self.estimator, X, y, routed)
        if folds is None:
            probabilities = fitted.predict_proba(safe_indexing(X, rows))
        else:
            rows = np.concatenate([test for _, test in folds])
            probabilities = respond_out_of_fold(
                fitted, X, y, folds, _probabilities, self.n_jobs, routed
            )
        check_probabilities(type(fitted).__name__, probabilities)
        targets, _ = encode_labels(y[rows], fitted.classes_)
        self.temperature_ = fit_temperature(to_logits(probabilities), targets)
        self._record(fitted)
        return self

    def predict_proba(self, X, **params):
        """Return calibrated class probabilities.

        %(rows_and_metadata)s

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes) of float64
            Columns in the order of ``classes_``.
        """
        return softmax(self._scaled_logits(X, params), axis=1)

    def predict_log_proba(self, X, **params):
        """Return logarithms of calibrated class probabilities.

        %(rows)s
        **params : dict
            Metadata for ``predict_proba`` of the classifier, where scikit-learn's metadata routing
            is enabled.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes) of float64
            Columns in the order of ``classes_``. Finite, also where a probability is rounded to 0.
        """
        return log_softmax(self._scaled_logits(X, params), axis=1)

    @inner_has("decision_function")
    @documented
    def decision_function(self, X, **params):
        """Return decision values of the classifier inside, divided by the temperature.

        %(rows_and_metadata)s

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Where the classifier inside gives logits, those of the calibrated probabilities.
        """
        return super().decision_function(X, **params) / self.temperature_

    def _scaled_logits(self, X: Any, params: Mapping[str, Any]) -> NDArray[np.float64]:
        probabilities = self._ask("predict_proba", X, params)
        check_probabilities(type(self.estimator_).__name__, probabilities)
        return to_logits(probabilities) / self.temperature_


def _probabilities(fitted: Any, X_train: Any, y_train: NDArray, X: Any) -> NDArray:
    return fitted.predict_proba(X)
