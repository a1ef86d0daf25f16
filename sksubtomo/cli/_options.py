"""Options that several subcommands have, and what is made of them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

OK, PARTIAL = 0, 3
BORDERS = ("noise", "pad", "drop", "error")
# Of reconstructions; the files of maps that lie beside them are told apart by their names.
_ENDINGS = {".mrc", ".rec", ".map", ".ccp4"}
# What messages that ask for an argument of Python are to ask for here.
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
        "Dynamo (.tbl), copick (.json) or .csv; coordinates in voxels of the tomograms unless "
        "the table says otherwise",
    )
    add_conventions(group)


def add_conventions(parser: argparse._ActionsContainer) -> None:
    """Add the options that say what a table leaves open."""
    add_tomograms(parser, required=False)
    parser.add_argument(
        "--shifts",
        choices=("apply", "ignore"),
        help="what to do about shifts of the centres that are not 0 (rlnOriginXAngst and so on)",
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
        help="MRC files, folders of them, or RELION's tomograms.star; files are named as the "
        "table names tomograms, with or without ending"
        + ("" if required else ". By default, what an optimisation set names"),
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
    from sksubtomo.exceptions import FileFormatError
    from sksubtomo.io import read_particles

    given = options.tomograms
    tomograms: Path | dict[str, Path] | None = None
    if given is not None:
        is_table = len(given) == 1 and given[0].suffix == ".star"
        tomograms = given[0] if is_table else _by_name(list_tomograms(given))
    try:
        return read_particles(
            path,
            shifts=options.shifts,
            pixel_size_angstrom=options.pixel_size,
            tomograms=tomograms,
            binning=options.binning,
        )
    except FileFormatError as error:
        message = str(error)
        for argument, option in _OPTION_OF.items():
            message = message.replace(argument, option)
        raise FileFormatError(message) from error


def list_tomograms(paths: Sequence[Path]) -> list[Path]:
    """Return files, and those in folders, sorted.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or no file in a folder.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS)
            if not found:
                raise FileNotFoundError(f"There is no tomogram ({sorted(_ENDINGS)}) in {path}.")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"There is no tomogram {path}.")
    return files


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    """Return files by their names, with and without ending; a name that two share, by neither."""
    found: dict[str, set[Path]] = {}
    for file in files:
        for name in (file.name, file.stem):
            found.setdefault(name, set()).add(file)
    return {name: next(iter(paths)) for name, paths in found.items() if len(paths) == 1}


def locate_tomograms(
    particles: ParticleTable, options: argparse.Namespace
) -> tuple[NDArray, dict[str, Path]]:
    """Find the file of every particle's tomogram.

    Returns
    -------
    names : ndarray of shape (n_particles,) of str
        Tomogram of each particle.
    files : dict of str to Path
        File of each.

    Raises
    ------
    ValueError
        If the table or the options do not tell, or files are missing.
    """
    given = options.tomograms
    if given is None or given[0].suffix == ".star":
        known = dict(particles.tomogram_files or {})
        if not known:
            raise ValueError(
                f"{options.particles} does not say where tomograms are. Give them by --tomograms."
            )
    else:
        files = list_tomograms(given)
        known = _by_name(files)
        if particles.tomogram_names is None and len(files) == 1:
            return np.full(len(particles), files[0].stem), {files[0].stem: files[0]}
    names = particles.tomogram_names
    if names is None:
        raise ValueError(
            f"{options.particles} does not say which tomogram a particle is in (rlnTomoName); "
            "that is fine for one tomogram only."
        )
    located = {str(name): _find(str(name), known) for name in np.unique(names)}
    missing = sorted(name for name, file in located.items() if file is None)
    if missing:
        raise ValueError(
            f"{options.particles} has particles in {missing[:5]}, for which --tomograms has no "
            f"file, or several, among {sorted(known)[:5]}."
        )
    return names, {name: file for name, file in located.items() if file is not None}


def _find(name: str, known: dict[str, Path]) -> Path | None:
    """Return the file of a tomogram, which the table may name by path or by another ending."""
    for key in (name, Path(name).name, Path(name).stem):
        if key in known:
            return known[key]
    # Warp names reconstructions after their tilt series and voxel size: TS_01_10.00Apx.mrc.
    beginning = f"{Path(name).stem}_"
    longer = {file for key, file in known.items() if key.startswith(beginning)}
    return longer.pop() if len(longer) == 1 else None


def over_tomograms(
    names: NDArray,
    files: dict[str, Path],
    work: Callable[[NDArray[np.intp], Path], None],
    *,
    quiet: bool,
) -> NDArray[np.bool_]:
    """Do the particles of one tomogram after the other; one that fails is told and left out.

    Parameters
    ----------
    names : ndarray of shape (n_particles,) of str
        Tomogram of each particle.
    files : dict of str to Path
        File of each tomogram.
    work : callable
        Gets the rows of a tomogram's particles and its file.
    quiet : bool
        Whether to show no bar.

    Returns
    -------
    done : ndarray of shape (n_particles,) of bool
        Which particles are of tomograms that did not fail.

    Raises
    ------
    ValueError
        If all failed.
    """
    from tqdm import tqdm

    done = np.ones(len(names), dtype=bool)
    failed = []
    for name in tqdm(np.unique(names), unit="tomogram", disable=True if quiet else None):
        rows = np.flatnonzero(names == name)
        try:
            work(rows, files[str(name)])
        except (ChildProcessError, ConnectionError):
            raise  # the workers' fault, not the tomogram's
        except (ValueError, OSError) as error:
            logger.error("%s is left out, with its %d particles: %s", name, len(rows), error)
            done[rows] = False
            failed.append(str(name))
    if not done.any():
        raise ValueError(f"None of the tomograms {failed[:5]} could be used; see above.")
    if failed:
        logger.warning(
            "%d of %d tomograms were left out, with %d of %d particles: %s",
            *(len(failed), len(files), (~done).sum(), len(done), ", ".join(failed)),
        )
    return done


def check_output(path: Path, *, overwrite: bool) -> None:
    """Check that a file can be written, before any work.

    Raises
    ------
    FileExistsError, FileNotFoundError
        If it is there and must not be replaced, or its folder is not.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or pass --overwrite.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to.")
