"""Classify particles with a model file, and write them with class and probabilities."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.cli._averages import (
    add_averages,
    averages_folder,
    tell_of_old_averages,
    written_averages,
)
from sksubtomo.cli._by_tomogram import check_new_columns
from sksubtomo.cli._candidates import (
    add_operating_point,
    check_operating_point,
    threshold_of,
    without_duplicates,
)
from sksubtomo.cli._found import (
    Found,
    check_input,
    classify_particles,
    predicted_averages,
    reported_predictions,
)
from sksubtomo.cli._masks import add_mask, outside_mask
from sksubtomo.cli._model import load_model
from sksubtomo.cli._options import (
    BORDERS,
    add_allow_pickle,
    add_output,
    add_particles,
    check_output,
    logger,
    positive_float,
    read_table,
)
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._poses import have_place, table_shifts
from sksubtomo.cli._relion import PARTICLES, write_output_nodes
from sksubtomo.cli._report_file import add_report, check_report, try_report
from sksubtomo.cli._sanity import (
    Sanity,
    add_strict,
    check_kept,
    check_predictions,
)
from sksubtomo.cli._sizes import averages_bytes, table_bytes
from sksubtomo.cli._tilt_series import add_tilt_series, check_tilt_series
from sksubtomo.cli._tomograms import locate_tomograms
from sksubtomo.cli._workers import add_workers, compute_threads, workers

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

JOB_OUTPUT = PARTICLES
_WITHOUT_CLASSES = (".json", ".coords")
_WITHOUT_PROBABILITIES = (".tbl", ".em", *_WITHOUT_CLASSES)
EPILOG = (
    "As a RELION External job: executable 'sksubtomo predict', input particles, and parameters "
    "'model' and 'tomograms'. RELION adds --o, --in_parts and --j; the job's folder gets "
    "particles.star. Particles that cannot be used (outside the tomogram, NaN in the box, a "
    "tomogram that cannot be read) get class 0 (unclassified) and are named; if they are most, "
    "nothing is written."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        help="what `sksubtomo fit` wrote",
    )
    add_allow_pickle(parser)
    parser.add_argument(
        "--keep",
        type=int,
        nargs="+",
        metavar="CLASS",
        help="write only particles of these classes; the table is then the cleaned one",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="with --keep: least probability of the kept classes together. By default, a "
        "particle is kept whose most probable class is among them",
    )
    add_operating_point(parser)
    parser.add_argument(
        "--border",
        choices=BORDERS,
        default="noise",
        help="boxes that reach beyond the tomogram: filled with noise or with the mean, or their "
        "particles left unclassified (drop), also named, and exit code 3 (error); default: noise",
    )
    parser.add_argument(
        "--min-distance",
        type=positive_float,
        metavar="VOXELS",
        help="with --keep: of particles nearer to each other than this, of whatever classes, only "
        "the most probable one is kept",
    )
    add_mask(parser)
    add_tilt_series(parser)
    add_strict(parser)
    add_workers(parser)
    add_averages(parser)
    add_report(parser)
    add_output(
        parser,
        "STAR or CSV file to write; of a Dynamo table also .tbl and of a motive list also .em "
        "(classes only), of copick and TomoTwin points also .json and .coords (with --keep)",
        required=False,
    )


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    with compute_threads(options.j):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    output, sanity = options.output, Sanity(options.strict)
    model = load_model(options.model, allow_pickle=options.allow_pickle)
    particles = read_table(options.particles, options)
    located = locate_tomograms(options.particles, particles, options)
    names, files, absent = located
    check_tilt_series(options, names)
    if options.tilt_series is not None and not hasattr(model.classifier[-1], "class_averages"):
        raise ValueError("--tilt-series is for models of --method references. Leave it out.")
    numbers = np.asarray(model.classifier.classes_)
    _check_keep(options, numbers)
    _check_ending(output, particles, options)
    n_bytes = table_bytes(options, len(particles), len(numbers))
    in_job = options.o is not None
    check_output(output, overwrite=options.overwrite, in_job=in_job, n_bytes=n_bytes)
    check_report(options.report, overwrite=options.overwrite)
    owners = getattr(model.classifier[-1], "reference_classes_", numbers)
    n_bytes = averages_bytes(model.box_size, len(owners))
    folder = averages_folder(options, model.classifier[-1], n_bytes=n_bytes)
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    found = Found(particles, model)
    found.outside = outside_mask(options, names, particles.coordinates, files)
    outcomes.codes[found.outside & (outcomes.codes == "ok")] = "masked"
    check_new_columns(sanity, model, particles, located, ~found.outside)
    with workers(options):
        classify_particles(found, outcomes, files, options)
    code = outcomes.finish()
    check_input(sanity, found, outcomes, files, options)
    if options.dry_run:
        logger.info(
            "%s in %s; nothing written.",
            plural(len(particles), "particle"),
            plural(len(files), "tomogram"),
        )
        sanity.enforce()
        return code
    classified = found.probabilities.any(axis=1)
    check_predictions(
        sanity, found.probabilities[classified], numbers, by_references=found.poses is not None
    )
    averages = predicted_averages(found, outcomes, files, options) if folder is not None else None
    rows = _kept(found, names, options, sanity)
    sanity.enforce()
    size = found.voxel_size
    with written_averages(folder, averages, owners, size, overwrite=options.overwrite):
        _write(output, found, rows, options)
    if folder is None:
        tell_of_old_averages(options)
    if options.o is not None:
        write_output_nodes(options.o, output)
    reported = reported_predictions(found, outcomes, files, options, averages)
    return max(code, try_report(reported, options, sanity.found))


def _check_keep(options: argparse.Namespace, numbers: NDArray) -> None:
    unknown = sorted(set(options.keep or ()) - set(numbers.tolist()))
    if unknown:
        raise ValueError(f"--keep {unknown}: the model knows the classes {numbers.tolist()}.")
    if options.min_distance is not None and options.keep is None:
        raise ValueError("--min-distance is of the particles that are kept; give --keep, too.")
    if options.threshold is not None and options.keep is None:
        raise ValueError("--threshold says how sure --keep has to be; give --keep, too.")
    check_operating_point(options)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ValueError(f"--threshold {options.threshold:g} must be a probability, from 0 to 1.")


def _check_ending(output: Path, particles: ParticleTable, options: argparse.Namespace) -> None:
    """Check that the output can hold the particles, before they are classified."""
    from sksubtomo.io import writable_table

    writable_table(output, particles)
    if output.suffix.lower() in _WITHOUT_CLASSES and options.keep is None:
        kind = "copick files" if output.suffix.lower() == ".json" else "TomoTwin's files"
        raise ValueError(
            f"{output}: {kind} have no place for classes. Write a STAR file, or only the "
            "particles of some classes, by --keep."
        )
    if output.suffix.lower() in _WITHOUT_PROBABILITIES:
        logger.warning("%s has no place for probabilities; write a STAR file for them.", output)


def _kept(
    found: Found, names: NDArray, options: argparse.Namespace, sanity: Sanity
) -> NDArray[np.intp]:
    """Return the rows to write.

    Raises
    ------
    ValueError
        If there are none.
    """
    if options.keep is None:
        return np.arange(len(found.particles))
    class_numbers = found.class_numbers
    classified = np.flatnonzero(class_numbers > 0)
    of_kept = found.probabilities[:, np.isin(found.numbers, options.keep)]
    wanted, threshold = of_kept.sum(axis=1), options.threshold
    stated = options.precision is not None or options.recall is not None
    if stated:
        # Duplicates count once in what is told of the threshold. They are less probable than what
        # they are duplicates of, so that the same particles are kept.
        classified = _distinct(classified, found, names, wanted, options)
        threshold = threshold_of(
            options, found.model.classifier[-1], found.probabilities[classified], found.numbers
        )
    if threshold is None:
        rows = classified[np.isin(class_numbers[classified], options.keep)]
    else:
        rows = classified[wanted[classified] >= threshold]
    if not len(rows):
        raise ValueError(f"No particle is of the classes {options.keep}; nothing written.")
    if not stated:
        rows = _distinct(rows, found, names, of_kept.max(axis=1), options)
    check_kept(sanity, len(rows) / max(int((class_numbers > 0).sum()), 1), options.keep)
    return rows


def _distinct(
    rows: NDArray[np.intp],
    found: Found,
    names: NDArray,
    probabilities: NDArray[np.float64],
    options: argparse.Namespace,
) -> NDArray[np.intp]:
    """Return rows without duplicates, where a distance is given."""
    if options.min_distance is None:
        return rows
    places = found.particles.coordinates
    return without_duplicates(rows, places, names, probabilities, options.min_distance)


def _write(output: Path, found: Found, rows: NDArray[np.intp], options: argparse.Namespace) -> None:
    from sksubtomo.io import write_particles

    ending = output.suffix.lower()
    with_probabilities = ending not in _WITHOUT_PROBABILITIES
    class_numbers = found.class_numbers
    if options.keep is not None:
        # By a threshold, particles may be kept whose most probable class is another one.
        of_kept = np.where(np.isin(found.numbers, options.keep), found.probabilities, -1.0)
        class_numbers = found.numbers[of_kept.argmax(axis=1)]
    class_numbers = class_numbers[rows].astype(np.int64)
    write_particles(
        output,
        found.particles.subset(rows),
        class_numbers=None if ending in _WITHOUT_CLASSES else class_numbers,
        probabilities=found.probabilities[rows] if with_probabilities else None,
        probability_classes=found.numbers if with_probabilities else None,
        **_pose_arguments(output, found, rows, options),
        overwrite=options.overwrite,
    )
    counts = ", ".join(
        f"class {number}: {(class_numbers == number).sum()}" for number in np.unique(class_numbers)
    )
    n_particles = plural(len(found.particles), "particle")
    logger.info("%s: %d of %s (%s).", output, len(rows), n_particles, counts)


def _pose_arguments(
    output: Path, found: Found, rows: NDArray[np.intp], options: argparse.Namespace
) -> dict[str, Any]:
    size = found.voxel_size
    if found.poses is None or not have_place(output, found.particles, size):
        return {}
    assert size is not None
    shifts = table_shifts(output, found.particles, found.poses, options)
    return {
        "rotations": found.poses.rotations[rows],
        "shifts_angstrom": shifts[rows] * size,
        "voxel_size_angstrom": size,
    }
