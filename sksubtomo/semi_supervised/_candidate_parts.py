"""Ingredients of the classifier of candidates that learn from volumes."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import Bunch

from sksubtomo._utils._labels import (
    UNLABELED,
    check_enough_classes,
    decode_labels,
    encode_labels,
    is_one_more_label,
)
from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo.exceptions import ImagingWarning, LabelAgreementWarning
from sksubtomo.metrics import operating_point
from sksubtomo.semi_supervised._label_warnings import named_rows
from sksubtomo.semi_supervised._multi_reference import MultiReferenceClassifier
from sksubtomo.semi_supervised._stacking import (
    Folds,
    fit_logistic,
    fit_positive_unlabeled,
    log_odds,
)

# Unlabeled candidates that stand for the background where only particles are labeled: of the less
# probable half, so many at most.
_MOST_BACKGROUND = 200


class Task(NamedTuple):
    """Candidates to learn from.

    ``design``: features that need no fit. ``targets``: class indices, -1 where unlabeled.
    ``counts``: how many candidates each row stands for. ``positive``: the only class that has
    labels, None where all have.
    """

    volumes: Any
    design: NDArray[np.float64]
    targets: NDArray[np.int64]
    counts: NDArray[np.float64]
    classes: NDArray
    positive: int | None
    C: float

    @property
    def rows_of_regression(self) -> NDArray[np.intp]:
        """Rows that the regression learns from."""
        known = self.targets >= 0
        return np.flatnonzero(known if self.positive is None else np.ones_like(known))

    def regression(
        self, design: NDArray[np.float64], targets: NDArray[np.int64]
    ) -> LogisticRegression:
        """Return a regression fitted to the labels given."""
        labeled = targets >= 0
        if self.positive is None:
            return fit_logistic(design[labeled], targets[labeled], self.C)
        # Particles whose label is held back are no sample of what is unlabeled.
        held_back = (self.targets >= 0) & ~labeled
        fitted = fit_positive_unlabeled(
            design[~held_back], labeled[~held_back], self.counts[~held_back], self.C
        )
        if self.positive == 0:
            fitted.coef_, fitted.intercept_ = -fitted.coef_, -fitted.intercept_
        return fitted


class Learned(NamedTuple):
    """What references and networks say of candidates whose label they did not see."""

    features: NDArray[np.float64]
    references: list[MultiReferenceClassifier]
    networks: list[Any]


def encode_candidates(
    name: str, y: Any, background: Any
) -> tuple[NDArray[np.int64], NDArray, int | None]:
    """Return class indices, classes, and the class that is the only one with labels, or None.

    Raises
    ------
    ValueError
        If there is no label, or one class only and no background; if the background has no label
        and cannot be learned from unlabeled candidates.
    """
    targets, classes = encode_labels(y)
    if background is not None and len(classes):
        _check_background(name, background, classes)
    if len(classes) != 1 or background is None or classes[0] == background:
        if len(classes) == 1:
            raise ValueError(
                f"{name} needs at least two classes, but there is one class, "
                f"{classes.tolist()[0]!r}. If only particles are labeled, say which label "
                "stands for what is none, as in background=0."
            )
        check_enough_classes(name, targets, classes)
        return targets, classes, None
    if (targets >= 0).all():
        raise ValueError(
            f"{name} learns what is no particle from unlabeled candidates, of which there are "
            "none: all are labeled as particles."
        )
    if (targets >= 0).sum() < 2:
        raise ValueError(
            f"{name} learns from two labeled particles at least how many others there are among "
            "the unlabeled candidates; one is labeled. Label more, or some that are no particles."
        )
    targets, both = encode_labels(y, np.sort(np.array([classes[0], background])))
    return targets, both, int(targets.max())


def _check_background(name: str, background: Any, classes: NDArray) -> None:
    """Refuse a background that is no label, or one without labels beside several classes."""
    if not is_one_more_label(background, classes):
        raise ValueError(
            f"background={background!r} must be of the kind of the labels in y, such as "
            f"{classes.tolist()[0]!r}, and none that means 'unlabeled'."
        )
    if len(classes) > 1 and background not in classes.tolist():
        raise ValueError(
            f"{name} learns what is no particle from unlabeled candidates only where particles are "
            f"of one class; labels are of {named_rows(classes)}. Label some candidates "
            f"as the background, {background!r}, or give all particles the same label; where there "
            "is no background, set background=None."
        )


def sampling_counts(targets: NDArray[np.int64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how many candidates each of some rows stands for; a labeled one for itself."""
    unlabeled = targets < 0
    share = unlabeled.sum() / max(1, unlabeled[rows].sum())
    return np.where(unlabeled[rows], share, 1.0)


