"""Compare a table of particles with the truth: precision, recall and F1 of every class."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubtomo.cli._options import (
    OK,
    add_conventions,
    add_output,
    check_output,
    positive_float,
    read_table,
)

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

EPILOG = (
    "Particles of a class are paired, one to one, with true ones of that class within the "
    "tolerance, tomogram by tomogram. A table without class numbers is compared as one class."
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
    add_conventions(parser.add_argument_group("what the tables leave open"))
    parser.add_argument(
        "--any-class", action="store_true", help="compare places only, whatever the class"
    )
    add_output(parser, "JSON file to write the figures to", required=False)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo._utils._files import atomic_path

    if options.output is not None:
        check_output(options.output, overwrite=options.overwrite)
    truth, predicted = (read_table(path, options) for path in (options.truth, options.predicted))
    scores = compare(
        truth,
        predicted,
        tolerance_angstrom=options.tolerance_angstrom,
        voxel_size_angstrom=options.voxel_size,
        any_class=options.any_class,
    )
    print(f"{'class':>8} {'true':>8} {'found':>8} {'precision':>10} {'recall':>8} {'F1':>8}")
    for name, row in scores.items():
        print(
            f"{name:>8} {row['n_true']:>8} {row['n_found']:>8} {row['precision']:>10.3f} "
            f"{row['recall']:>8.3f} {row['f1']:>8.3f}"
        )
    if options.output is not None and not options.dry_run:
        with atomic_path(options.output, overwrite=options.overwrite) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")
    return OK


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

    names, found_in = _names(truth), _names(predicted)
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


def _names(particles: ParticleTable) -> Any:
    """Return the tomogram of each particle; one for all where the table does not say."""
    from sksubtomo.io import tomogram_stem

    names = particles.tomogram_names
    if names is None:
        return np.full(len(particles), "")
    return np.array([tomogram_stem(name) for name in names], dtype=str)
