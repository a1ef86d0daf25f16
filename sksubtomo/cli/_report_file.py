"""Reports beside what commands write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import shorten
from sksubtomo.cli._model import Model
from sksubtomo.cli._options import OK, PARTIAL, check_output, logger
from sksubtomo.cli._provenance import provenance_lines
from sksubtomo.cli._score_columns import score_columns

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from sksubtomo.io import ParticleTable


class Reported(NamedTuple):
    """What a report is on.

    Parameters
    ----------
    model : Model
        With the fitted classifier.
    particles : ParticleTable
        As read.
    names : ndarray of shape (n_particles,) of str
        Tomogram of each.
    files : mapping of str to Path
        File of each tomogram.
    rows : ndarray of int
        Which particles have a box.
    stack : SubtomogramStack
        Their boxes.
    voxel_size : float or None
        In angstrom.
    y : ndarray of shape (n_rows,) or None
        Class numbers of these particles, -1 where unknown.
    probabilities : ndarray of shape (n_rows, n_classes) or None
        Of these particles; None predicts them.
    averages : Bunch or None
        As of ``class_averages``.
    is_fit : bool, default=False
        Whether the classifier was fitted to these particles.
    """

    model: Model
    particles: ParticleTable
    names: NDArray
    files: Mapping[str, Path]
    rows: NDArray[np.intp]
    stack: Any
    voxel_size: float | None
    y: NDArray[np.int64] | None
    probabilities: NDArray[np.float64] | None
    averages: Bunch | None
    is_fit: bool = False


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the option of a report."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write a report of figures and tables, one HTML file (see `sksubtomo report`)",
    )


def check_report(path: Path | None, *, overwrite: bool) -> None:
    """Check that a report can be made and written, before any work.

    Raises
    ------
    FileExistsError, FileNotFoundError
        As :func:`check_output`.
    ImportError
        If a package is not installed.
    """
    if path is None:
        return
    from sksubtomo.reports import check_installed

    check_output(path, overwrite=overwrite)
    check_installed()


def write_report(
    path: Path, reported: Reported, options: argparse.Namespace, warnings: Sequence[str]
) -> None:
    """Make a report and write it.

    Parameters
    ----------
    path : Path
        The file, which is replaced with ``--overwrite`` only.
    reported : Reported
        What it is on.
    options : Namespace
        Of the command.
    warnings : sequence of str
        What was suspicious, to be listed first.

    Raises
    ------
    ValueError, FileExistsError
        If nothing can be reported on, or the file has come into being meanwhile.
    """
    from sksubtomo.reports import make_report

    rows, table = reported.rows, reported.particles.table
    n_lost = len(table) - len(rows)
    left_out = f"{n_lost} of {len(table)} particles of the table could not be used."
    report = make_report(
        reported.model.classifier,
        reported.stack,
        reported.y,
        y_proba=reported.probabilities,
        held_out_proba=_held_out(reported),
        tomogram_names=reported.names[rows],
        coordinates=reported.particles.coordinates[rows],
        tomograms=reported.files,
        picker_scores=_picker_scores(reported),
        averages=reported.averages,
        poses=_poses(reported),
        voxel_size_angstrom=reported.voxel_size,
        provenance=_provenance(reported, options),
        warnings=[*([left_out] if n_lost else []), *warnings],
        title=f"{reported.model.classifier[-1].__class__.__name__}: {options.particles.name}",
    )
    report.save_as_html(path, overwrite=options.overwrite)
    logger.info("%s: a report, to be opened in a browser.", path)


def try_report(reported: Reported, options: argparse.Namespace, warnings: Sequence[str]) -> int:
    """Write the report that is asked for, if one is, beside what is written already.

    Returns
    -------
    code : int
        0, or 3 if there is no report, which is told: what took hours is not given up for it.
    """
    if options.report is None:
        return OK
    try:
        write_report(options.report, reported, options, warnings)
    except (ValueError, OSError) as error:
        logger.error("%s is not written: %s", options.report, shorten(error))
        return PARTIAL
    return OK


def _picker_scores(reported: Reported) -> NDArray[np.float64] | None:
    names = score_columns(reported.particles, None)
    if not names:
        return None
    return reported.particles.table[names[0]].to_numpy(dtype=np.float64)[reported.rows]


def _held_out(reported: Reported) -> NDArray[np.float64] | None:
    """Return probabilities of labeled particles that the fit left out, if it did so of all."""
    if reported.y is None or not reported.is_fit:
        return None
    classifier = reported.model.classifier
    left_out = getattr(classifier[-1], "out_of_fold_", None)
    labeled = np.flatnonzero(reported.y > 0)
    if left_out is None or not np.isin(labeled, left_out.rows).all():
        return None
    held_out = np.full((len(reported.y), len(classifier.classes_)), np.nan)
    held_out[left_out.rows] = left_out.probabilities
    return held_out


def _poses(reported: Reported) -> dict[str, Any] | None:
    """Return rotations and classes of the particles that are averaged."""
    if reported.averages is None:
        return None
    poses = reported.averages["poses"]
    owner = reported.model.classifier[-1].reference_classes_
    # What is of a background has no pose, and is averaged nowhere.
    rows = np.flatnonzero(poses["references"] >= 0)
    return {
        "rotations": poses["rotations"][rows],
        "labels": owner[poses["references"][rows]],
    }


def _provenance(reported: Reported, options: argparse.Namespace) -> dict[str, str]:
    model = getattr(options, "model", None)
    told = {"Command": f"sksubtomo {options.command}", "Particles": str(options.particles)}
    if model is not None:
        told["Model"] = str(model)
    if getattr(options, "labels", None):
        told["Labels"] = ", ".join(map(str, options.labels))
    told["Box size"] = f"{reported.model.box_size} voxels"
    if reported.model.provenance is not None:
        told["Fit"] = "; ".join(provenance_lines(reported.model.provenance))
    return told
