"""Scorers that leave unlabeled samples out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, get_scorer, log_loss, roc_auc_score
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest, get_routing_for_object
from sklearn.utils.validation import check_consistent_length

from sksubtomo._utils._labels import labeled_rows, undefined_score, unknown_labels
from sksubtomo._utils._rows import refuse_unlabeled_class, take_rows
from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo._utils._warnings import level_of_caller
from sksubtomo.metrics._asked_with import AskedWith, is_of_metric

# What TunedThresholdClassifierCV makes a scorer of its own from, which it calls with thresholded
# labels. There is no public way to them.
_PARTS = ("_score_func", "_sign", "_kwargs", "_response_method")


class LabeledScorer:
    """Scorer ``scorer(estimator, X, y)`` that drops unlabeled rows before predicting.

    Made by :func:`make_labeled_scorer`.

    Parameters
    ----------
    scorer : callable
        Scorer to ask about the labeled rows.
    name : str
        How to print it.
    """

    def __init__(self, scorer: Callable[..., float], name: str) -> None:
        self._scorer = scorer
        self._name = name
        self._of_estimator: dict[str, bool | str | None] = {}
        # LearningCurveDisplay and ValidationCurveDisplay label their axis by it.
        self.__name__ = name.strip("'")

    def __call__(self, estimator: Any, X: Any, y: Any, **params: Any) -> float:
        """Score the labeled rows.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like of shape (n_samples, ...)
            Volumes.
        y : array-like of shape (n_samples,)
            Labels, hidden ones included.
        **params : array-like of shape (n_samples, ...) or None
            Routed metadata: of the metric, such as ``sample_weight``, or else of the estimator's
            predictions, such as ``covariates`` of
            :class:`~sksubtomo.semi_supervised.CandidateClassifier`. With the latter, unlabeled
            rows are predicted, too: others may be judged relative to them.

        Returns
        -------
        score : float
            Higher is better.

        Raises
        ------
        ValueError
            If lengths differ, or the estimator has learned the label that means "unlabeled" as a
            class.

        Warns
        -----
        UndefinedMetricWarning
            If no row is labeled; the score is NaN then.
        """
        refuse_unlabeled_class(estimator)
        rows, labels = labeled_rows(y, known=getattr(estimator, "classes_", None))
        check_consistent_length(X, y, params.get("sample_weight"))
        if not len(rows):
            return undefined_score(repr(self))
        of_metric = {n: value for n, value in params.items() if is_of_metric(self._scorer, n)}
        if len(of_metric) < len(params):
            asked = {n: value for n, value in params.items() if n not in of_metric}
            estimator = AskedWith(estimator, X, asked, rows)
        params = take_rows(of_metric, rows, len(y))
        return self._scorer(estimator, safe_indexing(X, rows), labels, **params)

    def __getattr__(self, name: str) -> Any:
        if name not in _PARTS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if not hasattr(self._scorer, name):
            raise AttributeError(
                f"{self!r} is not made of a metric of labels, which is needed here. Use a name, or "
                "a scorer from sklearn.metrics.make_scorer."
            )
        return getattr(self._scorer, name)

    def __repr__(self) -> str:
        """Return how the scorer was made."""
        return f"make_labeled_scorer({self._name})"

    def get_metadata_routing(self) -> Any:
        """Return the requests of the scorer inside, and those for the estimator's predictions.

        Returns
        -------
        routing : MetadataRequest
            As scikit-learn's metadata routing wants it.
        """
        # A copy.
        requests = get_routing_for_object(self._scorer)
        for name, alias in self._of_estimator.items():
            requests.score.add_request(param=name, alias=alias)
        return requests

    # What TunedThresholdClassifierCV calls before scikit-learn 1.9.
    _get_metadata_request = get_metadata_routing

    def set_score_request(self, **requests: Any) -> LabeledScorer:
        """Set what is to be passed, as in scikit-learn's metadata routing.

        Parameters
        ----------
        **requests : bool, str or None
            For the metric, for example ``sample_weight=True``; what it does not take is for the
            estimator's predictions, for example ``covariates=True``.

        Returns
        -------
        self : LabeledScorer
            The scorer.
        """
        of_metric = {n: alias for n, alias in requests.items() if is_of_metric(self._scorer, n)}
        of_estimator = {
            name: alias
            for name, alias in requests.items()
            if name not in of_metric and alias is not UNCHANGED
        }
        if of_metric:
            self._scorer.set_score_request(**of_metric)  # type: ignore[attr-defined]
        if of_estimator:
            _check_routing_is_on()
        self._of_estimator.update(of_estimator)
        return self

    def _accept_sample_weight(self) -> bool:
        # scikit-learn's searches ask for it where metadata routing is off.
        accepts = getattr(self._scorer, "_accept_sample_weight", None)
        return accepts() if accepts else _takes_weights(self._scorer)


def _takes_weights(scorer: Callable[..., float]) -> bool:
    return "sample_weight" in inspect.signature(scorer).parameters


def _check_routing_is_on() -> None:
    """Raise a RuntimeError where metadata routing is off, as scikit-learn does."""
    if not sklearn.get_config()["enable_metadata_routing"]:
        raise RuntimeError(
            "Requests need sklearn.set_config(enable_metadata_routing=True), which is off."
        )


class _ProbabilityScorer:
    """Scorer by a function of labels, probabilities, the classes of their columns and weights."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._weight_request: bool | str | None = None
        metric = get_scorer(name)
        for part in _PARTS:
            setattr(self, part, getattr(metric, part))

    def __call__(self, estimator: Any, X: Any, y: NDArray, sample_weight: Any = None) -> float:
        classes = np.asarray(estimator.classes_)
        unknown = unknown_labels(y, classes)
        if len(unknown):
            raise ValueError(
                f"y has labels {unknown[:10].tolist()} that the estimator has no column for: its "
                f"classes are {classes[:10].tolist()}. Label rows of these classes in every "
                "training fold, for example by cv=SemiSupervisedSplit(5), or name all classes by "
                "classes=."
            )
        columns = _columns(estimator, X, for_ranks=self._name in _RANKINGS)
        return float(_BY_PROBABILITY[self._name](y, columns, classes, sample_weight))

    def get_metadata_routing(self) -> MetadataRequest:
        requests = MetadataRequest(owner=f"make_labeled_scorer({self._name!r})")
        requests.score.add_request(param="sample_weight", alias=self._weight_request)
        return requests

    def set_score_request(self, *, sample_weight: bool | str | None) -> _ProbabilityScorer:
        _check_routing_is_on()
        self._weight_request = sample_weight
        return self


