"""Fit a classifier to labeled and unlabeled particles, and write a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.cli._averages import (
    add_averages,
    averages_folder,
    tell_of_old_averages,
    written_averages,
)
from sksubtomo.cli._box_statistics import box_statistics
from sksubtomo.cli._labels import UNLABELED, match_labels, read_labels
from sksubtomo.cli._method_options import (
    LEAST_AGREEMENT,
    add_methods,
    change_method,
    check_classes,
    check_method_options,
    check_views,
    choose_method,
)
from sksubtomo.cli._methods import make_classifier, method_class
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
from sksubtomo.cli._provenance import provenance
from sksubtomo.cli._sanity import (
    Sanity,
    add_strict,
    check_agreement,
    check_boxes_inside,
    check_history,
    check_labels,
    check_voxel_sizes,
    file_shapes,
)
from sksubtomo.cli._sizes import averages_bytes, model_bytes
from sksubtomo.cli._tomograms import LocatedTomograms, locate_tomograms
from sksubtomo.exceptions import FileFormatError, InvertedContrastWarning, LabelAgreementWarning

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sksubtomo.io import ParticleTable

EPILOG = (
    "Labels are the class numbers of the table of particles (rlnClassNumber, 0 where unknown), or "
    "those of --labels. All particles are learned from, labeled or not, except by 'supervised'."
)
JOB_OUTPUT = "model.sksubtomo"


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
    add_methods(group)
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; default: auto")
    group.add_argument("--random-state", type=int, default=0, metavar="SEED", help="default: 0")
    group.add_argument("--j", type=positive_int, metavar="N", help="threads")
    add_strict(group)
    add_averages(parser)
    add_output(parser, "model file to write, such as model.sksubtomo", required=False)


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
    sanity = Sanity(options.strict)
    check_method_options(options)
    in_job = options.o is not None
    check_output(options.output, overwrite=options.overwrite, in_job=in_job)
    particles = read_table(options.particles, options)
    located = locate_tomograms(options.particles, particles, options)
    y = _labels(particles, located.names, located.files, options)
    data = _stack(particles, located, options, sanity)
    n_lost = int((np.delete(y, data.rows) != UNLABELED).sum())
    if n_lost:
        logger.warning("Left out with their particles: %s.", plural(n_lost, "label"))
    y = y[data.rows]
    known, counts = _count_labels(y, data, located, options)
    check_labels(sanity, known, counts)
    may_change = choose_method(options, len(data.stack), counts)
    check_views(options, int(counts.sum()))
    check_classes(options, known)
    n_bytes = model_bytes(options, len(data.stack), counts)
    check_output(options.output, overwrite=options.overwrite, in_job=in_job, n_bytes=n_bytes)
    n_bytes = averages_bytes(options.box_size, len(known))
    averages_folder(options, method_class(options), n_bytes=n_bytes)
    # Before the work: some of it takes hours.
    sanity.enforce()
    if options.dry_run:
        return data.code
    if options.j is not None:
        import torch

        torch.set_num_threads(options.j)
    classifier = _fitted(sanity, options, data.stack, y, may_change=may_change)
    folder = averages_folder(options, classifier[-1])
    _check_fit(sanity, classifier, data.stack, y)
    averages = None if folder is None else _averages(classifier, data)
    sanity.enforce()
    overwrite, size = options.overwrite, data.voxel_size
    with written_averages(folder, averages, classifier.classes_, size, overwrite=overwrite):
        statistics = box_statistics(data.stack)
        model = Model(
            classifier,
            options.box_size,
            size,
            None if statistics is None else statistics._asdict(),
            provenance(options, located.files, y, classifier),
        )
        save_model(options.output, model, overwrite=overwrite)
    if folder is None:
        tell_of_old_averages(options)
    step = "iteration" if options.method == "references" else "epoch"
    logger.info("%s: a model after %s.", options.output, plural(int(classifier[-1].n_iter_), step))
    return data.code


def _count_labels(
    y: NDArray[np.int64], data: Boxes, located: LocatedTomograms, options: argparse.Namespace
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the classes and how many labels each has; tell, and refuse fewer than two."""
    known, counts = np.unique(y[y != UNLABELED], return_counts=True)
    if len(known) < 2:
        raise ValueError(
            f"Labels of at least two classes are needed; there are {known.tolist()}. Label what is "
            "no particle as a class of its own."
        )
    logger.info(
        "%s of %s in %s; labeled: %s.",
        *(plural(len(data.stack), "box", "boxes"), plural(options.box_size, "voxel")),
        plural(len(located.files), "tomogram"),
        ", ".join(f"class {k}: {n}" for k, n in zip(known, counts, strict=True)),
    )
    return known, counts


