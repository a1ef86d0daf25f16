"""Classify particles with a model file, and write them with class and probabilities."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo._utils._progress import Progress
from sksubtomo.cli._averages import (
    add_averages,
    averages_folder,
    tell_of_old_averages,
    written_averages,
)
from sksubtomo.cli._box_statistics import BoxStatistics, box_statistics, compare_boxes
from sksubtomo.cli._candidates import (
    add_operating_point,
    check_operating_point,
    predicted_candidates,
    threshold_of,
)
from sksubtomo.cli._model import Model, check_voxel_size, load_model
from sksubtomo.cli._options import (
    BORDERS,
    add_allow_pickle,
    add_output,
    add_particles,
    check_output,
    logger,
    read_table,
)
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._poses import (
    PosePredictor,
    Poses,
    have_place,
    no_poses,
    split_poses,
    table_shifts,
    tell_poses,
)
from sksubtomo.cli._relion import PARTICLES, write_output_nodes
from sksubtomo.cli._report_file import Reported, add_report, check_report, try_report
from sksubtomo.cli._sanity import (
    Sanity,
    add_strict,
    check_boxes_inside,
    check_kept,
    check_predictions,
    check_voxel_sizes,
    file_shapes,
)
from sksubtomo.cli._sizes import averages_bytes, table_bytes
from sksubtomo.cli._tomograms import locate_tomograms, over_tomograms
from sksubtomo.cli._workers import add_workers, lost_workers_told, workers

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sksubtomo.io import ParticleTable, SubtomogramStack

JOB_OUTPUT = PARTICLES
# Particles from one report of progress to the next: whole batches, so that bits stay the same.
# Workers get more at a time, since each shard takes the classifier along.
_ROWS_ALONE, _ROWS_PER_WORKER = 256, 2048
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
    output, sanity = options.output, Sanity(options.strict)
    model = load_model(options.model, allow_pickle=options.allow_pickle)
    particles = read_table(options.particles, options)
    names, files, absent = locate_tomograms(options.particles, particles, options)
    numbers = np.asarray(model.classifier.classes_)
    _check_keep(options, numbers)
    _check_ending(output, particles, options)
    n_bytes = table_bytes(options, len(particles), len(numbers))
    in_job = options.o is not None
    check_output(output, overwrite=options.overwrite, in_job=in_job, n_bytes=n_bytes)
    check_report(options.report, overwrite=options.overwrite)
    n_bytes = averages_bytes(model.box_size, len(numbers))
    folder = averages_folder(options, model.classifier[-1], n_bytes=n_bytes)
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    found = Found(particles, model)
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
    rows = _kept(found, options, sanity)
    sanity.enforce()
    size = found.voxel_size
    with written_averages(folder, averages, numbers, size, overwrite=options.overwrite):
        _write(output, found, rows, options)
    if folder is None:
        tell_of_old_averages(options)
    if options.o is not None:
        write_output_nodes(options.o, output)
    reported = reported_predictions(found, outcomes, files, options, averages)
    return max(code, try_report(reported, options, sanity.found))


def reported_predictions(
    found: Found,
    outcomes: Outcomes,
    files: dict[str, Path],
    options: argparse.Namespace,
    averages: Bunch | None,
) -> Reported:
    """Return what a report on predictions is on."""
    rows = np.flatnonzero(found.probabilities.any(axis=1))
    return Reported(
        *(found.model, found.particles, outcomes.names, files, rows),
        stack=stack_of(rows, found, outcomes, files, options) if len(rows) else [],
        voxel_size=found.voxel_size,
        y=None,
        probabilities=found.probabilities[rows],
        averages=averages,
    )


class Found:
    """What is found of the particles of a table.

    Parameters
    ----------
    particles : ParticleTable
        As read.
    model : Model
        What finds it.

    Attributes
    ----------
    probabilities : ndarray of shape (n_particles, n_classes)
        0 where a particle is not classified.
    poses : Poses or None
        Of models by references.
    sizes : dict of str to float or None
        Voxel size in angstrom of each tomogram that was read, where its header says it.
    """

    def __init__(self, particles: ParticleTable, model: Model) -> None:
        self.particles, self.model = particles, model
        self.numbers = np.asarray(model.classifier.classes_)
        self.probabilities = np.zeros((len(particles), len(self.numbers)))
        self.poses: Poses | None = None
        if hasattr(model.classifier[-1], "class_averages"):
            self.poses = no_poses(len(particles))
        self.sizes: dict[str, float | None] = {}

    @property
    def voxel_size(self) -> float | None:
        """Voxel size of the model, else the one that all tomograms say."""
        said = set(self.sizes.values())
        if self.model.voxel_size_angstrom is not None or len(said) != 1:
            return self.model.voxel_size_angstrom
        return said.pop()

    @property
    def class_numbers(self) -> NDArray:
        """Most probable class of each particle, 0 where it is not classified."""
        best = self.numbers[self.probabilities.argmax(axis=1)]
        return np.where(self.probabilities.any(axis=1), best, 0)

    def set(self, rows: NDArray[np.intp], numbers: NDArray[np.float64]) -> None:
        """Keep what was predicted for some particles."""
        if self.poses is None:
            self.probabilities[rows] = numbers
        else:
            self.probabilities[rows], poses = split_poses(numbers)
            for all_of_them, some in zip(self.poses, poses, strict=True):
                all_of_them[rows] = some


def check_input(
    sanity: Sanity,
    found: Found,
    outcomes: Outcomes,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> None:
    """Compare tomograms and boxes with those of the model."""
    model = found.model
    check_voxel_sizes(sanity, found.sizes, model.voxel_size_angstrom, of_model=True)
    shapes = file_shapes({name: files[name] for name in found.sizes}, options.missing_chunks)
    check_boxes_inside(sanity, outcomes, found.particles.coordinates, shapes, model.box_size)
    if model.box_statistics is not None:
        rows = np.flatnonzero(outcomes.codes == "ok")
        stack = stack_of(rows, found, outcomes, files, options)
        known = BoxStatistics(**model.box_statistics)
        compare_boxes(sanity, known, box_statistics(stack))


def stack_of(
    rows: NDArray[np.intp],
    found: Found,
    outcomes: Outcomes,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> SubtomogramStack:
    """Return the lazy stack of the boxes of particles, all of which are known to have one."""
    from sksubtomo.io import SubtomogramStack

    order = sorted(files)
    return SubtomogramStack(
        [files[name] for name in order],
        found.particles.coordinates[rows],
        np.searchsorted(order, outcomes.names[rows]),
        found.model.box_size,
        border=options.border,
        missing_chunks=options.missing_chunks,
    )


def predicted_averages(
    found: Found, outcomes: Outcomes, files: dict[str, Path], options: argparse.Namespace
) -> Bunch | None:
    """Return class averages of all particles that have a pose, as they were found."""
    assert found.poses is not None
    classifier = found.model.classifier
    tell_poses(found.poses)
    rows = np.flatnonzero(found.poses.references >= 0)
    stack = stack_of(rows, found, outcomes, files, options)
    return classifier[-1].class_averages(
        classifier[:-1].transform(stack),
        found.poses.subset(rows),
        refine=False,
        voxel_size_angstrom=found.voxel_size,
    )


def _check_keep(options: argparse.Namespace, numbers: NDArray) -> None:
    unknown = sorted(set(options.keep or ()) - set(numbers.tolist()))
    if unknown:
        raise ValueError(f"--keep {unknown}: the model knows the classes {numbers.tolist()}.")
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


def classify_particles(
    found: Found, outcomes: Outcomes, files: dict[str, Path], options: argparse.Namespace
) -> None:
    """Find class and pose of every particle; a dry run looks at the boxes only."""
    from sksubtomo.io import SubtomogramStack

    particles, model = found.particles, found.model
    bar = Progress("Classifying", len(particles), "particle", shown=not options.quiet)

    def classify(name: str, path: Path) -> None:
        rows = outcomes.rows(name)
        size = check_voxel_size(path, model.voxel_size_angstrom)
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
        found.sizes[name] = size
        outcomes.codes[rows] = stack.outcomes
        bar.update(len(rows) if options.dry_run else len(rows) - len(stack))
        if len(stack) and not options.dry_run:
            kept = rows[stack.index]
            found.set(kept, _predicted(found, stack, kept, bar))

    with bar:
        over_tomograms(files, classify, outcomes.fail)


def _predicted(
    found: Found, stack: SubtomogramStack, rows: NDArray[np.intp], bar: Progress
) -> NDArray[np.float64]:
    """Return what is predicted in parts of whole batches, after each of which is told."""
    import joblib

    from sksubtomo.parallel import parallel_predict

    if hasattr(found.model.classifier[-1], "fold_references_"):
        return predicted_candidates(
            found.model.classifier, stack, found.particles, rows, bar.update, _ROWS_ALONE
        )
    predict = partial(parallel_predict, found.model.classifier)
    if found.poses is not None:
        predictor = PosePredictor(found.model.classifier)
        predict = partial(parallel_predict, predictor, method="predict_poses")
    n_workers = joblib.effective_n_jobs(None)
    n_rows = _ROWS_ALONE if n_workers == 1 else _ROWS_PER_WORKER * n_workers
    parts = []
    for start in range(0, len(stack), n_rows):
        part = stack[start : start + n_rows] if len(stack) > n_rows else stack
        with lost_workers_told():
            parts.append(predict(part))
        bar.update(len(part))
    return np.concatenate(parts)


def _kept(found: Found, options: argparse.Namespace, sanity: Sanity) -> NDArray[np.intp]:
    """Return the rows to write.

    Raises
    ------
    ValueError
        If there are none.
    """
    if options.keep is None:
        return np.arange(len(found.particles))
    class_numbers = found.class_numbers
    kept = np.isin(class_numbers, options.keep)
    threshold = options.threshold
    if options.precision is not None or options.recall is not None:
        classified = found.probabilities[class_numbers > 0]
        threshold = threshold_of(options, found.model.classifier[-1], classified, found.numbers)
    if threshold is not None:
        wanted = found.probabilities[:, np.isin(found.numbers, options.keep)].sum(axis=1)
        kept = (class_numbers > 0) & (wanted >= threshold)
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise ValueError(f"No particle is of the classes {options.keep}; nothing written.")
    check_kept(sanity, len(rows) / max(int((class_numbers > 0).sum()), 1), options.keep)
    return rows


def _write(output: Path, found: Found, rows: NDArray[np.intp], options: argparse.Namespace) -> None:
    from sksubtomo.io import write_particles

    ending = output.suffix.lower()
    with_probabilities = ending not in _WITHOUT_PROBABILITIES
    class_numbers = found.class_numbers[rows].astype(np.int64)
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
