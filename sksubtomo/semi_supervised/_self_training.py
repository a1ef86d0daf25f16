"""scikit-learn's self-training, on volumes."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.semi_supervised import SelfTrainingClassifier as _SelfTrainingClassifier
from sklearn.utils import indexable

from sksubtomo._utils._answers import check_probabilities
from sksubtomo._utils._checkpoint import CheckpointPart, opened
from sksubtomo._utils._docs import documented
from sksubtomo._utils._fingerprints import fit_fingerprints
from sksubtomo._utils._fit_with_part import fit_with_part
from sksubtomo._utils._labels import decode_labels, encode_labels
from sksubtomo._utils._meta_classifier import BaseMetaClassifier
from sksubtomo._utils._near_misses import warning_once
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._routing import routed_params
from sksubtomo._utils._rows import as_rows, take_rows
from sksubtomo._utils._settings import store_parameters
from sksubtomo._utils._sklearn import (
    HasMethods,
    StrOptions,
    fit_context,
    num_samples,
    safe_indexing,
)


@documented
class SelfTrainingClassifier(BaseMetaClassifier):
    """Self-training around any classifier with ``predict_proba``, on volumes.

    :class:`sklearn.semi_supervised.SelfTrainingClassifier` takes tables only. Here, the classifier
    gets whatever the volumes come in: arrays of four dimensions, data frames, lazy stacks. The
    algorithm is scikit-learn's own, and on flat rows so is the result. In every iteration, the
    classifier is fitted to the labeled volumes and those predicted with confidence before; it never
    sees the rest.

    Parameters
    ----------
    estimator : classifier
        Has ``fit`` and, unless ``max_iter=0``, ``predict_proba``.
    threshold : float, default=0.75
        Probability above which a predicted label is taken, with ``criterion="threshold"``.
    criterion : {"threshold", "k_best"}, default="threshold"
        Whether to take predictions above the threshold, or the surest `k_best`.
    k_best : int, default=10
        Predictions to take an iteration, with ``criterion="k_best"``.
    max_iter : int or None, default=10
        Iterations at most; None goes on while labels are added. With 0, the classifier is fitted
        to the labeled volumes only.
    verbose : bool, default=False
        Whether to print the number of labels added.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone of `estimator`.
    classes_ : ndarray of shape (n_classes,)
        Classes.
    %(fitted_inside)s
    transduction_ : ndarray of shape (n_samples,)
        Labels used in the final fit, pseudo-labels included; where none was, -1, or of strings
        "unlabeled".
    labeled_iter_ : ndarray of shape (n_samples,) of int
        Iteration in which a sample got its label: 0 if it had one, -1 if it never did.
    n_iter_ : int
        Iterations.
    termination_condition_ : {"max_iter", "no_change", "all_labeled"}
        Why the iterations ended.

    See Also
    --------
    sksubtomo.semi_supervised.AutoencodingClassifier : Learns from all unlabeled volumes.

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

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "threshold": [NumberInterval(Real, 0, 1, closed="left")],
        "criterion": [StrOptions({"threshold", "k_best"})],
        "k_best": [NumberInterval(Integral, 1, None, closed="left")],
        "max_iter": [NumberInterval(Integral, 0, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator=None,
        threshold=0.75,
        criterion="threshold",
        k_best=10,
        max_iter=10,
        verbose=False,
    ):
        store_parameters(self, locals())

    @fit_context(prefer_skip_nested_validation=False)
    @warning_once()
    def fit(self, X, y, *, checkpoint=None, **params):
        """Fit to labeled and unlabeled volumes.

        Parameters
        ----------
        X : array-like of shape (n_samples, depth, height, width) or (n_samples, n_features)
            Volumes; or rows, which the classifier gets as rows.
        y : array-like of shape (n_samples,)
            Labels, -1 where unlabeled; for strings also ``None`` and ``"unlabeled"``.
        %(checkpoint)s
            The classifier's fits are gone on with if its own ``fit`` takes a checkpoint; else they
            are done again, and give the same if it has a seed.
        **params : dict
            Metadata for the classifier, where scikit-learn's metadata routing is enabled. Of what
            has a value for each volume, it gets the values of those that it is fitted to.

        Returns
        -------
        self : SelfTrainingClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If `y` is malformed, no volume is labeled, `estimator` lacks ``predict_proba``, or
            `checkpoint` is of another fit.
        """
        with opened(checkpoint) as kept:
            return self._fit(X, y, params, kept)

    def _fit(
        self, X: Any, y: Any, params: Mapping[str, Any], checkpoint: CheckpointPart | None
    ) -> SelfTrainingClassifier:
        targets, classes = encode_labels(y)
        X, targets = indexable(as_rows(X), targets)
        if not len(classes):
            raise ValueError(
                "SelfTrainingClassifier needs labeled volumes of at least one class, but every "
                "label in y means 'unlabeled'."
            )
        iterates = self.max_iter != 0 and (targets < 0).any()
        if iterates and not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"{type(self.estimator).__name__} has no predict_proba, by which predicted labels "
                "are chosen. Take a classifier that has it, or max_iter=0 to fit it to the labeled "
                "volumes only."
            )
        routed = routed_params(self, "fit", params)["estimator"]["fit"]
        if checkpoint is not None and checkpoint.needs_fingerprints:
            checkpoint.begin(fit_fingerprints(self, X, targets, classes, ("verbose",)))
        rows = _OnRows(clone(self.estimator), X, classes, routed, checkpoint)
        course = _SelfTrainingClassifier(
            rows,
            threshold=self.threshold,
            criterion=self.criterion,
            k_best=self.k_best,
            max_iter=self.max_iter,
            verbose=self.verbose,
        ).fit(np.arange(len(targets))[:, np.newaxis], targets)
        self._record(rows.estimator)
        self.transduction_ = decode_labels(course.transduction_, rows.labels)
        self.labeled_iter_ = course.labeled_iter_
        self.n_iter_ = course.n_iter_
        self.termination_condition_ = course.termination_condition_
        return self


