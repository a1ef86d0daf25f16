"""What a model finds of the particles of a table."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._progress import Progress
from sksubtomo.cli._box_statistics import BoxStatistics, box_statistics, compare_boxes
from sksubtomo.cli._by_tomogram import tomogram_keys
from sksubtomo.cli._candidates import predicted_candidates
from sksubtomo.cli._model import Model, check_voxel_size
from sksubtomo.cli._options import logger
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._poses import PosePredictor, Poses, no_poses, split_poses, tell_poses
from sksubtomo.cli._report_file import Reported
from sksubtomo.cli._sanity import Sanity, check_boxes_inside, check_voxel_sizes, file_shapes
from sksubtomo.cli._tilt_series import imaging_of
from sksubtomo.cli._tomograms import over_tomograms
from sksubtomo.cli._workers import lost_workers_told

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sksubtomo.io import ParticleTable, SubtomogramStack

# Particles from one report of progress to the next: whole batches, so that bits stay the same.
# Workers get more at a time, since each shard takes the classifier along.
_ROWS_ALONE, _ROWS_PER_WORKER = 256, 2048


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
    outside : ndarray of shape (n_particles,) of bool
        Which particles are outside of a mask, and are not classified.
    """

    def __init__(self, particles: ParticleTable, model: Model) -> None:
        self.particles, self.model = particles, model
        self.numbers = np.asarray(model.classifier.classes_)
        self.probabilities = np.zeros((len(particles), len(self.numbers)))
        self.poses: Poses | None = None
        if hasattr(model.classifier[-1], "class_averages"):
            self.poses = no_poses(len(particles))
        self.sizes: dict[str, float | None] = {}
        self.outside = np.zeros(len(particles), dtype=bool)

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
            self.poses.set(rows, poses)


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
        imaging=imaging_of(options, outcomes.names[rows]),
    )


def predicted_averages(
    found: Found, outcomes: Outcomes, files: dict[str, Path], options: argparse.Namespace
) -> Bunch | None:
    """Return class averages of all particles that have a pose, as they were found; else None."""
    assert found.poses is not None
    classifier = found.model.classifier
    tell_poses(found.poses)
    rows = np.flatnonzero(found.poses.references >= 0)
    if not len(rows):
        logger.warning("No particle is of a class with a reference: no class averages.")
        return None
    stack = stack_of(rows, found, outcomes, files, options)
    return classifier[-1].class_averages(
        classifier[:-1].transform(stack),
        found.poses.subset(rows),
        refine=False,
        voxel_size_angstrom=found.voxel_size,
    )


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


def classify_particles(
    found: Found, outcomes: Outcomes, files: dict[str, Path], options: argparse.Namespace
) -> None:
    """Find class and pose of every particle; a dry run looks at the boxes only."""
    from sksubtomo.io import SubtomogramStack

    particles, model, keys = found.particles, found.model, tomogram_keys(files)
    bar = Progress("Classifying", len(particles), "particle", shown=not options.quiet)

    def classify(name: str, path: Path) -> None:
        rows = outcomes.rows(name)
        rows = rows[~found.outside[rows]]
        size = check_voxel_size(path, model.voxel_size_angstrom)
        stack = SubtomogramStack(
            [path],
            particles.coordinates[rows],
            np.zeros(len(rows), dtype=int),
            model.box_size,
            border=options.border,
            on_bad="skip",
            missing_chunks=options.missing_chunks,
            imaging=imaging_of(options, outcomes.names[rows]),
        )
        for error in stack.file_errors.values():
            raise ValueError(error)
        found.sizes[name] = size
        outcomes.codes[rows] = stack.outcomes
        bar.update(len(rows) if options.dry_run else len(rows) - len(stack))
        if len(stack) and not options.dry_run:
            kept = rows[stack.index]
            found.set(kept, _predicted(found, stack, kept, keys[name], bar))

    with bar:
        over_tomograms(files, classify, outcomes.fail)


def _predicted(
    found: Found, stack: SubtomogramStack, rows: NDArray[np.intp], key: str, bar: Progress
) -> NDArray[np.float64]:
    """Return what is predicted in parts of whole batches, after each of which is told."""
    import joblib

    from sksubtomo.parallel import parallel_predict

    if hasattr(found.model.classifier[-1], "fold_references_"):
        return predicted_candidates(
            *(found.model.classifier, stack, found.particles, rows, key),
            *(bar.update, _ROWS_ALONE),
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
