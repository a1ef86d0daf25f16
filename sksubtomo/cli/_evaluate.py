"""Compare a table of particles with the truth: precision, recall and F1 of every class."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.cli._logs import show
from sksubtomo.cli._options import (
    OK,
    PARTIAL,
    add_conventions,
    add_output,
    add_tomograms,
    check_decided,
    check_output,
    logger,
    positive_float,
    read_table,
)

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

EPILOG = (
    "Particles of a class are paired, one to one, with true ones of that class within the "
    "tolerance, tomogram by tomogram. A table without class numbers is compared as one class. What "
    "is said by --shifts, --pixel-size and --binning is of --predicted."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    parser.add_argument("--truth", type=Path, required=True, metavar="STAR")
    parser.add_argument("--predicted", type=Path, required=True, metavar="STAR")
    parser.add_argument("--tolerance-angstrom", type=positive_float, required=True)
    parser.add_argument(
        "--voxel-size",
        type=positive_float,
        required=True,
        metavar="ANGSTROM",
        help="of the tomograms that coordinates are in",
    )
    group = parser.add_argument_group("what the tables leave open")
    add_tomograms(group, required=False)
    add_conventions(group)
    add_conventions(group, of="truth")
    parser.add_argument(
        "--any-class", action="store_true", help="compare places only, whatever the class"
    )
    add_output(parser, "JSON file to write the figures to", required=False)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo._utils._files import atomic_path

    if options.output is not None:
        check_output(options.output, overwrite=options.overwrite)
    predicted = read_table(options.predicted, options)
    truth = read_table(options.truth, options, of="truth")
    check_decided(options.truth, truth, options, of="truth")
    truth, predicted, code = _placed(truth, predicted)
    scores = compare(
        truth,
        predicted,
        tolerance_angstrom=options.tolerance_angstrom,
        voxel_size_angstrom=options.voxel_size,
        any_class=options.any_class,
    )
    show(f"{'class':>8} {'true':>8} {'found':>8} {'precision':>10} {'recall':>8} {'F1':>8}")
    for name, row in scores.items():
        show(
            f"{name:>8} {row['n_true']:>8} {row['n_found']:>8} {row['precision']:>10.3f} "
            f"{row['recall']:>8.3f} {row['f1']:>8.3f}"
        )
    if options.output is not None and not options.dry_run:
        with atomic_path(options.output, overwrite=options.overwrite) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")
    return code


def _placed(
    truth: ParticleTable, predicted: ParticleTable
) -> tuple[ParticleTable, ParticleTable, int]:
    """Return tables without tomograms in which places are not known, and the exit code."""
    lost: set[str] = set()
    for table in (truth, predicted):
        unknown = ~np.isfinite(table.coordinates).all(axis=1)
        lost |= set(_names(table, truth)[unknown].tolist())
    if not lost:
        return truth, predicted, OK
    logger.warning(
        "%s left out, as they are not given or cannot be read: %s",
        plural(len(lost), "tomogram is", "tomograms are"),
        shorten(", ".join(sorted(lost)), 300),
    )
    kept = [
        table.subset(~np.isin(_names(table, truth), list(lost))) for table in (truth, predicted)
    ]
    if not all(map(len, kept)):
        raise ValueError("No particle is left to compare; see above.")
    return kept[0], kept[1], PARTIAL


def compare(
    truth: ParticleTable,
    predicted: ParticleTable,
    *,
    tolerance_angstrom: float,
    voxel_size_angstrom: float,
    any_class: bool = False,
) -> dict[str, dict[str, Any]]:
    """Return the figures of every class.

    Parameters
    ----------
    truth, predicted : ParticleTable
        Class 0, unclassified, is of no class.
    tolerance_angstrom : float
        Largest distance of a pair.
    voxel_size_angstrom : float
        Edge of a voxel.
    any_class : bool, default=False
        Whether to take all particles as of one class.

    Returns
    -------
    scores : dict of str to dict
        ``n_true``, ``n_found``, ``n_matched``, ``precision``, ``recall`` and ``f1`` by class
        number, or of "all".
    """
    true_classes, predicted_classes = truth.class_numbers, predicted.class_numbers
    if any_class or true_classes is None or predicted_classes is None:
        return {"all": _scores(truth, predicted, tolerance_angstrom / voxel_size_angstrom)}
    known = np.unique(np.concatenate([true_classes, predicted_classes]))
    return {
        str(number): _scores(
            truth.subset(true_classes == number),
            predicted.subset(predicted_classes == number),
            tolerance_angstrom / voxel_size_angstrom,
        )
        for number in known[known > 0]
    }


def _scores(
    truth: ParticleTable, predicted: ParticleTable, tolerance_voxels: float
) -> dict[str, Any]:
    from sksubtomo.picking import evaluate_picks

    names, found_in = _names(truth, truth), _names(predicted, truth)
    matched = 0
    for name in np.unique(names):
        matched += evaluate_picks(
            predicted.coordinates[found_in == name],
            truth.coordinates[names == name],
            tolerance_angstrom=tolerance_voxels,
            voxel_size_angstrom=1.0,
        ).n_matched
    return {
        "n_true": len(truth),
        "n_found": len(predicted),
        "n_matched": matched,
        "precision": matched / max(len(predicted), 1),
        "recall": matched / max(len(truth), 1),
        "f1": 2 * matched / max(len(predicted) + len(truth), 1),
    }


def _names(particles: ParticleTable, truth: ParticleTable) -> Any:
    """Return the tomogram of each particle as the truth calls it; one for all without names."""
    from sksubtomo.io import find_tomograms

    names, known = particles.tomogram_names, truth.tomogram_names
    if names is None or known is None:
        return np.full(len(particles), "")
    called = {str(name): Path(str(name)) for name in known}
    found = find_tomograms(names, called, missing="ignore")
    return np.array([str(found.get(str(name), name)) for name in names], dtype=str)