class _OnRows(ClassifierMixin, BaseEstimator):
    """Classifier of row numbers and class indices, by a classifier of the volumes themselves.

    scikit-learn's algorithm validates and cuts tables of numbers only. Given row numbers, it cuts
    nothing else: volumes, of whatever kind, labels and metadata are looked up here.
    """

    def __init__(
        self,
        estimator: Any,
        volumes: Any,
        labels: NDArray,
        params: Mapping[str, Any],
        checkpoint: CheckpointPart | None = None,
    ) -> None:
        self.estimator = estimator
        self.volumes = volumes
        self.labels = labels
        self.params = params
        self.checkpoint = checkpoint
        self.n_fits = 0

    def __sklearn_clone__(self) -> _OnRows:
        return self  # volumes are not to be copied

    def fit(self, X: NDArray, y: NDArray) -> _OnRows:
        rows = X[:, 0]
        params = take_rows(self.params, rows, num_samples(self.volumes))
        volumes, name = safe_indexing(self.volumes, rows), f"fit {self.n_fits}"
        fit_with_part(self.estimator, volumes, self.labels[y], params, self.checkpoint, name)
        self.n_fits += 1
        known = self.estimator.classes_
        # A classifier may have been told of classes that have no label.
        self.labels = np.concatenate([self.labels, np.setdiff1d(known, self.labels)])
        self.classes_ = np.array([np.flatnonzero(self.labels == label)[0] for label in known])
        return self

    def predict_proba(self, X: NDArray) -> NDArray:
        probabilities = self.estimator.predict_proba(safe_indexing(self.volumes, X[:, 0]))
        check_probabilities(type(self.estimator).__name__, probabilities)
        return probabilities
