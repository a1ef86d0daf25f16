"""Candidates relative to their tomogram, where scores of tomograms are not on one scale."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.cli._column_ranges import check_ranges, column_ranges
from sksubtomo.cli._score_columns import check_columns, columns_of

if TYPE_CHECKING:
    from sksubtomo.cli._boxes import Boxes
    from sksubtomo.cli._model import Model
    from sksubtomo.cli._sanity import Sanity
    from sksubtomo.cli._tomograms import LocatedTomograms
    from sksubtomo.io import ParticleTable

# By how much the log loss of left-out labels, of the columns alone, has to fall, also in standard
# errors, and of how many labels: with fewer or less, scores on one scale are taken for others.
_LEAST_GAIN, _LEAST_ERRORS, _LEAST_LABELS = 0.05, 2.0, 20


def add_by_tomogram(group: argparse._ActionsContainer) -> None:
    """Add the option to ``fit``."""
    group.add_argument(
        "--by-tomogram",
        action="store_true",
        default=None,
        help="of --method candidates: judge columns and image statistics relative to their medians "
        "in each tomogram, where scores of some are higher than those of others; the shares of "
        "true candidates should be about the same",
    )


def tomogram_keys(files: Mapping[str, Path]) -> dict[str, str]:
    """Return what tomograms of a table are called in a model.

    Parameters
    ----------
    files : mapping
        Tomograms by their names.

    Returns
    -------
    keys : dict of str to str
        Name without folder and ending; the full name if several files share it.
    """
    from sksubtomo.io import tomogram_stem

    named: dict[str, set[Path]] = {}
    for name, path in files.items():
        named.setdefault(tomogram_stem(name), set()).add(path.resolve())
    return {
        name: tomogram_stem(name) if len(named[tomogram_stem(name)]) == 1 else name
        for name in files
    }


def evidence_of(
    particles: ParticleTable,
    columns: list[str] | None,
    rows: NDArray[np.intp],
    tomograms: NDArray | None,
) -> dict[str, Any]:
    """Return what a classifier of candidates is given of them, beside their boxes.

    Parameters
    ----------
    particles : ParticleTable
        Has the columns.
    columns : list of str or None
        Their names, if there are any.
    rows : ndarray of int
        Which rows the candidates are.
    tomograms : ndarray of shape (n_candidates,) of str, optional
        Tomogram of each, if they are judged relative to it.

    Returns
    -------
    evidence : dict
        Keyword arguments of ``fit`` and ``predict_proba``.
    """
    given = columns_of(particles, columns, rows)
    evidence = {"covariates": given, "tomograms": tomograms}
    return {name: value for name, value in evidence.items() if value is not None}


def with_evidence(
    sanity: Sanity,
    options: argparse.Namespace,
    data: Boxes,
    particles: ParticleTable,
    columns: list[str],
    located: LocatedTomograms,
    y: NDArray[np.int64],
) -> Boxes:
    """Return the boxes of a fit with what else candidates are judged by, and its ranges.

    Warns where columns of tomograms do not seem to be on one scale.
    """
    keys = tomogram_keys(located.files)
    tomograms = np.array([keys[name] for name in located.names[data.rows].tolist()])
    relative = bool(options.by_tomogram)
    evidence = evidence_of(particles, columns, data.rows, tomograms if relative else None)
    given = evidence.get("covariates")
    if given is None:
        return data._replace(evidence=evidence)
    # First, as it refuses numbers that stand for missing ones, which are on no scale.
    losses = _losses(given, None, y, options.background)
    ranges = column_ranges(given, tomograms, y, relative=relative)
    check_ranges(sanity, ranges, given, tomograms)
    if not relative:
        check_one_scale(sanity, given, tomograms, y, options.background, losses)
    return data._replace(evidence=evidence, ranges=ranges)


def check_one_scale(
    sanity: Sanity,
    columns: Any,
    tomograms: NDArray,
    y: NDArray[np.int64],
    background: int | None,
    as_they_are: NDArray[np.float64] | None = None,
) -> None:
    """Warn if left-out labels are told apart better by columns relative to the tomograms.

    Parameters
    ----------
    sanity : Sanity
        Gets the warning.
    columns : DataFrame
        Of the candidates.
    tomograms : ndarray of shape (n_candidates,) of str
        Tomogram of each candidate.
    y : ndarray of shape (n_candidates,)
        Labels, -1 where unknown.
    background : int or None
        As that of :class:`~sksubtomo.semi_supervised.CandidateClassifier`.
    as_they_are : ndarray, optional
        Log losses by columns as they are, if these are known.
    """
    if len(np.unique(tomograms)) < 2:
        return
    if as_they_are is None:
        as_they_are = _losses(columns, None, y, background)
    if len(as_they_are) < _LEAST_LABELS:
        return
    relative = _losses(columns, tomograms, y, background)
    gains = as_they_are - relative
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    if gains.mean() > max(_LEAST_GAIN, _LEAST_ERRORS * error):
        sanity.warn(
            "Scores of these tomograms are not on one scale: relative to the median of each, %s "
            "alone predicts left-out labels better (log loss %.2f, otherwise %.2f). Fit with "
            "--by-tomogram, unless much more of the candidates are true in some.",
            *(", ".join(columns), relative.mean(), as_they_are.mean()),
        )


def _losses(
    columns: Any, tomograms: NDArray | None, y: NDArray[np.int64], background: int | None
) -> NDArray[np.float64]:
    """Return log losses of left-out labels by columns alone; empty where none is left out."""
    from sksubtomo.semi_supervised import CandidateClassifier

    classifier = CandidateClassifier(
        None, statistics=False, background=background, volume_shape=(1, 1, 1), random_state=0
    )
    no_boxes = np.zeros((len(y), 1, 1, 1), dtype=np.float32)
    with warnings.catch_warnings():
        # The fit itself says it.
        warnings.simplefilter("ignore")
        classifier.fit(no_boxes, y, covariates=columns, tomograms=tomograms)
    return left_out_losses(classifier)


def left_out_losses(classifier: Any) -> NDArray[np.float64]:
    """Return the log loss of each left-out label of a classifier of candidates."""
    left_out = classifier.out_of_fold_
    own = np.searchsorted(classifier.classes_, left_out.labels)
    return -np.log(np.maximum(left_out.probabilities[np.arange(len(own)), own], 1e-12))


def check_new_columns(
    sanity: Sanity,
    model: Model,
    particles: ParticleTable,
    located: LocatedTomograms,
    is_judged: NDArray[np.bool_],
) -> None:
    """Check columns of new candidates before these are classified.

    Warns of tomograms in which they are not as in the fit; with ``--strict``, it ends here.

    Parameters
    ----------
    sanity : Sanity
        Gets the warnings.
    model : Model
        What they are to be classified by.
    particles : ParticleTable
        Has the columns.
    located : LocatedTomograms
        Their tomograms.
    is_judged : ndarray of shape (n_particles,) of bool
        Which particles are to be classified.

    Raises
    ------
    ValueError
        If one is missing, or holds numbers that stand for missing ones.
    """
    keys = tomogram_keys(located.files)
    rows = np.flatnonzero(is_judged & np.isin(located.names, list(keys)))
    check_columns(model.classifier[-1], particles, rows)
    if not model.column_ranges:
        return
    tomograms = np.array([keys[name] for name in located.names[rows].tolist()])
    names = [known["column"] for known in model.column_ranges]
    check_ranges(sanity, model.column_ranges, columns_of(particles, names, rows), tomograms)
    sanity.enforce()