def _columns(estimator: Any, X: Any, *, for_ranks: bool) -> NDArray:
    """Return probabilities, or for ranks of two classes what has the same order."""
    ranked = for_ranks and len(estimator.classes_) == 2 and hasattr(estimator, "decision_function")
    if not ranked or hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(X)
    decision = estimator.decision_function(X)
    return np.column_stack([-decision, decision])


def _neg_log_loss(y: NDArray, probabilities: NDArray, classes: NDArray, weight: Any) -> float:
    return -log_loss(y, probabilities, labels=classes, sample_weight=weight)


def _roc_auc(y: NDArray, probabilities: NDArray, classes: NDArray, weight: Any) -> float:
    return _mean_over_classes(roc_auc_score, y, probabilities, classes, weight)


def _average_precision(y: NDArray, probabilities: NDArray, classes: NDArray, weight: Any) -> float:
    return _mean_over_classes(average_precision_score, y, probabilities, classes, weight)


def _mean_over_classes(
    score_func: Callable[..., float],
    y: NDArray,
    probabilities: NDArray,
    classes: NDArray,
    weight: Any,
) -> float:
    """Score every class against the rest; of two classes, the second only, as scikit-learn does."""
    chosen = range(len(classes)) if len(classes) > 2 else [len(classes) - 1]
    truths = {column: y == classes[column] for column in chosen}
    # A ranking needs rows of the class and others; precision needs rows of the class.
    both = score_func is roc_auc_score
    undefined = [
        column for column, truth in truths.items() if not truth.any() or (both and truth.all())
    ]
    if undefined:
        warnings.warn(
            f"{score_func.__name__} is not defined for the classes {classes[undefined].tolist()}: "
            "no labeled row is of such a class, or every one is. The score is NaN. Score rows of "
            "every class, for example by cv=SemiSupervisedSplit(5).",
            UndefinedMetricWarning,
            stacklevel=level_of_caller(),
        )
        return float("nan")
    scores = [
        score_func(truth, probabilities[:, column], sample_weight=weight)
        for column, truth in truths.items()
    ]
    return float(np.mean(scores))


