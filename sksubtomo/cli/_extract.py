"""Cut boxes around particles into MRC files, and write a table that lists them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sksubtomo.cli._model import voxel_size
from sksubtomo.cli._options import (
    BORDERS,
    OK,
    PARTIAL,
    add_output,
    add_particles,
    locate_tomograms,
    over_tomograms,
    positive_int,
    read_table,
)

EPILOG = (
    "Writes FOLDER/subtomograms/TOMOGRAM/000001.mrc and so on, numbered by the row of the table, "
    "and FOLDER/particles.star of the particles that have a box, with rlnImageName. To learn and "
    "predict, boxes need not be cut: fit and predict read them from the tomograms."
)
logger = logging.getLogger("sksubtomo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    parser.add_argument("--box-size", type=positive_int, required=True, metavar="VOXELS")
    parser.add_argument(
        "--border",
        choices=BORDERS,
        default="drop",
        help="boxes that reach beyond the tomogram: left out (drop), filled with noise or with "
        "the mean (pad), or the tomogram left out (error); default: drop",
    )
    parser.add_argument(
        "--interpolate",
        action="store_true",
        help="shift boxes to centres between voxels by splines, which smooths noise; by default, "
        "the nearest voxel is the centre",
    )
    add_output(parser, "folder to make", folder=True)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo._utils._files import atomic_folder
    from sksubtomo.io import ParticleTable, write_particles

    if options.output.exists():
        raise FileExistsError(f"{options.output} exists. Choose another name.")
    particles = read_table(options.particles, options)
    names, files = locate_tomograms(particles, options)
    if options.dry_run:
        logger.info("%d particles in %d tomograms; nothing written.", len(particles), len(files))
        return OK
    images = np.full(len(particles), "", dtype=object)
    with atomic_folder(options.output) as folder:

        def cut(rows: NDArray[np.intp], path: Path) -> None:
            written = _cut(folder, particles.coordinates[rows], rows, path, options)
            images[list(written)] = [str(options.output / name) for name in written.values()]

        done = over_tomograms(names, files, cut, quiet=options.quiet)
        kept = np.flatnonzero(images != "")
        if not len(kept):
            raise ValueError("No box lies within its tomogram. Choose a smaller one, or --border.")
        chosen = particles.subset(kept)
        table = chosen.table.assign(rlnImageName=images[kept])
        blocks = {**chosen.blocks, chosen.block: table}
        write_particles(
            folder / "particles.star", ParticleTable(blocks, chosen.block, chosen.coordinates)
        )
    logger.info("%s: %d boxes of %d particles.", options.output, len(kept), len(particles))
    return OK if done.all() else PARTIAL


def _cut(
    folder: Path,
    coordinates: NDArray[np.float64],
    rows: NDArray[np.intp],
    path: Path,
    options: argparse.Namespace,
) -> dict[int, str]:
    """Write the boxes of one tomogram; return their names by row of the table."""
    from sksubtomo.io import extract_subtomograms, read_mrc, write_mrc

    boxes, index = extract_subtomograms(
        read_mrc(path, mmap=path.suffix.lower() not in (".gz", ".bz2")).data,
        coordinates,
        options.box_size,
        border=options.border,
        subvoxel="interpolate" if options.interpolate else "round",
        return_index=True,
    )
    edge = voxel_size(path) or options.pixel_size
    if edge is None:
        raise ValueError(f"{path} does not say its voxel size. Give it by --pixel-size.")
    target = folder / "subtomograms" / path.stem
    target.mkdir(parents=True)
    written = {int(row): f"subtomograms/{path.stem}/{row + 1:06d}.mrc" for row in rows[index]}
    for box, name in zip(boxes, written.values(), strict=True):
        write_mrc(folder / name, box, edge)
    return written
