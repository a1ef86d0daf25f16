"""Cut boxes around particles into MRC files, and write a table that lists them."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo._utils._progress import Progress
from sksubtomo.cli._model import voxel_size
from sksubtomo.cli._options import (
    BORDERS,
    add_output,
    add_particles,
    check_output_folder,
    positive_int,
    read_table,
)
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._sanity import file_shapes
from sksubtomo.cli._sizes import volume_bytes
from sksubtomo.cli._tomograms import folder_names, locate_tomograms, over_tomograms

EPILOG = (
    "Writes FOLDER/subtomograms/TOMOGRAM/000001.mrc and so on, numbered by the row of the table, "
    "and FOLDER/particles.star of the particles that have a box, with rlnImageName. To learn and "
    "predict, boxes need not be cut: fit and predict read them from the tomograms."
)
JOB_OUTPUT = "boxes"
logger = logging.getLogger("sksubtomo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    parser.add_argument("--box-size", type=positive_int, required=True, metavar="VOXELS")
    parser.add_argument(
        "--border",
        choices=BORDERS,
        default="drop",
        help="boxes that reach beyond the tomogram: left out (drop), also named, and exit code 3 "
        "(error), filled with noise or with the mean (pad); default: drop",
    )
    parser.add_argument(
        "--interpolate",
        action="store_true",
        help="shift boxes to centers between voxels by splines, which smooths noise; by default, "
        "the nearest voxel is the center",
    )
    add_output(parser, "folder to make", required=False, folder=True)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo._utils._files import atomic_folder
    from sksubtomo.io import write_particles

    check_output_folder(options.output)
    particles = read_table(options.particles, options)
    names, files, absent = locate_tomograms(options.particles, particles, options)
    folders = folder_names(sorted(files))
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    n_boxes = _n_whole(particles.coordinates, outcomes, files, options)
    check_output_folder(options.output, n_bytes=volume_bytes(options.box_size, n_boxes))
    if options.dry_run:
        return _look(particles.coordinates, outcomes, files, options)
    images = np.full(len(particles), "", dtype=object)
    bar = Progress("Cutting boxes", len(particles), "particle", shown=not options.quiet)
    with bar, atomic_folder(options.output) as folder:

        def cut(name: str, path: Path) -> None:
            rows = outcomes.rows(name)
            where = f"subtomograms/{folders[name]}"
            centers = particles.coordinates[rows]
            written, outcomes.codes[rows] = _cut(folder, where, centers, rows, path, options, bar)
            images[list(written)] = [str(options.output / image) for image in written.values()]

        over_tomograms(files, cut, outcomes.fail)
        code = outcomes.finish()
        kept = np.flatnonzero(images != "")
        if not len(kept):
            raise ValueError("No box lies within its tomogram. Choose a smaller one, or --border.")
        chosen = particles.subset(kept)
        table = chosen.table.assign(rlnImageName=images[kept])
        blocks = {**chosen.blocks, chosen.block: table}
        write_particles(folder / "particles.star", replace(chosen, blocks=blocks))
    logger.info(
        "%s: %s of %s.",
        *(options.output, plural(len(kept), "box", "boxes")),
        plural(len(particles), "particle"),
    )
    return code


def _n_whole(
    coordinates: NDArray[np.float64],
    outcomes: Outcomes,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> int:
    """Return about how many boxes will be written, by their places only."""
    n_boxes = 0
    for name, shape in file_shapes(files, options.missing_chunks).items():
        first = np.floor(coordinates[outcomes.rows(name)] + 0.5) - options.box_size // 2
        inside = (first >= 0) & (first + options.box_size <= shape)
        n_boxes += int(inside.all(axis=1).sum())
    return n_boxes


def _look(
    coordinates: NDArray[np.float64],
    outcomes: Outcomes,
    files: dict[str, Path],
    options: argparse.Namespace,
) -> int:
    """Do all but write, and return the exit code."""
    bar = Progress("Checking", len(outcomes.codes), "particle", shown=not options.quiet)

    def look(name: str, path: Path) -> None:
        rows = outcomes.rows(name)
        _edge(path, options)
        outcomes.codes[rows] = _outcomes(_voxels(path, options), coordinates[rows], options)
        bar.update(len(rows))

    with bar:
        over_tomograms(files, look, outcomes.fail)
    code = outcomes.finish()
    logger.info(
        "%s in %s; nothing written.",
        plural(len(outcomes.codes), "particle"),
        plural(len(files), "tomogram"),
    )
    return code


def _voxels(path: Path, options: argparse.Namespace) -> Any:
    """Return a tomogram to read boxes from; one that is compressed is read whole."""
    from sksubtomo.io import open_volume, read_volume

    compressed = path.suffix.lower() in (".gz", ".bz2")
    if compressed:
        return read_volume(path).data
    return open_volume(path, missing_chunks=options.missing_chunks)


def _edge(path: Path, options: argparse.Namespace) -> float:
    edge = voxel_size(path)
    if edge is None and options.pixel_size is not None:
        edge = options.pixel_size * (options.binning or 1.0)
    if edge is None:
        raise ValueError(
            f"{path} does not say its voxel size. Give it by --pixel-size, or that of the pixels "
            "of the coordinates with --binning."
        )
    return edge


def _outcomes(
    tomogram: Any, coordinates: NDArray[np.float64], options: argparse.Namespace
) -> NDArray[np.str_]:
    from sksubtomo.io import box_outcomes

    return box_outcomes(
        tomogram,
        coordinates,
        options.box_size,
        border=options.border,
        subvoxel="interpolate" if options.interpolate else "round",
    )


def _cut(
    folder: Path,
    where: str,
    coordinates: NDArray[np.float64],
    rows: NDArray[np.intp],
    path: Path,
    options: argparse.Namespace,
    bar: Progress,
) -> tuple[dict[int, str], NDArray[np.str_]]:
    """Write the boxes of one tomogram; return their names by row of the table, and outcomes."""
    from sksubtomo.io import extract_subtomograms, write_mrc

    edge, tomogram = _edge(path, options), _voxels(path, options)
    outcomes = _outcomes(tomogram, coordinates, options)
    written = {int(row): f"{where}/{row + 1:06d}.mrc" for row in rows[outcomes == "ok"]}
    (folder / where).mkdir(parents=True)
    for center, name in zip(coordinates[outcomes == "ok"], written.values(), strict=True):
        box = extract_subtomograms(
            tomogram,
            [center],
            options.box_size,
            border=options.border,
            subvoxel="interpolate" if options.interpolate else "round",
        )
        write_mrc(folder / name, box[0], edge)
        bar.update()
    bar.update(len(rows) - len(written))
    return written, outcomes