_BY_PROBABILITY = {
    "average_precision": _average_precision,
    "neg_log_loss": _neg_log_loss,
    "roc_auc": _roc_auc,
}
_RANKINGS = ("average_precision", "roc_auc")
_BY_PREDICTION = ("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted")


def get_labeled_scorer_names() -> list[str]:
    """Return the names that :func:`get_labeled_scorer` knows.

    Returns
    -------
    names : list of str
        Sorted.

    Examples
    --------
    >>> from sksubtomo.metrics import get_labeled_scorer_names
    >>> get_labeled_scorer_names()[:3]
    ['accuracy', 'average_precision', 'balanced_accuracy']
    """
    return sorted([*_BY_PREDICTION, *_BY_PROBABILITY])


def get_labeled_scorer(name: str) -> LabeledScorer:
    """Return a scorer that leaves unlabeled samples out.

    Parameters
    ----------
    name : str
        One of :func:`get_labeled_scorer_names`. ``roc_auc`` and ``average_precision``
        are those of the second class, where there are two; else the mean over the classes of the
        estimator, each against the rest. They need
        ``predict_proba``; of two classes, ``decision_function`` does as well. ``neg_log_loss``
        takes the classes from the estimator, so that none needs to occur.

    Returns
    -------
    scorer : LabeledScorer
        To be given as ``scoring=``.

    Raises
    ------
    ValueError
        If the name is unknown.

    Warns
    -----
    UndefinedMetricWarning
        When ``roc_auc`` or ``average_precision`` scores rows among which there is none of a class
        of the estimator; the score is NaN then, as that of scikit-learn's ``roc_auc_score``. The
        three scorers by probabilities raise a ValueError for labels that are no classes of the
        estimator.

    Examples
    --------
    >>> from sksubtomo.metrics import get_labeled_scorer
    >>> get_labeled_scorer("balanced_accuracy")
    make_labeled_scorer('balanced_accuracy')
    """
    if name not in get_labeled_scorer_names():
        raise ValueError(
            f"Unknown scorer {name!r}; choose one of {get_labeled_scorer_names()}, or wrap any "
            "other scorer of scikit-learn by make_labeled_scorer."
        )
    return make_labeled_scorer(name)


def make_labeled_scorer(scoring: str | Callable[..., float]) -> LabeledScorer:
    """Make a scorer that leaves unlabeled samples out, from any scorer.

    Parameters
    ----------
    scoring : str or callable
        A name, of :func:`get_labeled_scorer_names` or of scikit-learn's scorers; or a scorer
        ``scorer(estimator, X, y)``, for example from ``sklearn.metrics.make_scorer``.

    Returns
    -------
    scorer : LabeledScorer
        To be given as ``scoring=``, alone or in a dictionary of scorers. It can be pickled.

    Raises
    ------
    ValueError
        If `scoring` is a metric instead of a scorer, or an unknown name.

    Examples
    --------
    >>> from sklearn.metrics import fbeta_score, make_scorer
    >>> from sksubtomo.metrics import make_labeled_scorer
    >>> scorer = make_labeled_scorer(make_scorer(fbeta_score, beta=2, average="macro"))
    """
    if isinstance(scoring, str):
        by_probability = scoring in _BY_PROBABILITY
        inner = _ProbabilityScorer(scoring) if by_probability else get_scorer(scoring)
        return LabeledScorer(inner, repr(scoring))
    if not callable(scoring):
        raise ValueError(f"scoring={scoring!r} must be a name or a scorer.")
    module = getattr(scoring, "__module__", None) or ""
    if module.startswith("sklearn.metrics.") and not module.startswith("sklearn.metrics._scorer"):
        raise ValueError(
            f"{scoring.__name__} is a metric of predictions, not a scorer of estimators. "
            f"Pass sklearn.metrics.make_scorer({scoring.__name__})."
        )
    if isinstance(scoring, LabeledScorer):
        return scoring
    return LabeledScorer(scoring, repr(scoring))
