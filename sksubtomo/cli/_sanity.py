"""Checks of what goes in and what comes out that warn, or fail with ``--strict``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed, plural
from sksubtomo.cli._options import logger

if TYPE_CHECKING:
    from sksubtomo.cli._outcomes import Outcomes

# Share of labeled particles that a fitted model gives their own label.
_LEAST_AGREEMENT = 0.95
# Of particles: beyond it, one class has nearly all or nearly none, or probabilities are saturated.
_USUAL_SHARE = 0.98
_SATURATED = 0.999
# Of fewer particles, shares say little.
_LEAST_PARTICLES = 20
_LEAST_EPOCHS = 3
_UNLABELED = -1


class Sanity:
    """Warns of what is suspicious, and ends the command before it writes, if that is asked for.

    Parameters
    ----------
    strict : bool
        Whether suspicious results are errors.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._found: list[str] = []

    @property
    def found(self) -> list[str]:
        """What was suspicious so far."""
        return list(dict.fromkeys(self._found))

    def warn(self, message: str, *values: object) -> None:
        """Log a warning, and count it."""
        logger.warning(message, *values)
        self._found.append(message % values if values else message)

    def enforce(self) -> None:
        """Raise an error if anything was found and the command is strict; before it writes.

        Raises
        ------
        ValueError
            Naming the first finding.
        """
        if self._strict and self._found:
            raise ValueError(
                f"--strict: {plural(len(self._found), 'warning')}, the first of which is: "
                f"{self._found[0]} Nothing was written."
            )

    @contextmanager
    def listening(self, *held: type[Warning]) -> Iterator[list[Warning]]:
        """Count warnings of this package, such as those of a dead code, and pass them on.

        Parameters
        ----------
        *held : type
            Categories that are neither counted nor passed on, but held back in the list that the
            context manager gives; see :meth:`pass_on`.
        """
        show = warnings.showwarning
        held_back: list[Warning] = []

        def counted(message: Any, category: type[Warning], *more: Any, **named: Any) -> None:
            if issubclass(category, held):
                held_back.append(message)
                return
            if category.__module__ == "sksubtomo.exceptions":
                self._found.append(str(message))
            show(message, category, *more, **named)

        # pytest and the command line replace showwarning; both are to get them.
        warnings.showwarning = counted
        try:
            yield held_back
        finally:
            warnings.showwarning = show

    def pass_on(self, held_back: list[Warning]) -> None:
        """Count and pass on warnings that were held back."""
        with self.listening():
            for one in held_back:
                warnings.warn(one, stacklevel=2)


