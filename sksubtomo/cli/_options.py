"""Options that several subcommands have, and what is made of them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

OK, PARTIAL = 0, 3
BORDERS = ("noise", "pad", "drop", "error")
# How what messages ask for in Python is said here.
_OPTION_OF = {
    "shifts='apply'": "--shifts apply",
    "shifts='ignore'": "--shifts ignore",
    "tomograms={name: path}": "--tomograms",
    "pixel_size_angstrom": "--pixel-size",
    "binning=": "--binning ",
}

logger = logging.getLogger("sksubtomo")


def add_particles(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where particles are."""
    group = parser.add_argument_group("particles and tomograms")
    group.add_argument(
        "--particles",
        "--in_parts",
        type=Path,
        required=True,
        metavar="STAR",
        help="table of particles: RELION 3 to 5 (also an optimisation set), Warp, M, STOPGAP, "
        "Dynamo (.tbl), motive lists (.em), copick (.json), TomoTwin (.coords), napari's points "
        "and others (.csv); coordinates in voxels of the tomograms unless the table says otherwise",
    )
    add_conventions(group)


def add_conventions(parser: argparse._ActionsContainer) -> None:
    """Add the options that say what a table leaves open."""
    add_tomograms(parser, required=False)
    parser.add_argument(
        "--shifts",
        choices=("apply", "ignore"),
        help="what to do about shifts of the centers that are not 0 (rlnOriginXAngst and so on)",
    )
    parser.add_argument(
        "--pixel-size",
        type=positive_float,
        metavar="ANGSTROM",
        help="of the pixels that coordinates are in, where shifts or coordinates are in angstrom",
    )
    parser.add_argument(
        "--binning",
        type=positive_float,
        metavar="FACTOR",
        help="edge of a voxel in pixels of the coordinates; 4 where coordinates are unbinned and "
        "tomograms binned by 4",
    )


def add_tomograms(parser: argparse._ActionsContainer, *, required: bool) -> None:
    """Add the option that names tomograms."""
    parser.add_argument(
        "--tomograms",
        type=Path,
        nargs="+",
        required=required,
        metavar="PATH",
        help="tomograms (MRC, EM, OME-Zarr), folders of them, or RELION's tomograms.star; files "
        "are named as the table names tomograms, or TS_1.mrc, rec_TS_1.mrc, TS_1_10.00Apx.mrc, "
        "TS_1_Vol.mrc, TS_1_rec.mrc for TS_1"
        + ("" if required else ". By default, what an optimisation set names"),
    )
    parser.add_argument(
        "--tomogram-map",
        type=Path,
        metavar="FILE",
        help="two columns (text, CSV or STAR): the name of a tomogram in the table, and its file; "
        "for names that are not those of files",
    )


def add_output(
    parser: argparse.ArgumentParser, what: str, *, required: bool = True, folder: bool = False
) -> None:
    """Add the options of where to write; folders are made anew and never replaced."""
    group = parser.add_argument_group("output")
    group.add_argument("--output", type=Path, required=required, metavar="PATH", help=what)
    if not folder:
        group.add_argument("--overwrite", action="store_true", help="replace what exists")
    group.add_argument(
        "--dry-run", action="store_true", help="check all that can be checked, and write nothing"
    )


def positive_int(text: str) -> int:
    """Return a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return number


def positive_float(text: str) -> float:
    """Return a positive number."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def read_table(path: Path, options: argparse.Namespace) -> ParticleTable:
    """Read a table of particles as the options say.

    Raises
    ------
    FileNotFoundError, FileFormatError, ValueError
        As :func:`sksubtomo.io.read_particles`.
    """
    from sksubtomo.cli._tomograms import given_tomograms
    from sksubtomo.exceptions import FileFormatError
    from sksubtomo.io import read_particles

    given = given_tomograms(options)
    try:
        particles = read_particles(
            path,
            shifts=options.shifts,
            pixel_size_angstrom=options.pixel_size,
            tomograms=given.star or given.files or None,
            binning=options.binning,
            tomogram_files=given.files if given.star is not None else None,
        )
    except FileFormatError as error:
        wanted = [option for argument, option in _OPTION_OF.items() if argument in str(error)]
        if not wanted:
            raise
        told = ", ".join(option.strip() for option in dict.fromkeys(wanted))
        raise FileFormatError(f"{error} Here, that is said by {told}.") from error
    if not len(particles):
        raise FileFormatError(f"{path} has no particles.")
    return particles


def check_output(path: Path, *, overwrite: bool) -> None:
    """Check that a file can be written, before any work.

    Raises
    ------
    FileExistsError, FileNotFoundError
        If it is there and must not be replaced, or its folder is not.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Name a file in it.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or pass --overwrite.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to.")