def make_folds(task: Task, cv: int, seed: int) -> Folds:
    """Return parts of the labels as (train, test).

    A class with a single label is in every part to learn from, and left out of none. There are no
    parts where fewer than two classes have labels to leave out.
    """
    labeled = np.flatnonzero(task.targets >= 0)
    counts = np.bincount(task.targets[labeled])
    several = counts > 1
    if several.sum() < (2 if task.positive is None else 1):
        return []
    is_lone = ~several[task.targets[labeled]]
    lone, labeled = labeled[is_lone], labeled[~is_lone]
    n_folds = min(cv, counts[several].min())
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    split = splitter.split(labeled, task.targets[labeled])
    return [
        (np.sort(np.concatenate([labeled[train], lone])), labeled[test]) for train, test in split
    ]


def learn(
    task: Task, folds: Folds, template: MultiReferenceClassifier | None, network: Any
) -> Learned:
    """Fit references and networks to parts of the labels.

    Features of labeled rows come from the part that left them out; those of a label that none left
    out are means of the others', which say nothing. Those of unlabeled rows are needed where only
    particles are labeled, and are means over all parts.
    """
    learned = Learned(np.empty((len(task.targets), 0)), [], [])
    if not folds or (template is None and network is None):
        return learned
    total, times = None, np.zeros(len(task.targets))
    for train, test in folds:
        given = np.full(len(task.targets), UNLABELED)
        given[train] = task.targets[train]
        proba = _first_guess(task, given)
        asked = test
        if task.positive is not None:
            asked = np.concatenate([test, np.flatnonzero(task.targets < 0)])
            given = _with_background(given, proba, task)
        if template is not None:
            learned.references.append(
                fit_references(
                    template,
                    task.volumes,
                    given,
                    task.classes,
                    proba,
                    is_first=not learned.references,
                )
            )
        if network is not None:
            labels = decode_labels(given, task.classes)
            learned.networks.append(clone(network).fit(task.volumes, labels))
        last = learned.references[-1:], learned.networks[-1:]
        features = learned_features(take(task.volumes, asked), *last, task.classes)
        total = np.zeros((len(times), features.shape[1])) if total is None else total
        total[asked] += features
        times[asked] += 1
    assert total is not None
    features = total / np.maximum(times, 1)[:, np.newaxis]
    features[(task.targets >= 0) & (times == 0)] = features[times > 0].mean(axis=0)
    return learned._replace(features=features)


