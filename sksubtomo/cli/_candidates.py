"""Candidates of a picker: options, operating points, duplicates, and what ``fit`` says."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.cli._by_tomogram import add_by_tomogram, evidence_of, left_out_losses
from sksubtomo.cli._options import logger
from sksubtomo.cli._score_columns import SCORE_COLUMNS

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sksubtomo.cli._sanity import Sanity
    from sksubtomo.io import ParticleTable, SubtomogramStack

#: Class of what is no particle where only particles are labeled.
BACKGROUND = 2


def add_candidate_options(group: argparse._ActionsContainer) -> None:
    """Add the options of candidates to ``fit``."""
    group.add_argument(
        "--score-column",
        nargs="+",
        metavar="COLUMN",
        help="of --method candidates: numbers in the table of particles to judge by, such as the "
        f"picker's score, or none; default: those of {', '.join(SCORE_COLUMNS)} that there are",
    )
    group.add_argument(
        "--positive-only",
        action="store_true",
        default=None,
        help="of --method candidates: only particles are labeled, all as one class, and drawn at "
        f"random among them; what is no particle becomes class {BACKGROUND} (1, if they are 2)",
    )
    add_by_tomogram(group)


def add_operating_point(parser: argparse.ArgumentParser) -> None:
    """Add --precision and --recall to ``predict``."""
    for name, what in (("precision", "are particles"), ("recall", "of the particles are kept")):
        parser.add_argument(
            f"--{name}",
            type=float,
            metavar="P",
            help=f"with --keep of one class: choose the threshold by which this share {what} as "
            "far as probabilities say; it is told how certain the labels of the fit make that, and "
            "how many more are needed",
        )


def check_operating_point(options: argparse.Namespace) -> None:
    """Check what is wanted of a threshold, before particles are classified.

    Raises
    ------
    ValueError
        If several are given, or one is out of range or of several classes.
    """
    stated = [name for name in ("precision", "recall") if getattr(options, name) is not None]
    if len(stated) + (options.threshold is not None) > 1:
        raise ValueError("Give one of --threshold, --precision and --recall.")
    for name in stated:
        positive_label(options)
        if not 0 < getattr(options, name) < 1:
            raise ValueError(f"--{name} {getattr(options, name):g} must be between 0 and 1.")


def predicted_candidates(
    classifier: Any,
    stack: SubtomogramStack,
    particles: ParticleTable,
    rows: NDArray[np.intp],
    tomogram: str,
    report: Callable[[int], None],
    n_at_once: int,
) -> NDArray[np.float64]:
    """Return class probabilities of the candidates of one tomogram by their boxes and columns.

    Parameters
    ----------
    classifier : Pipeline
        Fitted, with a classifier of candidates at its end.
    stack : SubtomogramStack
        Boxes.
    particles : ParticleTable
        Has the columns that the classifier was fitted with.
    rows : ndarray of int
        Which row of `particles` each box is of.
    tomogram : str
        What it is called in the model.
    report : callable
        Called with the number of boxes of each part.
    n_at_once : int
        Boxes in a part; all of them, where candidates are judged relative to their tomogram.
    """
    parts, tomograms = [], None
    if classifier[-1].tomograms_:
        tomograms, n_at_once = np.full(len(rows), tomogram), len(rows)
    for start in range(0, len(stack), n_at_once):
        part = slice(start, start + n_at_once)
        evidence = evidence_of(particles, classifier[-1].covariate_names_, rows[part], tomograms)
        parts.append(classifier.predict_proba(stack[part], **evidence))
        report(len(parts[-1]))
    return np.concatenate(parts)


def check_candidates(sanity: Sanity, classifier: Any) -> None:
    """Say what each kind of evidence adds, and warn if labels left out are not told apart."""
    gained = classifier.contributions_
    if not gained:
        return
    parts = ", ".join(f"{name} {value:+.3f}" for name, value in gained.items())
    logger.info("Log loss of left-out labels rises without: %s (positive is useful).", parts)
    targets = np.searchsorted(classifier.classes_, classifier.out_of_fold_.labels)
    share = np.bincount(targets) / len(targets)
    loss, chance = left_out_losses(classifier).mean(), -np.log(share[targets]).mean()
    if loss >= chance:
        sanity.warn(
            "Labels that were left out are told apart no better than by their frequency (log loss "
            "%.3f, chance %.3f). Do not use the predictions before you looked at them; label more.",
            *(loss, chance),
        )


def positive_label(options: argparse.Namespace) -> int:
    """Return the class whose precision or recall is asked for."""
    if options.keep is None or len(set(options.keep)) != 1:
        asked = "precision" if options.precision is not None else "recall"
        raise ValueError(f"--{asked} is that of one class: name it by --keep, as in --keep 1.")
    return int(options.keep[0])


def threshold_of(
    options: argparse.Namespace, classifier: Any, probabilities: NDArray, numbers: NDArray
) -> float:
    """Return the threshold for a stated precision or recall, and say how certain it is."""
    from sksubtomo.metrics import operating_point

    kept = positive_label(options)
    column = int(np.flatnonzero(numbers == kept)[0])
    # Other classifiers leave no labels out.
    left_out = getattr(classifier, "out_of_fold_", None)
    judged = left_out is not None and len(left_out.rows) > 0
    point = operating_point(
        probabilities[:, column],
        *(left_out.labels, left_out.probabilities[:, column]) if left_out and judged else (),
        precision=options.precision,
        recall=options.recall,
        pos_label=kept,
    )
    if not np.isfinite(point.threshold):
        raise ValueError(
            f"No candidate is so probable that a precision of {options.precision:g} can be "
            "expected; nothing written. Ask for less, or label more."
        )
    _tell(point, options, judged=judged)
    return float(point.threshold)


def _tell(point: Bunch, options: argparse.Namespace, *, judged: bool) -> None:
    name, wanted = "precision", options.precision
    if wanted is None:
        name, wanted = "recall", options.recall
    low, high = point[f"{name}_interval"]
    by_labels = ""
    if point.n_labels_kept:
        by_labels = "; by labels left out, {} to {} (95 %)".format(*point.n_true_kept_interval)
    logger.info(
        "Threshold %.4g for a %s of %g: expected precision %.2f, recall %.2f, %d kept, of them "
        "%.0f particles%s.",
        *(point.threshold, name, wanted, point.precision, point.recall, point.n_kept),
        *(point.n_true_kept, by_labels),
    )
    if point.is_certain:
        logger.info("By labels left out, its %s is %.2f to %.2f (95 %%).", name, low, high)
        return
    if not judged:
        logger.warning(
            "No label was left out of the fit to judge that by. --method candidates leaves some "
            "out where both particles and what is none have at least two labels."
        )
        return
    more = "no number of them would do"
    if point.n_more_labels is not None:
        more = f"about {point.n_more_labels} more, drawn at random, would do"
    logger.warning(
        "Too few labels to promise that: they say %s %.2f to %.2f (95 %%); %s.",
        *(name, low, high, more),
    )


def check_candidate_options(options: argparse.Namespace) -> None:
    """Refuse options of candidates with another method, before anything is read.

    Raises
    ------
    ValueError
        If there are any.
    """
    given = [
        "--" + name.replace("_", "-")
        for name in ("score_column", "positive_only", "by_tomogram")
        if getattr(options, name) is not None
    ]
    if given and options.method not in (None, "candidates"):
        raise ValueError(
            f"--method {options.method} has no use for {', '.join(given)}; leave it out."
        )
    if options.positive_only and options.background is not None:
        raise ValueError(
            "--positive-only makes a background of its own, of unlabeled candidates: leave "
            "--background out."
        )


def check_no_checkpoint(options: argparse.Namespace) -> None:
    """Refuse a checkpoint of a method that has none.

    Raises
    ------
    ValueError
        If one is given.
    """
    if options.method == "candidates" and options.checkpoint is not None:
        raise ValueError(
            "--method candidates writes no checkpoints: leave --checkpoint out, or choose another "
            "--method."
        )


def without_duplicates(
    rows: NDArray[np.intp],
    coordinates: NDArray[np.float64],
    names: NDArray,
    probabilities: NDArray[np.float64],
    distance: float,
) -> NDArray[np.intp]:
    """Return rows without those that have a more probable one nearby, and tell how many go.

    The most probable particle is kept, and takes those nearby away; then the next one that is
    left, and so on.

    Parameters
    ----------
    rows : ndarray of int
        Rows to choose among, rising.
    coordinates : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels.
    names : ndarray of shape (n_particles,) of str
        Tomograms.
    probabilities : ndarray of shape (n_particles,)
        Of the class that a particle is kept for.
    distance : float
        Particles nearer than this, in voxels, are one.

    Returns
    -------
    rows : ndarray of int
        Rising.
    """
    from scipy.spatial import cKDTree

    kept = np.ones(len(rows), dtype=bool)
    for name in np.unique(names[rows]):
        own = np.flatnonzero(names[rows] == name)
        neighbors = cKDTree(coordinates[rows[own]]).query_ball_point(
            # The distance itself is far enough.
            coordinates[rows[own]],
            np.nextafter(distance, 0),
        )
        for k in np.argsort(-probabilities[rows[own]], kind="stable"):
            if kept[own[k]]:
                kept[own[[one for one in neighbors[k] if one != k]]] = False
    if not kept.all():
        logger.info(
            "%s left out: a more probable one is nearer than %g voxels.",
            plural(int((~kept).sum()), "particle"),
            distance,
        )
    return rows[kept]
