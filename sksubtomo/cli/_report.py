"""Write a report on a model and its predictions: one HTML file of figures and tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.cli._by_tomogram import check_new_columns
from sksubtomo.cli._found import (
    Found,
    check_input,
    classify_particles,
    predicted_averages,
    reported_predictions,
)
from sksubtomo.cli._labels import add_labels, particle_labels
from sksubtomo.cli._model import load_model
from sksubtomo.cli._options import (
    BORDERS,
    add_allow_pickle,
    add_output,
    add_particles,
    logger,
    read_table,
)
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._report_file import check_report, write_report
from sksubtomo.cli._sanity import Sanity, add_strict
from sksubtomo.cli._tomograms import locate_tomograms
from sksubtomo.cli._workers import add_workers, compute_threads, workers

if TYPE_CHECKING:
    from sksubtomo.cli._tomograms import LocatedTomograms
    from sksubtomo.io import ParticleTable

EPILOG = (
    "Labels are those of --labels, or the class numbers of the table of particles, unless "
    "`sksubtomo predict` wrote them (sksubtomoProbability). Nothing in the file is loaded from "
    "elsewhere. Needs the packages of sksubtomo[report]."
)
_PREDICTED = "sksubtomoProbability"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    parser.add_argument("--model", type=Path, required=True, help="what `sksubtomo fit` wrote")
    add_allow_pickle(parser)
    add_labels(parser)
    parser.add_argument(
        "--border",
        choices=BORDERS,
        default="noise",
        help="as of `sksubtomo predict`; default: noise",
    )
    add_strict(parser)
    add_workers(parser)
    add_output(parser, "HTML file to write")


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    with compute_threads(options.j):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    check_report(options.output, overwrite=options.overwrite)
    sanity = Sanity(options.strict)
    model = load_model(options.model, allow_pickle=options.allow_pickle)
    particles = read_table(options.particles, options)
    located = locate_tomograms(options.particles, particles, options)
    y = _labels(particles, located, options)
    outcomes = Outcomes(
        *(options.particles, located.names, particles.coordinates),
        *(options.border, located.absent),
    )
    found = Found(particles, model)
    check_new_columns(sanity, model, particles, located, ~found.outside)
    with workers(options):
        classify_particles(found, outcomes, located.files, options)
    code = outcomes.finish()
    check_input(sanity, found, outcomes, located.files, options)
    if options.dry_run:
        logger.info("%s; nothing written.", plural(len(particles), "particle"))
        sanity.enforce()
        return code
    averages = None
    if found.poses is not None:
        averages = predicted_averages(found, outcomes, located.files, options)
    sanity.enforce()
    reported = reported_predictions(found, outcomes, located.files, options, averages)
    if y is not None:
        reported = reported._replace(y=y[reported.rows])
    write_report(options.output, reported, options, sanity.found)
    return code


def _labels(
    particles: ParticleTable, located: LocatedTomograms, options: argparse.Namespace
) -> NDArray[np.int64] | None:
    """Return class numbers, -1 where unknown; None without any."""
    if options.labels is None:
        predicted = any(str(name).startswith(_PREDICTED) for name in particles.table.columns)
        numbers = particles.class_numbers
        if predicted or numbers is None or not (numbers > 0).any():
            return None
    return particle_labels(particles, located.names, located.files, options)
