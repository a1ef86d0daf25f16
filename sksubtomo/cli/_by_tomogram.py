"""Candidates relative to their tomogram, where scores of tomograms are not on one scale."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.cli._score_columns import columns_of

if TYPE_CHECKING:
    from sksubtomo.cli._sanity import Sanity
    from sksubtomo.io import ParticleTable

# Of fewer candidates, a median says little.
_LEAST_CANDIDATES = 20
# A tomogram of particles only, among others with one in five, is 2.5 off.
_MOST_SPREADS = 3.0
# By how much the log loss of left-out labels, of the columns alone, has to fall, also in standard
# errors: on simulated tomograms with scores on one scale, it never did.
_LEAST_GAIN, _LEAST_ERRORS = 0.05, 1.5


def add_by_tomogram(group: argparse._ActionsContainer) -> None:
    """Add the option to ``fit``."""
    group.add_argument(
        "--by-tomogram",
        action="store_true",
        default=None,
        help="of --method candidates: judge columns and image statistics relative to their medians "
        "in each tomogram, where scores of tomograms are not on one scale; the shares of true "
        "candidates should be about the same",
    )


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


def evidence_of_fit(
    sanity: Sanity,
    options: argparse.Namespace,
    particles: ParticleTable,
    columns: list[str],
    rows: NDArray[np.intp],
    tomograms: NDArray,
    y: NDArray[np.int64],
) -> dict[str, Any]:
    """Return what candidates are fitted to beside their boxes.

    Warns if columns should be relative to the tomograms, before the work: with ``--strict``, it
    ends here.
    """
    if options.by_tomogram:
        return evidence_of(particles, columns, rows, tomograms)
    evidence = evidence_of(particles, columns, rows, None)
    check_one_scale(sanity, evidence.get("covariates"), tomograms, y, options.background)
    sanity.enforce()
    return evidence


def check_one_scale(
    sanity: Sanity, columns: Any, tomograms: NDArray, y: NDArray[np.int64], background: int | None
) -> None:
    """Warn if left-out labels are told apart better by columns relative to the tomograms.

    Parameters
    ----------
    sanity : Sanity
        Gets the warning.
    columns : DataFrame or None
        Of the candidates; without any, there is nothing to check.
    tomograms : ndarray of shape (n_candidates,) of str
        Tomogram of each candidate.
    y : ndarray of shape (n_candidates,)
        Labels, -1 where unknown.
    background : int or None
        As that of :class:`~sksubtomo.semi_supervised.CandidateClassifier`.
    """
    if columns is None or len(np.unique(tomograms)) < 2:
        return
    as_they_are = _losses(columns, None, y, background)
    relative = _losses(columns, tomograms, y, background)
    if len(as_they_are) < 2:
        return
    gains = as_they_are - relative
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    if gains.mean() > max(_LEAST_GAIN, _LEAST_ERRORS * error):
        sanity.warn(
            "By %s alone, left-out labels are told apart better relative to the tomogram: log loss "
            "%.2f instead of %.2f. Scores of these tomograms are not on one scale; fit with "
            "--by-tomogram, unless much larger shares are true in some.",
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
    left_out = classifier.out_of_fold_
    own = np.searchsorted(classifier.classes_, left_out.labels)
    return -np.log(np.maximum(left_out.probabilities[np.arange(len(own)), own], 1e-12))


def check_scale_of_fit(
    sanity: Sanity,
    classifier: Any,
    particles: ParticleTable,
    tomograms: NDArray,
    is_judged: NDArray[np.bool_],
) -> None:
    """Warn of tomograms whose columns are far from those of the fit.

    Parameters
    ----------
    sanity : Sanity
        Gets the warnings.
    classifier : estimator
        Last step of the model; nothing is checked of others than classifiers of candidates, nor
        where these judge relative to tomograms.
    particles : ParticleTable
        Has the columns.
    tomograms : ndarray of shape (n_particles,) of str
        Tomogram of each particle.
    is_judged : ndarray of shape (n_particles,) of bool
        Which particles are classified.
    """
    names = getattr(classifier, "covariate_names_", None)
    if not names or classifier.tomograms_:
        return
    columns = columns_of(particles, names, np.arange(len(particles)))
    centers, spreads = classifier.covariate_medians_, classifier.covariate_spreads_
    for tomogram in np.unique(tomograms[is_judged]):
        own = columns.to_numpy()[is_judged & (tomograms == tomogram)]
        if len(own) < _LEAST_CANDIDATES:
            continue
        medians = np.median(own, axis=0)
        for k in np.flatnonzero(np.abs(medians - centers) > _MOST_SPREADS * spreads):
            sanity.warn(
                "%s of %s has the median %.4g; in the fit it was %.4g, with a standard deviation "
                "of %.4g. Probabilities are right for scores on the scale of the fit only: pick "
                "alike, label some candidates of this tomogram too, or fit with --by-tomogram.",
                *(names[k], tomogram, medians[k], centers[k], spreads[k]),
            )
