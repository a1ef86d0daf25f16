"""Fit a classifier to labeled and unlabeled particles, and write a model file."""

from __future__ import annotations

import argparse
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
from sksubtomo.cli._box_statistics import box_statistics
from sksubtomo.cli._boxes import Boxes, usable_boxes
from sksubtomo.cli._by_tomogram import with_evidence
from sksubtomo.cli._candidates import (
    BACKGROUND,
    add_candidate_options,
    check_candidates,
    check_no_checkpoint,
)
from sksubtomo.cli._checkpoint import (
    add_checkpoint,
    check_checkpoint,
    fit_by_name,
    opened_checkpoint,
)
from sksubtomo.cli._labels import UNLABELED, add_labels, particle_labels
from sksubtomo.cli._masks import add_mask
from sksubtomo.cli._method_options import (
    LEAST_AGREEMENT,
    add_methods,
    change_method,
    check_method_options,
    check_views,
    choose_method,
)
from sksubtomo.cli._methods import make_classifier, method_class
from sksubtomo.cli._model import Model, save_model
from sksubtomo.cli._options import (
    BORDERS,
    add_output,
    add_particles,
    check_output,
    logger,
    positive_int,
    read_table,
)
from sksubtomo.cli._provenance import provenance
from sksubtomo.cli._reference_options import check_classes, resolve_background
from sksubtomo.cli._report_file import Reported, add_report, check_report, try_report
from sksubtomo.cli._sanity import (
    Sanity,
    add_strict,
    check_agreement,
    check_history,
    check_labels,
)
from sksubtomo.cli._score_columns import score_columns
from sksubtomo.cli._sizes import averages_bytes, model_bytes
from sksubtomo.cli._tilt_series import add_tilt_series, check_tilt_series
from sksubtomo.cli._tomograms import LocatedTomograms, locate_tomograms
from sksubtomo.cli._workers import compute_threads
from sksubtomo.exceptions import InvertedContrastWarning, LabelAgreementWarning

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sksubtomo._utils._checkpoint import CheckpointPart
    from sksubtomo.io import ParticleTable

EPILOG = (
    "Labels are the class numbers of the table of particles (rlnClassNumber, 0 where unknown), or "
    "those of --labels. All particles are learned from, labeled or not, except by 'supervised'."
)
JOB_OUTPUT = "model.sksubtomo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    add_labels(parser)
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
    add_tilt_series(group)
    add_candidate_options(group)
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; default: auto")
    group.add_argument("--random-state", type=int, default=0, metavar="SEED", help="default: 0")
    group.add_argument("--j", type=positive_int, metavar="N", help="threads")
    add_mask(group)
    add_checkpoint(group)
    add_strict(group)
    add_averages(parser)
    add_report(parser)
    add_output(parser, "model file to write, such as model.sksubtomo", required=False)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    with compute_threads(options.j):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    sanity = Sanity(options.strict)
    check_method_options(options)
    in_job = options.o is not None
    check_output(options.output, overwrite=options.overwrite, in_job=in_job)
    check_report(options.report, overwrite=options.overwrite)
    check_checkpoint(options)
    particles = read_table(options.particles, options)
    located = locate_tomograms(options.particles, particles, options)
    check_tilt_series(options, located.names)
    y = particle_labels(particles, located.names, located.files, options)
    data = usable_boxes(particles, located, options, sanity)
    n_lost = int((np.delete(y, data.rows) != UNLABELED).sum())
    if n_lost:
        logger.warning("Left out with their particles: %s.", plural(n_lost, "label"))
    scores = []
    if options.method in (None, "candidates"):
        scores = score_columns(particles, options.score_column, y, data.rows)
    y = y[data.rows]
    known, counts, structures = _count_labels(y, data, located, options)
    has_background = options.background in known.tolist()
    may_change = choose_method(
        options, len(data.stack), counts, scores, has_background=has_background
    )
    if not options.positive_only:
        check_labels(sanity, structures, counts[np.isin(known, structures)])
    check_no_checkpoint(options)
    check_views(options, int(counts.sum()))
    check_classes(options, structures)
    n_bytes = model_bytes(options, len(data.stack), counts)
    check_output(options.output, overwrite=options.overwrite, in_job=in_job, n_bytes=n_bytes)
    n_bytes = averages_bytes(options.box_size, len(structures) * (options.n_references or 1))
    averages_folder(options, method_class(options), n_bytes=n_bytes)
    if options.method == "candidates":
        data = with_evidence(sanity, options, data, particles, scores, located, y)
    # Before the work: some of it takes hours.
    sanity.enforce()
    if options.dry_run:
        return data.code
    with opened_checkpoint(options) as checkpoint:
        classifier = _fitted(sanity, options, data, y, checkpoint, may_change=may_change)
        reported = _write(sanity, options, classifier, data, y, particles, located)
    _tell(classifier, options)
    return max(data.code, try_report(reported, options, sanity.found))


