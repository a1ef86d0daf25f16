"""Fit a classifier to labeled and unlabeled particles, and write a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.cli._labels import read_labels
from sksubtomo.cli._methods import (
    LEAST_LABELS_TO_STOP_BY,
    METHODS,
    check_method_options,
    make_classifier,
)
from sksubtomo.cli._model import (
    Model,
    check_same_voxel_size,
    is_same_voxel_size,
    save_model,
)
from sksubtomo.cli._model import voxel_size as stated_voxel_size
from sksubtomo.cli._options import (
    BORDERS,
    add_conventions,
    add_output,
    add_particles,
    check_output,
    logger,
    positive_float,
    positive_int,
    read_table,
)
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._tomograms import LocatedTomograms, locate_tomograms
from sksubtomo.exceptions import FileFormatError

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

EPILOG = (
    "Labels are the class numbers of the table of particles (rlnClassNumber, 0 where unknown), or "
    "those of --labels. All particles are learned from, labeled or not, except by 'supervised'."
)
JOB_OUTPUT = "model.joblib"
# Share of labeled particles that a fitted model gives their own label.
_LEAST_AGREEMENT = 0.95
_UNLABELED = -1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    _add_labels(parser)
    group = parser.add_argument_group("boxes and training")
    group.add_argument(
        "--box-size", type=positive_int, required=True, metavar="VOXELS", help="edge of the boxes"
    )
    group.add_argument(
        "--border",
        choices=BORDERS,
        default="noise",
        help="boxes that reach beyond the tomogram: filled with noise or with the mean, left out "
        "(drop), also named, and exit code 3 (error); default: noise",
    )
    group.add_argument(
        "--method",
        choices=METHODS,
        default="joint",
        help="references: one map a class in all orientations, the best with few labels of rigid "
        "complexes; the others train networks. Default: joint, the autoencoding classifier",
    )
    group.add_argument(
        "--tilt-range",
        type=positive_float,
        metavar="DEG",
        help="of references: tilts went from minus to plus this; default: 60",
    )
    group.add_argument("--epochs", type=positive_int, help="of networks; default: 100")
    group.add_argument("--learning-rate", type=positive_float, help="of networks; default: 0.0001")
    group.add_argument("--batch-size", type=positive_int, help="of networks; default: 64")
    group.add_argument(
        "--no-early-stopping",
        action="store_true",
        default=None,
        help="train networks for all epochs, on all labels, as is done with fewer than "
        f"{LEAST_LABELS_TO_STOP_BY} labels; without it, a tenth of more labels is held out",
    )
    group.add_argument(
        "--equal-weights",
        action="store_true",
        default=None,
        help="of networks: let labels count the same; without it, classes do",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; default: auto")
    group.add_argument("--random-state", type=int, default=0, metavar="SEED", help="default: 0")
    group.add_argument("--j", type=positive_int, metavar="N", help="threads")
    add_output(parser, "model file to write", required=False)


def _add_labels(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--labels",
        nargs="+",
        metavar="[CLASS=]FILE",
        help="tables of particles with known rlnClassNumber, or, as 1=FILE, all of class 1, such "
        "as points clicked in napari (.csv) or TomoTwin's (.coords); each stands for the nearest "
        "of --particles. By default, the class numbers of --particles",
    )
    group.add_argument(
        "--label-tolerance",
        type=positive_float,
        default=3.0,
        metavar="VOXELS",
        help="how far a label may be from its particle; default: 3",
    )
    add_conventions(group, of="labels")


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    check_method_options(options)
    check_output(options.output, overwrite=options.overwrite)
    particles = read_table(options.particles, options)
    located = locate_tomograms(options.particles, particles, options)
    files = located.files
    y = _labels(particles, located.names, files, options)
    stack, rows, voxel_size, code = _stack(particles, located, options)
    n_lost = int((np.delete(y, rows) != _UNLABELED).sum())
    if n_lost:
        logger.warning("Left out with their particles: %s.", plural(n_lost, "label"))
    y = y[rows]
    known, counts = np.unique(y[y != _UNLABELED], return_counts=True)
    if len(known) < 2:
        raise ValueError(
            f"Labels of at least two classes are needed; there are {known.tolist()}. Label what is "
            "no particle as a class of its own."
        )
    logger.info(
        "%s of %s in %s; labeled: %s.",
        *(plural(len(stack), "box", "boxes"), plural(options.box_size, "voxel")),
        plural(len(files), "tomogram"),
        ", ".join(f"class {k}: {n}" for k, n in zip(known, counts, strict=True)),
    )
    if options.dry_run:
        return code
    if options.j is not None:
        import torch

        torch.set_num_threads(options.j)
    classifier = make_classifier(options, int(counts.sum()))
    classifier.fit(stack, y)
    _check_agreement(classifier, stack, y)
    model = Model(classifier, options.box_size, voxel_size)
    save_model(options.output, model, overwrite=options.overwrite)
    step = "iteration" if options.method == "references" else "epoch"
    logger.info("%s: a model after %s.", options.output, plural(int(classifier[-1].n_iter_), step))
    return code


def _check_agreement(classifier: Any, stack: Any, y: NDArray[np.int64]) -> None:
    """Say how many labeled particles get their own label; of a good model, nearly all."""
    labeled = np.flatnonzero(y != _UNLABELED)
    agreement = float((classifier.predict(stack[labeled]) == y[labeled]).mean())
    if agreement >= _LEAST_AGREEMENT:
        logger.info("%.0f %% of the labeled particles get their own label.", 100 * agreement)
        return
    logger.warning(
        "Only %.0f %% of the labeled particles get their own label: the model has not learned the "
        "classes, or labels are wrong. Do not use its predictions before you looked at them. Label "
        "more, train networks longer (--epochs, --learning-rate 0.001), or try another --method.",
        100 * agreement,
    )


def _stack(
    particles: ParticleTable, located: LocatedTomograms, options: argparse.Namespace
) -> tuple[Any, NDArray[np.intp], float | None, int]:
    """Return the lazy stack of usable boxes, their rows, the one voxel size, and the exit code."""
    from sksubtomo.io import SubtomogramStack

    names, files, absent = located
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    voxel_size, others = _one_voxel_size(names, files)
    for name, other in others.items():
        outcomes.fail(name, other)
    order = sorted(set(files) - set(others))
    rows = np.flatnonzero(np.isin(names, order))
    stack = SubtomogramStack(
        [files[name] for name in order],
        particles.coordinates[rows],
        np.searchsorted(order, names[rows]),
        options.box_size,
        border=options.border,
        on_bad="skip",
        missing_chunks=options.missing_chunks,
    )
    outcomes.codes[rows] = stack.outcomes
    for number, error in stack.file_errors.items():
        name = order[number]
        outcomes.fail(name, error, outcomes.codes[outcomes.rows(name)[0]])
    return stack, rows[stack.index], voxel_size, outcomes.finish()


def _one_voxel_size(
    names: NDArray, files: dict[str, Path]
) -> tuple[float | None, dict[str, ValueError]]:
    """Return the voxel size of most particles, and what is wrong with tomograms of another one."""
    sizes: dict[str, float] = {}
    for name in sorted(files):
        try:
            found = stated_voxel_size(files[name])
        except (FileFormatError, OSError):
            # The stack meets it, too, and says what is wrong.
            continue
        if found is not None:
            sizes[name] = found
    most, n_most = None, 0
    for size in dict.fromkeys(sizes.values()):
        alike = [name for name, other in sizes.items() if is_same_voxel_size(other, size)]
        n_particles = int(np.isin(names, alike).sum())
        if n_particles > n_most:
            most, n_most = size, n_particles
    others: dict[str, ValueError] = {}
    for name, size in sizes.items():
        try:
            check_same_voxel_size(files[name], size, most)
        except ValueError as error:
            others[name] = error
    return most, others


def _labels(
    particles: ParticleTable,
    names: NDArray,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> NDArray[np.int64]:
    """Return class numbers, -1 where unknown."""
    if options.labels is None:
        numbers = particles.class_numbers
        if numbers is None:
            raise ValueError(
                f"{options.particles} has no rlnClassNumber. Give labeled particles by --labels."
            )
        return np.where(numbers > 0, numbers, _UNLABELED)
    labels = read_labels(options, files)
    # Of a tomogram that cannot be read, no particle may have a place.
    placed = np.isfinite(particles.coordinates).all(axis=1)
    kept = ~np.isin(labels.names, names[~placed])
    if not kept.all():
        logger.warning("Left out with their tomograms: %s.", plural(int((~kept).sum()), "label"))
    y = np.full(len(names), _UNLABELED)
    try:
        y[placed] = match_labels(
            particles.coordinates[placed],
            names[placed],
            labels.coordinates[kept],
            labels.names[kept],
            labels.numbers[kept],
            tolerance_voxels=options.label_tolerance,
        )
    except ValueError as error:
        raise ValueError(f"{', '.join(options.labels)}: {error}") from error
    return y


def match_labels(
    coordinates: NDArray[np.float64],
    names: NDArray,
    label_coordinates: NDArray[np.float64],
    label_names: NDArray,
    numbers: NDArray[np.int64],
    *,
    tolerance_voxels: float,
) -> NDArray[np.int64]:
    """Give every label to the nearest particle of its tomogram.

    Parameters
    ----------
    coordinates, label_coordinates : ndarray of shape (n, 3)
        Centers z, y, x in voxels.
    names, label_names : ndarray of shape (n,) of str
        Tomograms.
    numbers : ndarray of shape (n_labels,) of int
        Class numbers.
    tolerance_voxels : float
        How far the nearest particle may be.

    Returns
    -------
    y : ndarray of shape (n_particles,) of int
        Class numbers, -1 where there is no label.

    Raises
    ------
    ValueError
        If a label has no particle, or a particle two labels that differ.
    """
    from scipy.spatial import cKDTree

    y = np.full(len(coordinates), _UNLABELED)
    lost = []
    for name in np.unique(label_names):
        rows, marks = np.flatnonzero(names == name), np.flatnonzero(label_names == name)
        if not len(rows):
            lost += marks.tolist()
            continue
        distance, nearest = cKDTree(coordinates[rows]).query(label_coordinates[marks])
        near = distance <= tolerance_voxels
        lost += marks[~near].tolist()
        for mark, row in zip(marks[near], rows[nearest[near]], strict=True):
            if y[row] not in (_UNLABELED, numbers[mark]):
                raise ValueError(
                    f"The particle of {name} at {coordinates[row].tolist()} (z, y, x) has labels "
                    f"of two classes, {y[row]} and {numbers[mark]}. Remove one, or lower "
                    "--label-tolerance."
                )
            y[row] = numbers[mark]
    if lost:
        first = f"{label_names[lost[0]]} at {label_coordinates[lost[0]].tolist()} (z, y, x)"
        raise ValueError(
            f"{len(lost)} of {plural(len(numbers), 'label')} {'has' if len(lost) == 1 else 'have'} "
            f"no particle within {plural(float(tolerance_voxels), 'voxel')}; the first is in "
            f"{first}. Add them to the particles, raise --label-tolerance, or check that both "
            "tables count in the same voxels."
        )
    return y
