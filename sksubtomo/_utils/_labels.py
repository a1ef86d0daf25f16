"""The one place that knows which label means "unlabeled"."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sksubtomo._utils._near_misses import describe, near_misses, warn_of_near_misses
from sksubtomo._utils._sklearn import safe_indexing
from sksubtomo._utils._warnings import level_of_caller

UNLABELED = -1
UNLABELED_STRINGS = ("unlabeled", "-1")
_MOST_NAMED = 10


def is_unlabeled(y: ArrayLike) -> NDArray[np.bool_]:
    """Tell which labels mean "unlabeled", without a warning of others that look like it.

    The public function is :func:`sksubtomo.model_selection.is_unlabeled`.
    """
    y = np.asarray(y)
    if y.dtype.kind in "US":
        return np.isin(y.astype(str), UNLABELED_STRINGS)
    if y.dtype.kind == "O":
        return np.fromiter((_is_sentinel(label) for label in y.ravel()), bool, y.size).reshape(
            y.shape
        )
    return y == UNLABELED


def check_labels(y: ArrayLike, input_name: str = "y") -> NDArray:
    """Return `y` as a one-dimensional array of labels, some possibly hidden.

    Warns of labels that look like a misspelling of the one that means "unlabeled".

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels; see :func:`is_unlabeled` for what marks a hidden one.
    input_name : str, default="y"
        The name of `y` in messages.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        The labels as they were given.

    Raises
    ------
    TypeError
        If `y` holds bytes.
    ValueError
        If `y` is missing, is not one-dimensional, holds NaN, mixes types or
        holds continuous values.
    """
    labels = _checked(y, input_name)
    warn_of_near_misses(labels[~is_unlabeled(labels)], input_name)
    return labels


def _checked(y: ArrayLike, input_name: str) -> NDArray:
    if y is None:
        raise ValueError(
            f"{input_name} is None: this estimator requires {input_name} to be passed, but the "
            f"target {input_name} is None. Pass one label a volume, -1 where it is unknown."
        )
    if np.ma.is_masked(y):  # column_or_1d would unmask the labels
        raise ValueError(
            f"{input_name} has masked labels. Mark a volume whose class is unknown by -1 instead, "
            f"for example {input_name}.filled(-1)."
        )
    labels: NDArray = column_or_1d(y, warn=True)
    _refuse_bytes(labels, input_name)
    if labels.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {input_name} holds complex numbers.")
    if labels.dtype.kind in "fO" and any(missing := [_is_missing(label) for label in labels]):
        raise ValueError(
            f"Input {input_name} contains NaN, first at index {missing.index(True)}. "
            "Mark a volume whose class is unknown by -1 instead."
        )
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(f"Input {input_name} contains infinity.")
    check_classification_targets(uniform_labels(labels[~is_unlabeled(labels)], input_name))
    return labels


def _refuse_bytes(labels: NDArray, input_name: str) -> None:
    if labels.dtype.kind not in "SO":
        return
    first = next((label for label in labels if isinstance(label, bytes)), None)
    if first is not None:
        raise TypeError(
            f"{input_name} holds labels that are bytes, such as {bytes(first)!r}, which are not "
            "supported. Decode them to strings, for example by "
            f"numpy.char.decode(numpy.asarray({input_name}, dtype='S'))."
        )


def encode_labels(
    y: ArrayLike, classes: ArrayLike | None = None, *, input_name: str = "y"
) -> tuple[NDArray[np.int64], NDArray]:
    """Replace labels by class indices, -1 for hidden ones.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Integers or strings; see :func:`is_unlabeled` for what marks a hidden label.
    classes : array-like of shape (n_classes,), optional
        All classes there are. Without it, those that occur in `y`.
    input_name : str, default="y"
        The name of `y` in messages.

    Returns
    -------
    targets : ndarray of shape (n_samples,) of int64
        Index into `classes`, or -1.
    classes : ndarray of shape (n_classes,)
        Sorted; never holds a label that means "unlabeled".

    Raises
    ------
    ValueError
        If `y` is malformed, or holds a label that is not in `classes`.

    Examples
    --------
    >>> targets, classes = encode_labels(["ribosome", "unlabeled", "apoferritin"])
    >>> targets.tolist(), classes.tolist()
    ([1, -1, 0], ['apoferritin', 'ribosome'])
    """
    y = _checked(y, input_name)
    labeled = ~is_unlabeled(y)
    known = uniform_labels(y[labeled], input_name)
    if classes is None:
        warn_of_near_misses(known, input_name)
        class_values = np.unique(known)
    else:
        class_values = np.unique(uniform_labels(np.asarray(classes)))
        if is_unlabeled(class_values).any():
            label = class_values[is_unlabeled(class_values)].tolist()[0]
            raise ValueError(
                f"classes={classes!r} holds {label!r}, which means 'unlabeled'. Leave it out of "
                "classes; if it is a class, name it otherwise, in y as well."
            )
        _check_known(known, class_values, input_name)
    targets = np.full(len(y), UNLABELED, dtype=np.int64)
    targets[labeled] = np.searchsorted(class_values, known)
    return targets, class_values


def _check_known(known: NDArray, classes: NDArray, input_name: str) -> None:
    """Refuse labels that are not among the classes."""
    unknown = unknown_labels(known, classes)
    if len(unknown):
        misspelled = near_misses(unknown)
        raise ValueError(
            f"{input_name} holds labels that are not among the classes "
            f"{classes[:_MOST_NAMED].tolist()}: {unknown[:_MOST_NAMED].tolist()}. "
            + (f"{describe(misspelled)} " if misspelled else "")
            + "(A meta-estimator that re-encodes y turns -1 into a class; give it labeled volumes "
            "only, see WithUnlabeled.)"
        )


def unknown_labels(labels: NDArray, classes: NDArray) -> NDArray:
    """Return the labels, each once, that are not among the classes."""
    if is_text(labels) != is_text(classes):  # NumPy takes 1 and "1" for equal
        return np.unique(labels)
    return np.setdiff1d(labels, classes)


def is_text(labels: NDArray) -> bool:
    """Tell whether labels are strings; those of an array of objects by any that is not hidden."""
    return labels.dtype.kind in "US" or (
        labels.dtype.kind == "O" and any(isinstance(label, str) for label in labels)
    )


def is_one_more_label(label: Any, classes: NDArray) -> bool:
    """Tell whether a value is of the kind of the classes, and does not mean "unlabeled"."""
    own = np.asarray([label])
    is_alike = is_text(own) == is_text(classes) and not isinstance(label, bool)
    return is_alike and not bool(is_unlabeled(own).any())


def hidden_labels(n_samples: int, like: NDArray) -> NDArray:
    """Return labels that are all hidden, into which labels of a kind can be written.

    Parameters
    ----------
    n_samples : int
        Their number.
    like : ndarray
        Labels that can be assigned to the result without a loss.

    Returns
    -------
    hidden : ndarray of shape (n_samples,)
        -1; for strings, "unlabeled".
    """
    if like.dtype.kind in "ub":  # these cannot hold -1
        return np.full(n_samples, UNLABELED, dtype=np.int64)
    if not is_text(like):
        return np.full(n_samples, UNLABELED, dtype=like.dtype)
    sentinel = UNLABELED_STRINGS[0]
    if like.dtype.kind == "O":
        return np.full(n_samples, sentinel, dtype=object)
    return np.full(n_samples, sentinel, dtype=np.result_type(like.dtype, f"U{len(sentinel)}"))


def decode_labels(targets: NDArray[np.int64], classes: NDArray) -> NDArray:
    """Return the labels of class indices; -1 becomes the label that means "unlabeled".

    The inverse of :func:`encode_labels`, with one kind of label, so that the result can be sorted.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,) of int
        Indices into `classes`, or -1.
    classes : ndarray of shape (n_classes,)
        All classes.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        Numbers, -1 where there is no label; or strings, "unlabeled" where there is none. Of the
        type of `classes`, unless there are volumes without a label and it cannot hold -1.

    Examples
    --------
    >>> decode_labels(np.array([1, -1, 0]), np.array(["apoferritin", "ribosome"])).tolist()
    ['ribosome', 'unlabeled', 'apoferritin']
    """
    if (targets >= 0).all():
        return classes[targets]
    labels = hidden_labels(len(targets), classes)
    labels[targets >= 0] = classes[targets[targets >= 0]]
    return labels


def labeled_rows(
    y: ArrayLike, *, known: ArrayLike | None = None, input_name: str = "y"
) -> tuple[NDArray[np.intp], NDArray]:
    """Return the numbers of the rows with a label, and their labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels; see :func:`is_unlabeled` for what marks a hidden one.
    known : array-like of shape (n_classes,), optional
        Classes of a fitted estimator; of these there is no warning that they look like a
        misspelling.
    input_name : str, default="y"
        The name of `y` in messages.

    Returns
    -------
    rows : ndarray of shape (n_labeled,) of int
        Rising.
    labels : ndarray of shape (n_labeled,)
        Numbers or strings.

    Raises
    ------
    TypeError, ValueError
        If `y` is malformed, see :func:`check_labels`.
    """
    labels = _checked(y, input_name)
    rows = np.flatnonzero(~is_unlabeled(labels))
    labels = uniform_labels(labels[rows], input_name)
    warn_of_near_misses(labels, input_name, known)
    return rows, labels


def _is_sentinel(label: object) -> bool:
    if label is None:
        return True
    if isinstance(label, str):
        return label in UNLABELED_STRINGS
    return isinstance(label, (int, float, np.number)) and label == UNLABELED


def _is_missing(label: object) -> bool:
    try:
        return bool(label != label)
    except TypeError:  # pandas.NA has no truth value
        return True


def uniform_labels(labels: NDArray, input_name: str = "y") -> NDArray:
    """Give object arrays of numbers a numeric type; refuse labels of several kinds."""
    if labels.dtype.kind != "O" or not len(labels):
        return labels
    kinds = {str if isinstance(label, str) else float for label in labels}
    if len(kinds) > 1:
        raise ValueError(
            f"{input_name} mixes strings and numbers as labels. Use one kind; "
            "hidden labels may be -1, None or 'unlabeled'."
        )
    return labels if kinds == {str} else np.array(labels.tolist())


def check_enough_classes(
    owner: str, targets: NDArray[np.int64], classes: NDArray, *, needs_labels: bool = True
) -> None:
    """Check that there is something to tell apart.

    Parameters
    ----------
    owner : str
        The estimator, for messages.
    targets : ndarray of shape (n,) of int64
        Class indices; -1 is unlabeled.
    classes : ndarray of shape (n_classes,)
        All classes.
    needs_labels : bool, default=True
        Whether a label has to be among these.

    Raises
    ------
    ValueError
        If no row is labeled, or there is one class only.
    """
    if needs_labels and not (targets >= 0).any():
        raise ValueError(
            f"{owner} needs labeled volumes of at least one class, but every label in y means "
            "'unlabeled'."
        )
    if len(classes) < 2:
        raise ValueError(
            f"{owner} needs at least two classes, but there is one class, "
            f"{classes.tolist()[0]!r}. If others exist but have no label here, name them all by "
            "classes=."
        )


def score_labeled(predict: Callable[[Any], NDArray], X: Any, y: Any, sample_weight: Any) -> float:
    """Return the accuracy of predictions over the labeled rows.

    `X` is handed on as it was given, for `predict` to validate: a data frame keeps its columns.

    Raises
    ------
    ValueError
        If the lengths differ.

    Warns
    -----
    UndefinedMetricWarning
        If no row is labeled; the score is NaN then.
    """
    check_consistent_length(X, y, sample_weight)
    rows, truth = labeled_rows(y, known=_classes_behind(predict))
    if not len(rows):
        return undefined_score("The score")
    weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
    labels = predict(safe_indexing(X, rows))
    return float(accuracy_score(truth, labels, sample_weight=weight))


def undefined_score(who: str) -> float:
    """Warn that there is nothing to score, and return NaN, as scikit-learn's metrics do.

    An error would end tools that also score parts of the training rows, such as learning curves.
    """
    warnings.warn(
        f"{who} is not defined, since every label in y is hidden; it is NaN. Score rows that have "
        "a label, for example by cv=SemiSupervisedSplit(5).",
        UndefinedMetricWarning,
        stacklevel=level_of_caller(),
    )
    return float("nan")


def _classes_behind(predict: Callable[[Any], NDArray]) -> NDArray | None:
    """Return the classes of the estimator that a bound method is of."""
    return getattr(getattr(predict, "__self__", None), "classes_", None)