def add_strict(parser: argparse._ActionsContainer) -> None:
    """Add the option that makes warnings errors."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with exit code 1, and write nothing, where something is suspicious that "
        "otherwise is a warning",
    )


def check_labels(sanity: Sanity, classes: NDArray, counts: NDArray[np.int64]) -> None:
    """Warn of classes that one label stands for."""
    single = classes[counts == 1].tolist()
    if single:
        sanity.warn(
            "%s %s one label only, which may be a wrong one. Label more.",
            "Class" if len(single) == 1 else "Classes",
            f"{listed([str(one) for one in single])} {'has' if len(single) == 1 else 'have'}",
        )


def check_voxel_sizes(
    sanity: Sanity, sizes: dict[str, float | None], expected: float | None, *, of_model: bool
) -> None:
    """Warn where tomograms, or the model, do not say their voxel size, so that none is compared.

    Parameters
    ----------
    sanity : Sanity
        Gets the warnings.
    sizes : dict of str to float or None
        Of each tomogram that could be read.
    expected : float or None
        That of the model.
    of_model : bool
        Whether there is a model to compare with.
    """
    unknown = [name for name, size in sizes.items() if size is None]
    if unknown:
        sanity.warn(
            "%s: the header does not say the voxel size, so it is not compared with that of %s.",
            listed(unknown),
            "the model" if of_model else "the others",
        )
    if of_model and expected is None and len(unknown) < len(sizes):
        sanity.warn(
            "The model does not know the voxel size of its tomograms, so that of the new ones is "
            "not compared. Check that it is the same."
        )


def check_boxes_inside(
    sanity: Sanity,
    outcomes: Outcomes,
    coordinates: NDArray[np.float64],
    shapes: Mapping[str, Sequence[int]],
    box_size: int,
) -> None:
    """Warn of boxes of which more than half is outside the tomogram; refuse where most are.

    Raises
    ------
    ValueError
        If most of the boxes are mostly outside.
    """
    outside = np.zeros(len(coordinates), dtype=bool)
    for name, shape in shapes.items():
        rows = outcomes.rows(name)
        rows = rows[outcomes.codes[rows] == "ok"]
        first = np.floor(coordinates[rows] + 0.5) - box_size // 2
        inside = np.minimum(first + box_size, np.array(shape)) - np.maximum(first, 0)
        outside[rows] = np.clip(inside / box_size, 0, 1).prod(axis=1) < 0.5
    n_boxes, n_outside = int((outcomes.codes == "ok").sum()), int(outside.sum())
    if 2 * n_outside > n_boxes:
        raise ValueError(
            f"{n_outside} of {plural(n_boxes, 'box', 'boxes')} of {box_size} voxels are mostly "
            "outside their tomogram. Check the box size, and the binning of the coordinates."
        )
    if n_outside:
        rows = np.flatnonzero(outside)
        sanity.warn(
            "%d of %s %s mostly outside the tomogram, such as that of row %d. Leave them out by "
            "--border drop.",
            *(n_outside, plural(n_boxes, "box", "boxes")),
            *("is" if n_outside == 1 else "are", rows[0] + 1),
        )


def check_agreement(sanity: Sanity, classifier: Any, stack: Any, y: NDArray[np.int64]) -> None:
    """Say how many labeled particles get their own label; of a good model, nearly all."""
    labeled = np.flatnonzero(y != _UNLABELED)
    agreement = float((classifier.predict(stack[labeled]) == y[labeled]).mean())
    if agreement >= _LEAST_AGREEMENT:
        logger.info("%.0f %% of the labeled particles get their own label.", 100 * agreement)
        return
    sanity.warn(
        "Only %.0f %% of the labeled particles get their own label: the model has not learned the "
        "classes, or labels are wrong. Do not use its predictions before you looked at them. Label "
        "more, train networks longer (--epochs, --learning-rate 0.001), or try another --method.",
        100 * agreement,
    )


def check_history(sanity: Sanity, history: Sequence[dict[str, Any]]) -> None:
    """Warn of a loss of validation that was the lowest before anything was learned."""
    losses = [epoch["valid_loss"] for epoch in history if "valid_loss" in epoch]
    if len(losses) >= _LEAST_EPOCHS and np.argmin(losses) == 0 and losses[-1] > losses[0]:
        sanity.warn(
            "The loss of validation only rose, from %.4g to %.4g: what the network learns does not "
            "hold for other labeled particles. Lower --learning-rate, label more, or try "
            "--augmentation rotations or --method references.",
            *(losses[0], losses[-1]),
        )


def check_kept(sanity: Sanity, share: float, classes: Sequence[int]) -> None:
    """Warn if nearly all or nearly none of the classified particles are kept."""
    if 1 - _USUAL_SHARE < share < _USUAL_SHARE:
        return
    sanity.warn(
        "%.0f %% of the classified particles are of the classes %s. Look at some of them: a model "
        "that gives nearly all particles one class may have learned nothing.",
        *(100 * share, list(classes)),
    )


def check_predictions(
    sanity: Sanity, probabilities: NDArray[np.float64], classes: NDArray, *, by_references: bool
) -> None:
    """Warn if nearly all particles got one class, or probabilities are nearly all 0 and 1.

    Parameters
    ----------
    sanity : Sanity
        Gets the warnings.
    probabilities : ndarray of shape (n_particles, n_classes)
        Of the classified particles.
    classes : ndarray of shape (n_classes,)
        Class numbers.
    by_references : bool
        Likelihoods of whole volumes nearly always are, which is no sign of overfitting.
    """
    if len(probabilities) < _LEAST_PARTICLES:
        return
    shares = np.bincount(probabilities.argmax(axis=1), minlength=len(classes)) / len(probabilities)
    if shares.max() > _USUAL_SHARE:
        sanity.warn(
            "%.0f %% of the classified particles are of class %s. Look at some of them: a model "
            "that gives nearly all particles one class may have learned nothing.",
            *(100 * shares.max(), classes[shares.argmax()]),
        )
    saturated = float((probabilities.max(axis=1) > _SATURATED).mean())
    if saturated <= _USUAL_SHARE:
        return
    message = (
        "Probabilities are saturated: %.0f %% of the particles have one above %g. --threshold can "
        "hardly tell particles apart; probabilities can be calibrated in Python "
        "(sksubtomo.calibration)."
    )
    if by_references:
        logger.info(message, 100 * saturated, _SATURATED)
    else:
        sanity.warn(message, 100 * saturated, _SATURATED)


def file_shapes(files: dict[str, Path], missing_chunks: str) -> dict[str, tuple[int, ...]]:
    """Return the edges of tomograms; what cannot be read is told where it is cut."""
    from sksubtomo.io import open_volume

    shapes = {}
    for name, path in files.items():
        try:
            shapes[name] = tuple(open_volume(path, missing_chunks=missing_chunks).shape)
        except (ValueError, OSError):
            continue
    return shapes
