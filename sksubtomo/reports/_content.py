"""What a report is about, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._class_names import name_of_class
from sksubtomo._utils._labels import decode_labels
from sksubtomo._utils._messages import shorten
from sksubtomo._utils._steps import owner_of, targets_among

_SUM_TOLERANCE = 1e-3


@dataclass
class Content:
    """Particles, what a classifier says of them, and what else is known.

    Parameters
    ----------
    estimator : classifier
        Fitted.
    X : array of shape (n, depth, height, width)
        Boxes.
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    proba : ndarray of shape (n, n_classes)
        Probabilities.
    targets : ndarray of shape (n,)
        Given labels as indices into `classes`, -1 without one.
    held_out : ndarray of shape (n, n_classes) or None
        Probabilities of labeled rows by classifiers that did not learn from them.
    tomogram_names : ndarray of shape (n,) of str
        Tomogram of each particle; empty text where it is not known.
    coordinates : ndarray of shape (n, 3) or None
        Centers z, y, x in voxels.
    tomograms : mapping of str to path or array
        Tomograms to draw particles on.
    picker_scores : ndarray of shape (n,) or None
        Score of the picker.
    positive : int
        Index of the class that is kept, for precision and recall.
    threshold : float
        Its operating point.
    averages : Bunch or None
        As of ``class_averages``.
    poses : Bunch or None
        Rotations and labels.
    voxel_size_angstrom : float or None
        Of the boxes.
    names : list of str
        Names of the classes.
    """

    estimator: Any
    X: Any
    classes: NDArray
    proba: NDArray[np.float64]
    targets: NDArray[np.int64]
    held_out: NDArray[np.float64] | None
    tomogram_names: NDArray
    coordinates: NDArray[np.float64] | None
    tomograms: Mapping[str, Any]
    picker_scores: NDArray[np.float64] | None
    positive: int
    threshold: float
    averages: Bunch | None
    poses: Bunch | None
    voxel_size_angstrom: float | None
    names: list[str] = field(default_factory=list)

    def fitted(self, name: str, default: Any = None) -> Any:
        """Return an attribute of the estimator's last step, or of what is inside of it."""
        return getattr(owner_of(self.estimator, name), name, default)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class of each particle, as an index."""
        return self.proba.argmax(axis=1)

    @property
    def labeled(self) -> NDArray[np.intp]:
        """Rows with a label."""
        return np.flatnonzero(self.targets >= 0)

    @property
    def judged(self) -> NDArray[np.float64]:
        """Probabilities to compare with labels: held-out ones, where there are any."""
        return self.proba if self.held_out is None else self.held_out

    @property
    def class_names(self) -> dict[Any, str]:
        """Names of the classes by their labels, as displays take them."""
        return dict(zip(self.classes.tolist(), self.names, strict=True))

    @property
    def labels(self) -> NDArray:
        """Given labels, those that mean "unlabeled" among them."""
        return decode_labels(self.targets, self.classes)


def check_estimator(estimator: Any) -> NDArray:
    """Return the classes of a fitted classifier.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it is no classifier.
    """
    check_is_fitted(estimator)
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        raise TypeError(
            f"Reports are on classifiers with predict_proba; {type(estimator).__name__} is none."
        )
    return np.asarray(estimator.classes_)


def check_rows(n: int, **values: Any) -> None:
    """Refuse values that do not have a row for each particle.

    Raises
    ------
    ValueError
        Naming the value.
    """
    for name, value in values.items():
        if value is not None and len(value) != n:
            raise ValueError(f"{name} has {len(value)} rows, but there are {n} particles.")


def check_proba(
    proba: Any, shape: tuple[int, int], name: str, rows: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return probabilities of particles; with `rows`, only these have to have them.

    Raises
    ------
    ValueError
        If their shape is another one, or rows do not sum to 1.
    """
    proba = np.asarray(proba, dtype=np.float64)
    if proba.shape != shape:
        raise ValueError(
            f"{name} has shape {proba.shape}; a row for each particle and a column for each class "
            f"are needed, {shape}."
        )
    used = proba if rows is None else proba[rows]
    if not ((used >= 0).all() and (np.abs(used.sum(axis=1) - 1) < _SUM_TOLERANCE).all()):
        raise ValueError(f"{name} holds rows that are no probabilities: from 0 to 1, and sum to 1.")
    return proba


def check_names(class_names: Any, classes: NDArray) -> list[str]:
    """Return a short name of every class.

    Raises
    ------
    ValueError
        If one has none.
    """
    return [shorten(name_of_class(label, class_names), 60) for label in classes.tolist()]


def _position(pos_label: Any, classes: Any) -> int:
    known = classes.tolist()
    if pos_label is None:
        return 0
    if pos_label not in known:
        raise ValueError(f"pos_label={pos_label!r} is none of the classes {known}.")
    return known.index(pos_label)


def make_content(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    y_proba: Any,
    held_out_proba: Any,
    tomogram_names: Any,
    coordinates: Any,
    picker_scores: Any,
    pos_label: Any,
    threshold: float,
    averages: Any,
    poses: Any,
    class_names: Any,
    tomograms: Any,
    voxel_size_angstrom: float | None,
) -> Content:
    """Check what :func:`make_report` is given, and predict what is not.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As :func:`make_report`, before anything is predicted.
    """
    classes = check_estimator(estimator)
    n, shape = len(X), (len(X), len(classes))
    if not n:
        raise ValueError("There are no particles to report on.")
    check_rows(
        n, y=y, tomogram_names=tomogram_names, coordinates=coordinates, picker_scores=picker_scores
    )
    targets = targets_among(y, classes, n)
    if held_out_proba is not None:
        labeled = np.flatnonzero(targets >= 0)
        held_out_proba = check_proba(held_out_proba, shape, "held_out_proba", labeled)
    names, positive = check_names(class_names, classes), _position(pos_label, classes)
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold!r} must be a probability, from 0 to 1.")
    if averages is not None and poses is None:
        poses = averages.get("poses")
    given_names = [""] * n if tomogram_names is None else [str(name) for name in tomogram_names]
    proba = estimator.predict_proba(X) if y_proba is None else y_proba
    return Content(
        *(estimator, X, classes, check_proba(proba, shape, "y_proba"), targets, held_out_proba),
        tomogram_names=np.array(given_names),
        coordinates=None if coordinates is None else np.asarray(coordinates, dtype=float),
        tomograms={} if tomograms is None else tomograms,
        picker_scores=None if picker_scores is None else np.asarray(picker_scores, dtype=float),
        positive=positive,
        threshold=threshold,
        averages=averages,
        poses=poses,
        voxel_size_angstrom=voxel_size_angstrom,
        names=names,
    )
