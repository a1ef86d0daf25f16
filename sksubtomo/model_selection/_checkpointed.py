"""Fits of a search that are kept, so that the search goes on where it was ended."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sksubtomo._utils._checkpoint import Checkpoint
from sksubtomo._utils._docs import documented
from sksubtomo._utils._fingerprints import array_fingerprint, fingerprint, version_fingerprints
from sksubtomo._utils._meta_classifier import BaseMetaClassifier
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._routing import routed_params, routing_is_enabled
from sksubtomo._utils._rows import as_rows, refuse_unlabeled_class
from sksubtomo._utils._sklearn import HasMethods, fit_context


@documented
class CheckpointedClassifier(BaseMetaClassifier):
    """Classifier whose fits are kept in a folder, each with a checkpoint of its own.

    Within a search, a fit of the same parameters to the same volumes and labels is not done again:
    run the script once more after a crash, and the search goes on with the candidate and the fold
    that it had come to, within the fit at the last checkpoint. Results have the bits of a search
    that was not ended, where `random_state` is an integer.

    Parameters
    ----------
    estimator : classifier
        One whose ``fit`` takes a ``checkpoint``, or a pipeline that ends with one.
    folder : path-like
        Where checkpoints are kept, a file for each fit; made if it does not exist. Remove it once
        the search is over.
    interval_s : float, default=120
        Seconds from one writing of a checkpoint to the next.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone.
    classes_ : ndarray of shape (n_classes,)
        Its classes.

    See Also
    --------
    sksubtomo.persistence.Checkpoint : A checkpoint of a single fit.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sksubtomo.model_selection import CheckpointedClassifier
    >>> from sksubtomo.networks import Liu2019
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> y = np.arange(12) % 2
    >>> X = np.random.default_rng(0).normal(size=(12, 8, 8, 8)) + y.reshape(12, 1, 1, 1)
    >>> clf = CNNClassifier(network=Liu2019(n_filters=2), max_epochs=1, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = CheckpointedClassifier(clf, folder)
    ...     search = GridSearchCV(kept, {"estimator__learning_rate": [1e-3, 1e-2]}, cv=2)
    ...     search = search.fit(X, y)
    >>> len(search.cv_results_["params"])
    2
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "folder": [str, os.PathLike],
        "interval_s": [NumberInterval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any = None,
        folder: str | os.PathLike[str] = "checkpoints",
        *,
        interval_s: float = 120.0,
    ) -> None:
        self.estimator = estimator
        self.folder = folder
        self.interval_s = interval_s

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, **params: Any) -> CheckpointedClassifier:
        """Fit a clone of the classifier, or take the fit that the folder has.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            Labels, as the classifier takes them.
        **params : dict
            Metadata for it, where scikit-learn's metadata routing is enabled.

        Returns
        -------
        self : CheckpointedClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If the classifier takes no checkpoint.
        BlockingIOError
            If another process is at the same fit.
        """
        X = as_rows(X)
        routed = routed_params(self, "fit", params)["estimator"]["fit"]
        fitted = clone(self.estimator)
        name = _checkpoint_parameter(fitted)
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_digest(fitted, X, y, routed)}.checkpoint"
        checkpoint = Checkpoint(path, interval_s=self.interval_s, keep=True)
        fitted.fit(X, y, **{name: checkpoint, **routed})
        refuse_unlabeled_class(fitted)
        self._record(fitted)
        return self


def _checkpoint_parameter(estimator: Any) -> str:
    """Return the name of the parameter of ``fit`` that is the checkpoint.

    Raises
    ------
    ValueError
        If there is none.
    """
    is_pipeline = isinstance(estimator, Pipeline)
    last = estimator.steps[-1][1] if is_pipeline else estimator
    if not has_fit_parameter(last, "checkpoint"):
        raise ValueError(
            f"{type(last).__name__} takes no checkpoint. Estimators with a network, "
            "MultiReferenceClassifier and SelfTrainingClassifier do."
        )
    if not is_pipeline:
        return "checkpoint"
    if routing_is_enabled():
        return "checkpoint"  # which the step has to request: set_fit_request(checkpoint=True)
    return f"{estimator.steps[-1][0]}__checkpoint"


def _digest(estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> str:
    """Return a name for a fit, which is that of no other one."""
    if issparse(X):  # which the classifier refuses
        X = X.toarray()
    described = [
        fingerprint(estimator),
        array_fingerprint(X if hasattr(X, "shape") and hasattr(X, "dtype") else np.asarray(X)),
        array_fingerprint(np.asarray(y)),
        fingerprint(params),
        version_fingerprints(),
    ]
    return hashlib.sha256(repr(described).encode()).hexdigest()[:32]
