"""Simulate tomograms of known complexes, with a table of what is where."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

import numpy as np

from sksubtomo.cli._options import (
    OK,
    add_output,
    check_output_folder,
    positive_float,
    positive_int,
)
from sksubtomo.cli._sizes import tomograms_bytes

if TYPE_CHECKING:
    from sklearn.utils import Bunch

EPILOG = (
    "Writes FOLDER/TS_001/TS_001.mrc (with _clean without noise, _tilts and .tlt) and so on, and "
    "FOLDER/particles.star of all: classes are numbered in the order of --classes. To pick in "
    "them, name FOLDER/*/TS_???.mrc, since the folders hold other volumes, too."
)
logger = logging.getLogger("sksubtomo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME[=FILE]",
        help="embedded complexes by name, or names with a PDB, mmCIF or MRC file each, such as "
        "groel rubisco=1bxn.pdb; by default all that are embedded",
    )
    parser.add_argument("--n-tomograms", type=positive_int, default=1, help="default: 1")
    parser.add_argument(
        "--n-particles", type=positive_int, metavar="N", help="in each; by default by concentration"
    )
    parser.add_argument(
        "--concentration",
        type=positive_float,
        default=20.0,
        metavar="MICROMOLAR",
        help="default: 20",
    )
    parser.add_argument(
        "--shape",
        type=positive_int,
        nargs=3,
        default=(96, 256, 256),
        metavar=("Z", "Y", "X"),
        help="voxels; default: 96 256 256",
    )
    parser.add_argument(
        "--voxel-size", type=positive_float, default=10.0, metavar="ANGSTROM", help="default: 10"
    )
    parser.add_argument(
        "--box-size",
        type=positive_int,
        default=32,
        metavar="VOXELS",
        help="boxes of this size will fit in; default: 32",
    )
    parser.add_argument("--snr", type=positive_float, default=0.1, help="default: 0.1")
    parser.add_argument(
        "--defocus", type=positive_float, default=None, metavar="MICROMETER", help="underfocus"
    )
    parser.add_argument("--n-fiducials", type=int, default=0, help="gold beads; default: 0")
    parser.add_argument("--n-vesicles", type=int, default=0, help="default: 0")
    parser.add_argument("--random-state", type=int, default=0, metavar="SEED", help="default: 0")
    add_output(parser, "folder to make", folder=True)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo._utils._files import atomic_folder
    from sksubtomo._utils._progress import progress
    from sksubtomo.datasets import load_density, relion_angle_columns, save_tomogram
    from sksubtomo.io import make_particle_table, write_particles
    from sksubtomo.simulate import TiltScheme

    n_tilts = len(TiltScheme().tilts_deg)
    n_bytes = tomograms_bytes(tuple(options.shape), n_tilts, options.n_tomograms)
    check_output_folder(options.output, n_bytes=n_bytes)
    classes = parse_classes(options.classes)
    if options.dry_run:
        for source in classes.values():
            load_density(source, voxel_size_angstrom=options.voxel_size)
        logger.info("%d tomograms of %s; nothing written.", options.n_tomograms, list(classes))
        return OK
    tables = []
    with atomic_folder(options.output) as folder:
        numbers = range(1, options.n_tomograms + 1)
        shown = not options.quiet
        for number in progress(numbers, "Simulating", len(numbers), "tomogram", shown=shown):
            data = _make(classes, options, seed=options.random_state + number - 1)
            save_tomogram(folder / f"TS_{number:03d}", data, name=f"TS_{number:03d}")
            tables.append((f"TS_{number:03d}", data.coordinates, data.orientations, data.y + 1))
        names, coordinates, orientations, class_numbers = zip(*tables, strict=True)
        table = make_particle_table(
            np.concatenate(coordinates),
            tomogram_names=np.repeat(names, [len(part) for part in coordinates]),
            columns={
                **relion_angle_columns(np.concatenate(orientations)),
                "rlnPixelSize": options.voxel_size,
            },
        )
        write_particles(
            folder / "particles.star", table, class_numbers=np.concatenate(class_numbers)
        )
    logger.info("%s: %d particles, classes %s.", options.output, len(table), list(classes))
    return OK


def parse_classes(given: list[str] | None) -> dict[str, str]:
    """Return the source of every class by its name.

    Raises
    ------
    ValueError
        If a name is there twice.
    """
    from sksubtomo.simulate import COMPLEXES

    pairs = [text.partition("=") for text in given or COMPLEXES]
    classes = {name: source or name for name, _, source in pairs}
    if len(classes) < len(pairs):
        raise ValueError(f"--classes names a class twice: {[name for name, _, _ in pairs]}.")
    return classes


def _make(classes: dict[str, str], options: argparse.Namespace, *, seed: int) -> Bunch:
    from sksubtomo.datasets import Distractors, make_tomogram
    from sksubtomo.simulate import TiltScheme

    return make_tomogram(
        classes,
        n_particles=options.n_particles,
        concentration_micromolar=options.concentration,
        shape=tuple(options.shape),
        box_size=options.box_size,
        voxel_size_angstrom=options.voxel_size,
        snr=options.snr,
        scheme=None if options.defocus is None else TiltScheme(defocus_um=options.defocus),
        distractors=Distractors(n_fiducials=options.n_fiducials, n_vesicles=options.n_vesicles),
        random_state=seed,
    )