def _write(
    sanity: Sanity,
    options: argparse.Namespace,
    classifier: Any,
    data: Boxes,
    y: NDArray[np.int64],
    particles: ParticleTable,
    located: LocatedTomograms,
) -> Reported:
    """Write the model, and class averages if asked for; return what a report is on."""
    folder = averages_folder(options, classifier[-1])
    candidates = options.method == "candidates"
    _check_fit(sanity, classifier, data.stack, y, candidates=candidates)
    averages = None if folder is None else _averages(classifier, data)
    sanity.enforce()
    overwrite, size = options.overwrite, data.voxel_size
    classes = getattr(classifier[-1], "reference_classes_", None)
    with written_averages(folder, averages, classes, size, overwrite=overwrite):
        statistics = box_statistics(data.stack)
        model = Model(
            classifier,
            options.box_size,
            size,
            None if statistics is None else statistics._asdict(),
            provenance(options, located.files, y, classifier),
            data.ranges,
        )
        save_model(options.output, model, overwrite=overwrite)
    if folder is None:
        tell_of_old_averages(options)
    return Reported(
        *(model, particles, located.names, located.files, data.rows, data.stack, size, y),
        probabilities=None if options.report is None else _probabilities(classifier, data),
        averages=averages,
        is_fit=True,
    )


def _probabilities(classifier: Any, data: Boxes) -> NDArray[np.float64] | None:
    """Return class probabilities where they need more than boxes; else None."""
    if not data.evidence:
        return None
    return classifier.predict_proba(data.stack, **data.evidence)


def _tell(classifier: Any, options: argparse.Namespace) -> None:
    if options.method == "candidates":
        relative = ", relative to the tomogram" if classifier[-1].tomograms_ else ""
        ingredients = ", ".join(classifier[-1].ingredients_)
        logger.info("%s: a model by %s%s.", options.output, ingredients, relative)
        return
    step = "iteration" if options.method == "references" else "epoch"
    logger.info("%s: a model after %s.", options.output, plural(int(classifier[-1].n_iter_), step))


def _count_labels(
    y: NDArray[np.int64], data: Boxes, located: LocatedTomograms, options: argparse.Namespace
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the classes of labels, how many each has, and which have a structure; and tell.

    Raises
    ------
    ValueError
        If there are too few classes.
    """
    known, counts = np.unique(y[y != UNLABELED], return_counts=True)
    structures = resolve_background(options, known)
    if options.positive_only:
        if len(known) != 1:
            raise ValueError(
                f"--positive-only is for labels of one class, of particles; there are "
                f"{known.tolist()}. Leave it out, or the other labels."
            )
        options.background = BACKGROUND if known[0] != BACKGROUND else 1
    elif options.background is None and len(known) < 2:
        raise ValueError(
            f"Labels of at least two classes are needed; there are {known.tolist()}. Label what is "
            "no particle as a class of its own, or pass --positive-only or --background."
        )
    logger.info(
        "%s of %s in %s; labeled: %s.",
        *(plural(len(data.stack), "box", "boxes"), plural(options.box_size, "voxel")),
        plural(len(np.unique(located.names[data.rows])), "tomogram"),
        ", ".join(f"class {k}: {n}" for k, n in zip(known, counts, strict=True)),
    )
    return known, counts, structures


def _fitted(
    sanity: Sanity,
    options: argparse.Namespace,
    data: Boxes,
    y: NDArray[np.int64],
    checkpoint: CheckpointPart | None,
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
            return fit_by_name(classifier, data.stack, y, checkpoint, "fit", data.evidence)
    with sanity.listening(LabelAgreementWarning, InvertedContrastWarning) as of_labels:
        fit_by_name(classifier, data.stack, y, checkpoint, "references")
    if not classifier[-1].label_agreement_ < LEAST_AGREEMENT:
        sanity.pass_on(of_labels)
        return classifier
    change_method(sanity, options, of_labels)
    # Before the network is trained.
    sanity.enforce()
    classifier = make_classifier(options, n_labels)
    with sanity.listening():
        fit_by_name(classifier, data.stack, y, checkpoint, "fit")
    return classifier


def _check_fit(
    sanity: Sanity, classifier: Any, stack: Any, y: NDArray[np.int64], *, candidates: bool
) -> None:
    if candidates:
        check_candidates(sanity, classifier[-1])
        return
    check_agreement(sanity, classifier, stack, y)
    check_history(sanity, classifier[-1].history_)


def _averages(classifier: Any, data: Boxes) -> Bunch:
    """Return class averages by the poses that the fit found, without another search."""
    return classifier[-1].class_averages(
        classifier[:-1].transform(data.stack),
        classifier[-1].poses_,
        voxel_size_angstrom=data.voxel_size,
    )