def _fitted(
    sanity: Sanity,
    options: argparse.Namespace,
    stack: Any,
    y: NDArray[np.int64],
    *,
    may_change: bool,
) -> Any:
    """Return the fitted classifier; a network if references, chosen by default, do not agree.

    A class that is everything else has no structure of its own to refer to.
    """
    n_labels = int((y != UNLABELED).sum())
    classifier = make_classifier(options, n_labels)
    if not may_change:
        with sanity.listening():
            return classifier.fit(stack, y)
    with sanity.listening(LabelAgreementWarning, InvertedContrastWarning) as of_labels:
        classifier.fit(stack, y)
    if not classifier[-1].label_agreement_ < LEAST_AGREEMENT:
        sanity.pass_on(of_labels)
        return classifier
    change_method(sanity, options, of_labels)
    # Before the network is trained.
    sanity.enforce()
    classifier = make_classifier(options, n_labels)
    with sanity.listening():
        classifier.fit(stack, y)
    return classifier


def _check_fit(sanity: Sanity, classifier: Any, stack: Any, y: NDArray[np.int64]) -> None:
    check_agreement(sanity, classifier, stack, y)
    check_history(sanity, classifier[-1].history_)


def _averages(classifier: Any, data: Boxes) -> Bunch:
    """Return class averages by the poses that the fit found, without another search."""
    return classifier[-1].class_averages(
        classifier[:-1].transform(data.stack),
        classifier[-1].poses_,
        voxel_size_angstrom=data.voxel_size,
    )


class Boxes(NamedTuple):
    """Usable boxes: a lazy stack, their rows, the one voxel size, and the exit code."""

    stack: Any
    rows: NDArray[np.intp]
    voxel_size: float | None
    code: int


def _stack(
    particles: ParticleTable,
    located: LocatedTomograms,
    options: argparse.Namespace,
    sanity: Sanity,
) -> Boxes:
    """Return the boxes that can be used, and tell which cannot."""
    from sksubtomo.io import SubtomogramStack

    names, files, absent = located
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    sizes = _voxel_sizes(files)
    voxel_size, others = _one_voxel_size(names, files, sizes)
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
    code = outcomes.finish()
    check_voxel_sizes(sanity, sizes, voxel_size, of_model=False)
    shapes = file_shapes({name: files[name] for name in sizes}, options.missing_chunks)
    check_boxes_inside(sanity, outcomes, particles.coordinates, shapes, options.box_size)
    return Boxes(stack, rows[stack.index], voxel_size, code)


def _voxel_sizes(files: dict[str, Path]) -> dict[str, float | None]:
    """Return the voxel size of each tomogram that can be read, where it says it."""
    sizes = {}
    for name in sorted(files):
        try:
            sizes[name] = stated_voxel_size(files[name])
        except (FileFormatError, OSError):
            # The stack meets it, too, and says what is wrong.
            continue
    return sizes


def _one_voxel_size(
    names: NDArray, files: dict[str, Path], found: dict[str, float | None]
) -> tuple[float | None, dict[str, ValueError]]:
    """Return the voxel size of most particles, and what is wrong with tomograms of another one."""
    sizes = {name: size for name, size in found.items() if size is not None}
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
        return np.where(numbers > 0, numbers, UNLABELED)
    labels = read_labels(options, files)
    # Of a tomogram that cannot be read, no particle may have a place.
    placed = np.isfinite(particles.coordinates).all(axis=1)
    kept = ~np.isin(labels.names, names[~placed])
    if not kept.all():
        logger.warning("Left out with their tomograms: %s.", plural(int((~kept).sum()), "label"))
    y = np.full(len(names), UNLABELED)
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