def _first_guess(task: Task, given: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return class probabilities by features that need no fit; None without any."""
    if not task.design.shape[1]:
        return None
    return task.regression(task.design, given).predict_proba(task.design)


def _with_background(
    given: NDArray[np.int64], proba: NDArray[np.float64] | None, task: Task
) -> NDArray[np.int64]:
    """Label the unlabeled candidates that are the least probable particles as background."""
    assert task.positive is not None
    reliable = np.flatnonzero(task.targets < 0)
    if proba is not None:
        order = np.argsort(proba[reliable, task.positive], kind="stable")
        reliable = reliable[order[: max(1, len(order) // 2)]]
    n_chosen = min(len(reliable), _MOST_BACKGROUND)
    chosen = reliable[np.linspace(0, len(reliable) - 1, n_chosen).astype(int)]
    labeled = given.copy()
    labeled[chosen] = 1 - task.positive
    return labeled


def learned_features(
    volumes: Any, references: list[MultiReferenceClassifier], networks: list[Any], classes: NDArray
) -> NDArray[np.float64]:
    """Return the means of what the fits of all parts say of volumes."""
    parts = []
    if references:
        parts.append(np.mean([reference_features(one, volumes) for one in references], axis=0))
    if networks:
        parts.append(np.mean([network_features(one, volumes, classes) for one in networks], axis=0))
    return np.hstack(parts) if parts else np.empty((len(volumes), 0))


def operating_point_of(
    classes: NDArray, proba: NDArray, left_out: Bunch, pos_label: Any, precision: Any, recall: Any
) -> Bunch:
    """Return the operating point of one class.

    Raises
    ------
    ValueError
        If it is no class.
    """
    found = np.flatnonzero(classes == pos_label)
    if not len(found):
        raise ValueError(f"pos_label={pos_label!r} is not among the classes {classes.tolist()}.")
    column = int(found[0])
    return operating_point(
        proba[:, column],
        left_out.labels if len(left_out.rows) else None,
        left_out.probabilities[:, column] if len(left_out.rows) else None,
        precision=precision,
        recall=recall,
        pos_label=pos_label,
    )


class GivenProbabilities(ClassifierMixin, BaseEstimator):
    """Class probabilities that are known already, in the form of a classifier."""

    def __init__(self, classes: NDArray, probabilities: NDArray) -> None:
        self.classes = classes
        self.probabilities = probabilities

    def fit(self, X: Any, y: Any) -> GivenProbabilities:
        """Keep the classes."""
        self.classes_ = self.classes
        return self

    def predict_proba(self, X: Any) -> NDArray:
        """Return what is known."""
        return self.probabilities


def fit_references(
    template: MultiReferenceClassifier,
    volumes: Any,
    targets: NDArray[np.int64],
    classes: NDArray,
    initial: NDArray[np.float64] | None,
    *,
    is_first: bool,
) -> MultiReferenceClassifier:
    """Fit references that begin with class probabilities of all candidates, where there are any.

    What is no particle has no structure of its own and lies anywhere, so that references seldom
    agree with labels, and labeled volumes may be off the center; that is no reason for a warning
    here. Others are those of all volumes: the first fit says them. Nor is it inverted where it is
    brighter than its surroundings: one picker's candidates are of one contrast.
    """
    given = clone(template).set_params(classes=classes)
    given._has_one_contrast = True
    if initial is not None:
        given.set_params(estimator=GivenProbabilities(classes, initial))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelAgreementWarning)
        warnings.filterwarnings("ignore", ".*more likely at shifts larger", ImagingWarning)
        if not is_first:
            warnings.simplefilter("ignore", ImagingWarning)
        fitted = given.fit(volumes, decode_labels(targets, classes))
    # They are as many as the candidates of the fit, and have done their work.
    fitted.estimator = fitted.estimator_ = None
    return fitted


def reference_features(fitted: MultiReferenceClassifier, volumes: Any) -> NDArray[np.float64]:
    """Return log evidence of classes, and of all of them against noise of the same spectrum.

    Of shape (n, n_classes): ratios of each class to the first one, then how much better the best
    reference explains a volume than a Gaussian field with the volume's own power in every shell.
    """
    result, _, measured = fitted._compared(volumes, None, None)
    evidence = result.log_evidence
    # A background has evidence, too, without a reference.
    classes = fitted._joint(measured, evidence) - fitted.class_log_prior_
    explained = fitted._raw_scores(evidence, measured, torch.tensor(fitted.noise_power_))
    return np.column_stack([classes[:, 1:] - classes[:, :1], explained])


def network_features(fitted: Any, volumes: Any, classes: NDArray) -> NDArray[np.float64]:
    """Return log odds of the classes by a fitted classifier.

    Raises
    ------
    ValueError
        If it has learned other classes.
    """
    if not np.array_equal(fitted.classes_, classes):
        raise ValueError(
            f"network has learned the classes {fitted.classes_.tolist()} instead of "
            f"{classes.tolist()}. It has to take -1 in y for 'unlabeled'; an ordinary classifier "
            "does so within SelfTrainingClassifier."
        )
    return log_odds(fitted.predict_proba(volumes))


def rows_to_learn_from(
    targets: NDArray[np.int64], most_unlabeled: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    """Return all labeled rows, and random unlabeled ones up to a number, in rising order."""
    unlabeled = np.flatnonzero(targets == UNLABELED)
    if len(unlabeled) > most_unlabeled:
        unlabeled = rng.choice(unlabeled, most_unlabeled, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(targets != UNLABELED), unlabeled]))


def take(volumes: Any, rows: NDArray[np.intp]) -> Any:
    """Return volumes of rows."""
    return safe_indexing(volumes, rows)
