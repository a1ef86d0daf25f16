"""Options that several subcommands have, and what is made of them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sksubtomo._utils._destination import check_folder
from sksubtomo._utils._reserve import reserve

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

OK, PARTIAL = 0, 3
BORDERS = ("noise", "pad", "drop", "error")
# By which options the arguments of `read_particles` are said.
_TOMOGRAMS = {"tomograms": "--tomograms"}
_CONVENTIONS = {
    "shifts": "shifts",
    "pixel_size_angstrom": "pixel-size",
    "binning": "binning",
    "shift_pixel_size_angstrom": "shift-pixel-size",
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
    add_tomograms(group, required=False)
    add_missing_chunks(group)
    add_conventions(group)


def add_conventions(parser: argparse._ActionsContainer, *, of: str | None = None) -> None:
    """Add the options that say what a table leaves open.

    Parameters
    ----------
    parser : ArgumentParser or group
        Gets the options.
    of : str, optional
        Which table, where there are several: ``labels`` makes ``--labels-shifts`` of ``--shifts``.
    """
    prefix, of_table = ("--", "") if of is None else (f"--{of}-", f"of --{of}: ")
    parser.add_argument(
        f"{prefix}shifts",
        choices=("apply", "ignore"),
        help=f"{of_table}what to do about shifts of the centers that are not 0 (rlnOriginXAngst "
        "and so on)",
    )
    parser.add_argument(
        f"{prefix}pixel-size",
        type=positive_float,
        metavar="ANGSTROM",
        help=f"{of_table}of the pixels that coordinates are in, where shifts or coordinates are in "
        "angstrom",
    )
    parser.add_argument(
        f"{prefix}binning",
        type=positive_float,
        metavar="FACTOR",
        help=f"{of_table}edge of a voxel in pixels of the coordinates; 4 where coordinates are "
        "unbinned and tomograms binned by 4",
    )
    parser.add_argument(
        f"{prefix}shift-pixel-size",
        type=positive_float,
        metavar="ANGSTROM",
        help=f"{of_table}of the pixels that shifts in pixels are in, where the table states "
        "several sizes",
    )


def add_missing_chunks(parser: argparse._ActionsContainer) -> None:
    """Add the option of what to do about OME-Zarr without all of their chunks."""
    parser.add_argument(
        "--missing-chunks",
        choices=("raise", "fill"),
        default="raise",
        help="chunks of an OME-Zarr that have no file: leave out that tomogram (raise), or take "
        "the fill value, as it is meant by writers that leave out empty chunks; default: raise",
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


def read_table(
    path: Path, options: argparse.Namespace, *, of: str | None = None, with_places: bool = True
) -> ParticleTable:
    """Read a table of particles as the options say.

    Parameters
    ----------
    path : Path
        The file.
    options : Namespace
        Of :func:`add_tomograms` and :func:`add_conventions`.
    of : str, optional
        As of :func:`add_conventions`. What is said of another table does not hold for this one.
    with_places : bool, default=True
        Whether it has to say where particles are in voxels.

    Raises
    ------
    FileNotFoundError, FileFormatError, ValueError
        As :func:`sksubtomo.io.read_particles`; the message names the options that answer it.
    """
    from sksubtomo.cli._tomograms import given_tomograms
    from sksubtomo.exceptions import FileFormatError
    from sksubtomo.io import read_particles

    prefix = "" if of is None else f"{of}-"
    names = {argument: f"{prefix}{name}" for argument, name in _CONVENTIONS.items()}
    said = {
        argument: getattr(options, name.replace("-", "_"), None) for argument, name in names.items()
    }
    given = given_tomograms(options)
    try:
        particles = read_particles(
            path,
            tomograms=given.star or given.files or None,
            tomogram_files=given.files if given.star is not None else None,
            **said,
        )
        # Asking for coordinates asks what a table leaves open of them.
        if not len(particles.coordinates if with_places else particles):
            raise FileFormatError(f"{path} has no particles.")
    except FileFormatError as error:
        option_of = _TOMOGRAMS | {argument: f"--{name}" for argument, name in names.items()}
        told = [option_of[argument] for argument in error.arguments if argument in option_of]
        if not told:
            raise
        raise FileFormatError(f"{error} Here, that is said by {', '.join(told)}.") from error
    return particles


def check_decided(
    path: Path, particles: ParticleTable, options: argparse.Namespace, *, of: str
) -> None:
    """Check that a table is not in pixels that only the option of another table could tell.

    Points of viewers are in voxels, whatever the pixels of the other table.

    Raises
    ------
    ValueError
        If it may be in voxels, or in pixels as those of the other table.
    """
    voxels = particles.voxels
    if options.binning in (None, 1) or voxels is None or not voxels.is_assumed:
        return
    of_viewers = particles.file_kind in (".csv", ".coords")
    if not (of_viewers and "rlnCoordinateX" not in particles.table):
        raise ValueError(
            f"{path} does not say in which pixels it counts, and --binning {options.binning:g} is "
            f"said of another table. Give --{of}-binning: {options.binning:g} if it counts in the "
            "same pixels, 1 if in voxels of the tomograms."
        )


def add_allow_pickle(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets model files of earlier versions in."""
    parser.add_argument(
        "--allow-pickle",
        action="store_true",
        help="read models that are pickles, too, as earlier versions wrote (.joblib). A pickle can "
        "run any code when it is read: only of files that you made or trust",
    )


def check_output(path: Path, *, overwrite: bool, in_job: bool = False, n_bytes: int = 0) -> None:
    """Make sure, before any work, that a file can be written in the end.

    Parameters
    ----------
    path : Path
        The output. Its temporary file is made now, and room for it set aside.
    overwrite : bool
        Whether there may be one already.
    in_job : bool, default=False
        Whether its folder is that of a job, which a dry run does not make.
    n_bytes : int, default=0
        About how large it will be. May be told by another call once it is known.

    Raises
    ------
    FileExistsError, FileNotFoundError, IsADirectoryError, PermissionError, OSError
        If it cannot be written; the message says why, and what to do.
    """
    if in_job and not path.parent.exists():
        check_folder(path.parent, overwrite=True)
        return
    reserve(path, overwrite=overwrite, n_bytes=n_bytes)


def check_output_folder(path: Path, *, overwrite: bool = False, n_bytes: int = 0) -> None:
    """Make sure, before any work, that a folder can be written in the end.

    Parameters
    ----------
    path, overwrite, n_bytes :
        As of :func:`check_output`. Folders above it may be missing.

    Raises
    ------
    FileExistsError, NotADirectoryError, PermissionError, OSError
        If it cannot be written; the message says why, and what to do.
    """
    reserve(path, overwrite=overwrite, n_bytes=n_bytes, is_folder=True)
