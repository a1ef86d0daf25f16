"""Classify particles with a model file, and write them with class and probabilities."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo._utils._progress import Progress
from sksubtomo.cli._model import Model, check_voxel_size, load_model
from sksubtomo.cli._options import (
    BORDERS,
    add_output,
    add_particles,
    check_output,
    logger,
    read_table,
)
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._relion import PARTICLES, write_output_nodes
from sksubtomo.cli._tomograms import locate_tomograms, over_tomograms
from sksubtomo.cli._workers import add_workers, lost_workers_told, workers

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable, SubtomogramStack

JOB_OUTPUT = PARTICLES
# Particles from one report of progress to the next: whole batches, so that bits stay the same.
# Workers get more at a time, since each shard takes the classifier along.
_ROWS_ALONE, _ROWS_PER_WORKER = 256, 2048
# Of candidates kept; beyond it, one class has nearly all or nearly none.
_USUAL_SHARE = 0.98
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
        help="what `sksubtomo fit` wrote. Like every Python pickle, it can run code: use only "
        "files that you trust",
    )
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
    parser.add_argument(
        "--border",
        choices=BORDERS,
        default="noise",
        help="boxes that reach beyond the tomogram: filled with noise or with the mean, or their "
        "particles left unclassified (drop), also named, and exit code 3 (error); default: noise",
    )
    add_workers(parser)
    add_output(
        parser,
        "STAR or CSV file to write; of a Dynamo table also .tbl and of a motive list also .em "
        "(classes only), of copick and TomoTwin points also .json and .coords (with --keep)",
        required=False,
    )


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    output = options.output
    model = load_model(options.model)
    particles = read_table(options.particles, options)
    names, files, absent = locate_tomograms(options.particles, particles, options)
    numbers = np.asarray(model.classifier.classes_)
    _check_keep(options, numbers)
    _check_ending(output, particles, options)
    if options.o is None or not options.dry_run:
        check_output(output, overwrite=options.overwrite)
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    with workers(options):
        probabilities = _classify(model, particles, outcomes, files, options)
    code = outcomes.finish()
    if options.dry_run:
        logger.info(
            "%s in %s; nothing written.",
            plural(len(particles), "particle"),
            plural(len(files), "tomogram"),
        )
        return code
    best = numbers[probabilities.argmax(axis=1)]
    classified = probabilities.any(axis=1)
    _write(output, particles, np.where(classified, best, 0), probabilities, numbers, options)
    if options.o is not None:
        write_output_nodes(options.o, output)
    return code


def _check_keep(options: argparse.Namespace, numbers: NDArray) -> None:
    unknown = sorted(set(options.keep or ()) - set(numbers.tolist()))
    if unknown:
        raise ValueError(f"--keep {unknown}: the model knows the classes {numbers.tolist()}.")
    if options.threshold is not None and options.keep is None:
        raise ValueError("--threshold says how sure --keep has to be; give --keep, too.")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ValueError(f"--threshold {options.threshold:g} must be a probability, from 0 to 1.")


def _check_share(share: float, options: argparse.Namespace) -> None:
    """Say so if nearly all or nearly none of the classified particles are kept."""
    if 1 - _USUAL_SHARE < share < _USUAL_SHARE:
        return
    logger.warning(
        "%.0f %% of the classified particles are of the classes %s. Look at some of them: a model "
        "that gives nearly all particles one class may have learned nothing.",
        100 * share,
        options.keep,
    )


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


def _classify(
    model: Model,
    particles: ParticleTable,
    outcomes: Outcomes,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> NDArray[np.float64]:
    """Return probabilities, 0 where there are none; a dry run looks at the boxes only."""
    from sksubtomo.io import SubtomogramStack

    probabilities = np.zeros((len(particles), len(model.classifier.classes_)))
    bar = Progress("Classifying", len(particles), "particle", shown=not options.quiet)

    def classify(name: str, path: Path) -> None:
        rows = outcomes.rows(name)
        check_voxel_size(path, model.voxel_size_angstrom)
        stack = SubtomogramStack(
            [path],
            particles.coordinates[rows],
            np.zeros(len(rows), dtype=int),
            model.box_size,
            border=options.border,
            on_bad="skip",
            missing_chunks=options.missing_chunks,
        )
        for error in stack.file_errors.values():
            raise ValueError(error)
        outcomes.codes[rows] = stack.outcomes
        bar.update(len(rows) if options.dry_run else len(rows) - len(stack))
        if len(stack) and not options.dry_run:
            probabilities[rows[stack.index]] = _predict_proba(model.classifier, stack, bar)

    with bar:
        over_tomograms(files, classify, outcomes.fail)
    return probabilities


def _predict_proba(classifier: Any, stack: SubtomogramStack, bar: Progress) -> NDArray:
    """Return probabilities, predicted in parts of whole batches, after each of which is told."""
    import joblib

    from sksubtomo.parallel import parallel_predict

    n_workers = joblib.effective_n_jobs(None)
    n_rows = _ROWS_ALONE if n_workers == 1 else _ROWS_PER_WORKER * n_workers
    parts = []
    for start in range(0, len(stack), n_rows):
        part = stack[start : start + n_rows] if len(stack) > n_rows else stack
        with lost_workers_told():
            parts.append(parallel_predict(classifier, part))
        bar.update(len(part))
    return np.concatenate(parts)


def _write(
    output: Path,
    particles: ParticleTable,
    class_numbers: NDArray,
    probabilities: NDArray[np.float64],
    numbers: NDArray,
    options: argparse.Namespace,
) -> None:
    from sksubtomo.io import write_particles

    rows = np.arange(len(particles))
    if options.keep is not None:
        wanted = np.isin(numbers, options.keep)
        if options.threshold is None:
            kept = np.isin(class_numbers, options.keep)
        else:
            kept = (class_numbers > 0) & (probabilities[:, wanted].sum(axis=1) >= options.threshold)
        rows = np.flatnonzero(kept)
        if not len(rows):
            raise ValueError(f"No particle is of the classes {options.keep}; nothing written.")
        _check_share(len(rows) / max(int((class_numbers > 0).sum()), 1), options)
    ending = output.suffix.lower()
    with_probabilities = ending not in _WITHOUT_PROBABILITIES
    write_particles(
        output,
        particles.subset(rows),
        class_numbers=None if ending in _WITHOUT_CLASSES else class_numbers[rows].astype(np.int64),
        probabilities=probabilities[rows] if with_probabilities else None,
        probability_classes=numbers if with_probabilities else None,
        overwrite=options.overwrite,
    )
    counts = ", ".join(
        f"class {number}: {(class_numbers[rows] == number).sum()}"
        for number in np.unique(class_numbers[rows])
    )
    logger.info("%s: %d of %s (%s).", output, len(rows), plural(len(particles), "particle"), counts)
