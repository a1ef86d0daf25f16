"""How much a volume is like those of the known classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.pipeline import Pipeline

from sksubtomo._utils._answers import check_probabilities
from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._labels import encode_labels
from sksubtomo._utils._sklearn import safe_indexing

Method = str | Callable[[Any, Any], NDArray]

#: What a classifier is asked for each score: the first of these that it has.
METHODS: dict[str, tuple[str, ...]] = {
    "max_probability": ("predict_proba",),
    "energy": ("decision_function",),
    "mahalanobis": ("features", "transform"),
    "likelihood": ("score_samples",),
}


@dataclass(frozen=True)
class TiedGaussians:
    """One Gaussian a class, all of the same covariance.

    The covariance is held by its axes, since feature maps have more features than there are
    volumes, and a matrix of them would not fit into memory.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_features)
        Means of the classes.
    axes : ndarray of shape (n_axes, n_features)
        Orthonormal principal axes.
    variances : ndarray of shape (n_axes,)
        Variances along them.
    rest : float
        Variance along every direction perpendicular to them.
    """

    means: NDArray[np.float64]
    axes: NDArray[np.float64]
    variances: NDArray[np.float64]
    rest: float

    def score_samples(self, features: NDArray) -> NDArray[np.float64]:
        """Return minus the squared Mahalanobis distance to the nearest mean."""
        return -np.min([self._distances(features - mean) for mean in self.means], axis=0)

    def _distances(self, off: NDArray) -> NDArray[np.float64]:
        along = (off @ self.axes.T) ** 2
        distances = (along / self.variances).sum(axis=1)
        if len(self.axes) < off.shape[1]:
            perpendicular = (off**2).sum(axis=1) - along.sum(axis=1)
            distances += np.maximum(perpendicular, 0) / self.rest
        return distances


def fit_tied_gaussians(features: NDArray, targets: NDArray[np.int64]) -> TiedGaussians:
    """Fit one Gaussian a class, with one covariance, shrunk as Ledoit and Wolf do.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Of labeled volumes.
    targets : ndarray of shape (n_samples,) of int
        Class of each.

    Returns
    -------
    gaussians : TiedGaussians
        One mean for every class that occurs.

    Raises
    ------
    ValueError
        If the features of every class are all alike.
    """
    _, targets = np.unique(targets, return_inverse=True)
    means = np.stack([features[targets == code].mean(axis=0) for code in range(targets.max() + 1)])
    residuals = features - means[targets]
    variance = (residuals**2).mean()
    if not variance > 0:
        raise ValueError(
            "The features of labeled volumes do not vary within their classes, so that there is "
            "no Mahalanobis distance. Label more volumes, or choose another method."
        )
    shrinkage = ledoit_wolf_shrinkage(residuals, assume_centered=True)
    _, lengths, axes = np.linalg.svd(residuals, full_matrices=False)
    # Not smaller than rounding: constant features, which nothing shrinks where shrinkage is 0.
    rest = max(shrinkage, np.finfo(np.float64).eps) * variance
    return TiedGaussians(
        means, axes, (1 - shrinkage) * lengths**2 / len(residuals) + rest, float(rest)
    )


def check_method(estimator: Any, method: Method) -> None:
    """Check that a classifier has what a score needs.

    Raises
    ------
    ValueError
        If it has not, with what it could be asked for instead.
    """
    if callable(method) or _source(estimator, method):
        return
    possible = [name for name in METHODS if _source(estimator, name)]
    raise ValueError(
        f"method={method!r} needs a classifier with {' or '.join(METHODS[method])}, which "
        f"{type(unfrozen(estimator)).__name__} does not have. It could be scored by {possible}, "
        "or by a callable method(estimator, X)."
    )


def fit_reference(method: Method, fitted: Any, X: Any, y: NDArray) -> TiedGaussians | None:
    """Return what a score compares with, from labeled volumes; None where it needs nothing."""
    if method != "mahalanobis":
        return None
    targets, _ = encode_labels(y, fitted.classes_)
    rows = np.flatnonzero(targets >= 0)
    return fit_tied_gaussians(_features(fitted, safe_indexing(X, rows)), targets[rows])


def score_volumes(
    method: Method, fitted: Any, references: list[TiedGaussians | None], X: Any
) -> NDArray[np.float64]:
    """Return one number a volume, higher for volumes like those of the known classes.

    Raises
    ------
    ValueError
        If a callable returns something else.
    """
    if callable(method):
        values = np.asarray(method(fitted, X))
        if values.ndim != 1 or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise ValueError(
                "method(estimator, X) must return one finite number a volume, but returned an "
                f"array of shape {values.shape} and type {values.dtype}."
            )
    elif method == "max_probability":
        probabilities = fitted.predict_proba(X)
        check_probabilities(type(fitted).__name__, probabilities)
        values = probabilities.max(axis=1)
    elif method == "energy":
        values = energy_score(fitted.decision_function(X))
    elif method == "mahalanobis":
        features = _features(fitted, X)
        values = np.mean([each.score_samples(features) for each in references if each], axis=0)
    else:
        values = fitted.score_samples(X)
    return np.asarray(values, dtype=np.float64)


def energy_score(logits: NDArray) -> NDArray[np.float64]:
    """Return the logarithm of the sum of exponentials, minus the energy of Liu et al. (2020).

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes) or (n_samples,)
        Unnormalized log-probabilities. One column x, as of binary classifiers, is read as
        (-x/2, x/2), which favors neither class.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        Higher for volumes like those of the known classes.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim == 1:
        logits = np.column_stack([-logits / 2, logits / 2])
    return logsumexp(logits, axis=1)


def _source(estimator: Any, method: str) -> str | None:
    """Return what a classifier is asked for a score; None if it has nothing of the kind."""
    estimator = unfrozen(estimator)
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    for name in METHODS[method]:
        # Pipelines do not know features; their last step may.
        if hasattr(last if name == "features" else estimator, name):
            return name
    return None


def _features(fitted: Any, X: Any) -> NDArray[np.float64]:
    fitted = unfrozen(fitted)
    if _source(fitted, "mahalanobis") == "transform":
        features = fitted.transform(X)
    elif isinstance(fitted, Pipeline):
        features = fitted[-1].features(fitted[:-1].transform(X) if len(fitted) > 1 else X)
    else:
        features = fitted.features(X)
    return np.asarray(features, dtype=np.float64).reshape(len(features), -1)
