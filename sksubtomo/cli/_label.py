"""Label candidates on a page in the browser, with a model that says which to look at next."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sksubtomo._utils._messages import plural
from sksubtomo.cli._labels import read_labels
from sksubtomo.cli._model import voxel_size
from sksubtomo.cli._options import (
    BORDERS,
    OK,
    PARTIAL,
    add_conventions,
    add_output,
    add_particles,
    positive_float,
    positive_int,
    read_table,
)
from sksubtomo.cli._tomograms import LocatedTomograms, locate_tomograms
from sksubtomo.exceptions import FileFormatError

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable
    from sksubtomo.labeling import LabelingSession

EPILOG = (
    "Labels are on the disk before the page says so: FOLDER/journal.jsonl has every click, "
    "FOLDER/labels.star the labeled candidates, for 'fit --labels FOLDER/labels.star'. The same "
    "command goes on where the last session was. The page is for this computer only, under an "
    "address that nobody can guess; from another one, use the SSH tunnel that is shown."
)
_INTERRUPTED_BY_KEYBOARD = 130

logger = logging.getLogger("sksubtomo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    add_particles(parser)
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--box-size", type=positive_int, required=True, metavar="VOXELS", help="edge of the boxes"
    )
    group.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names of the classes 1, 2 and so on, at most nine; default: those of the session, or "
        "'particle' and 'no particle'",
    )
    group.add_argument(
        "--labels",
        nargs="+",
        metavar="[CLASS=]FILE",
        help="tables of labels to begin with, as of 'fit': such as points clicked in napari (.csv)",
    )
    group.add_argument(
        "--label-tolerance",
        type=positive_float,
        default=3.0,
        metavar="VOXELS",
        help="how far a label may be from its candidate; default: 3",
    )
    group.add_argument(
        "--merge",
        nargs="+",
        type=Path,
        default=[],
        metavar="JOURNAL",
        help="journals (journal.jsonl) of other people's sessions of the same candidates; the last "
        "click on a candidate holds",
    )
    group.add_argument(
        "--border",
        choices=BORDERS,
        default="noise",
        help="boxes that reach beyond the tomogram: filled with noise or with the mean, or left "
        "out (drop, error); default: noise",
    )
    add_conventions(group, of="labels")
    group = parser.add_argument_group("page")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; any but the default lets others on the network in, and is "
        "warned of",
    )
    group.add_argument("--port", type=int, default=0, help="default: a free one")
    add_output(parser, "folder of the session, new or of an earlier one", folder=True)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    from sksubtomo.labeling import serve

    if not 0 <= options.port <= 65535:
        raise ValueError(f"--port {options.port} must be from 0 (a free one) to 65535.")
    particles = read_table(options.particles, options)
    located = locate_tomograms(options.particles, particles, options)
    if options.dry_run:
        return PARTIAL if located.absent else OK
    session, code = _session(particles, located, options)
    _begin_with(session, located, options)
    logger.info(
        "%s: %s, of which %d have a label.",
        *(options.output, plural(len(session), "candidate"), int((session.labels >= 0).sum())),
    )
    try:
        serve(session, host=options.host, port=options.port, tell=_tell)
    except KeyboardInterrupt as interrupt:
        # Ctrl-C is how labeling ends.
        if getattr(interrupt, "exit_code", _INTERRUPTED_BY_KEYBOARD) != _INTERRUPTED_BY_KEYBOARD:
            interrupt.kept = f"labels are in {options.output}"  # type: ignore[attr-defined]
            raise
    counts = ", ".join(f"{name}: {count}" for name, count in session.counts.items())
    logger.info("%s: labels are saved (%s).", options.output, counts)
    return code


def _tell(line: str) -> None:
    """Write the address even where messages are not wanted: without it, there is no page."""
    print(line, file=sys.stderr, flush=True)


def _session(
    particles: ParticleTable, located: LocatedTomograms, options: argparse.Namespace
) -> tuple[LabelingSession, int]:
    """Return the session, and the exit code: whether tomograms are missing."""
    from sksubtomo.labeling import LabelingSession

    for name, why in located.absent.items():
        logger.error("%s is left out, with its candidates: %s", name, why)
    there = np.flatnonzero(np.isin(located.names, list(located.files)))
    kept = particles.subset(there)
    files = dict(located.files)
    if kept.tomogram_names is None:
        files = {"": next(iter(files.values()))}
    session = LabelingSession.from_tomograms(
        options.output,
        kept,
        files,
        options.box_size,
        border=options.border,
        missing_chunks=options.missing_chunks,
        class_names=options.classes,
        voxel_size_angstrom=_one_voxel_size(list(files.values())),
    )
    return session, PARTIAL if len(session) < len(particles) else OK


def _one_voxel_size(files: list[Path]) -> float | None:
    """Return the voxel size that all tomograms say, None where they differ or do not say it."""
    sizes = set()
    for file in files:
        try:
            sizes.add(voxel_size(file))
        except FileFormatError:
            sizes.add(None)
    return sizes.pop() if len(sizes) == 1 else None


def _begin_with(
    session: LabelingSession, located: LocatedTomograms, options: argparse.Namespace
) -> None:
    """Take over labels of tables and of other people."""
    for journal in options.merge:
        logger.info("%s: %s are new.", journal, plural(session.merge(journal), "click"))
    if options.labels is None:
        return
    labels = read_labels(options, located.files)
    names = labels.names
    if set(session.tomogram_names.tolist()) == {""}:
        names = np.full(len(names), "")
    try:
        n_labels = session.label_places(
            labels.coordinates,
            labels.numbers,
            tomogram_names=names,
            tolerance_voxels=options.label_tolerance,
            tolerance_option="--label-tolerance",
        )
    except ValueError as error:
        raise ValueError(f"{', '.join(options.labels)}: {error}") from error
    logger.info("--labels: %s are new.", plural(n_labels, "label"))
