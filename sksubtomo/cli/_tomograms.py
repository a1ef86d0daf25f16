"""Where the tomograms are, and one after the other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._destination import is_of_output
from sksubtomo._utils._interrupts import check_interrupt

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

_GIVEN = "_given_tomograms"


class GivenTomograms(NamedTuple):
    """What the options say of tomograms.

    Parameters
    ----------
    star : Path or None
        RELION's table of them.
    files : dict of str to Path
        Files by what they can be found by: their path, or their name in a map.
    """

    star: Path | None
    files: dict[str, Path]


def given_tomograms(options: argparse.Namespace) -> GivenTomograms:
    """Return what the options say of tomograms; folders are looked into once.

    Raises
    ------
    FileNotFoundError, FileFormatError, ValueError
        If a file or folder is not there, a map is wrong, or there are several STAR files.
    """
    if not hasattr(options, _GIVEN):
        setattr(options, _GIVEN, _given_tomograms(options))
    return getattr(options, _GIVEN)


def _given_tomograms(options: argparse.Namespace) -> GivenTomograms:
    from sksubtomo.io import find_tomograms, list_tomograms, read_tomogram_map

    paths = list(options.tomograms or [])
    stars = [path for path in paths if path.suffix.lower() == ".star"]
    if len(stars) > 1:
        raise ValueError("--tomograms takes one STAR file, and tomograms and folders of them.")
    star = stars[0] if stars else None
    listed = list_tomograms([path for path in paths if path not in stars])
    if options.tomogram_map is None:
        return GivenTomograms(star, {str(file): file for file in listed})
    by_name = read_tomogram_map(options.tomogram_map, tomograms=listed)
    # A file that could be taken for a tomogram of the map is not what the map says.
    left = {
        str(file): file for file in listed if not find_tomograms(by_name, [file], missing="ignore")
    }
    return GivenTomograms(star, left | by_name)


class LocatedTomograms(NamedTuple):
    """Tomograms of a table of particles.

    Parameters
    ----------
    names : ndarray of shape (n_particles,) of str
        Tomogram of each particle.
    files : dict of str to Path
        File of each tomogram that has one.
    absent : dict of str to str
        Of each that has none, what to say about it.
    """

    names: NDArray
    files: dict[str, Path]
    absent: dict[str, str]


def locate_tomograms(
    table: Path, particles: ParticleTable, options: argparse.Namespace
) -> LocatedTomograms:
    """Find the file of every particle's tomogram.

    Parameters
    ----------
    table : Path
        File of the particles, for messages.
    particles : ParticleTable
        What it says.
    options : Namespace
        Where tomograms are.

    Returns
    -------
    located : LocatedTomograms

    Raises
    ------
    ValueError
        If the table or the options do not tell, the files of most particles are absent, or names
        may mean several.
    """
    from sksubtomo.io import find_tomograms, tomogram_stem

    given, names = given_tomograms(options), particles.tomogram_names
    known = given.files if given.star is None else {}
    if names is None:
        files = list(known.values())
        if len(files) != 1:
            raise ValueError(
                f"{table} does not say which tomogram a particle is in (rlnTomoName); that is fine "
                "for one tomogram only."
            )
        name = tomogram_stem(files[0])
        return LocatedTomograms(np.full(len(particles), name), {name: files[0]}, {})
    said = dict(particles.tomogram_files or {})
    if not said and not given.files:
        raise ValueError(
            f"{given.star or table} does not say where tomograms are. Give them by --tomograms."
        )
    try:
        if given.star is not None:
            # Files that are given go before those that RELION's table names.
            known = said | find_tomograms(names, given.files, missing="ignore")
        found = find_tomograms(names, known or said, missing="ignore")
        if 2 * np.isin(names, list(found)).sum() < len(names):
            find_tomograms(names, known or said)
    except ValueError as error:
        raise _with_remedy(table, error) from error
    absent = dict.fromkeys(name for name in names.tolist() if name not in found)
    return LocatedTomograms(
        names, found, {name: _why_absent(table, name, known or said) for name in absent}
    )


def _why_absent(table: Path, name: str, files: Mapping[str, Path]) -> str:
    from sksubtomo.io import find_tomograms

    try:
        find_tomograms([name], files)
    except ValueError as error:
        return str(_with_remedy(table, error))
    return f"{table}: no file of it is given."


def _with_remedy(table: Path, error: ValueError) -> ValueError:
    return ValueError(f"{table}: {error} A mapping is given by --tomogram-map.")


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return a name of a folder for each tomogram, no two of them alike."""
    from sksubtomo.io import tomogram_stem

    folders: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.+-]+", "_", tomogram_stem(name)).lstrip(".") or "tomogram"
        number, folder = 1, plain
        while folder in folders.values():
            number += 1
            folder = f"{plain}_{number}"
        folders[name] = folder
    return folders


def over_tomograms(
    files: Mapping[str, Path],
    work: Callable[[str, Path], None],
    failed: Callable[[str, Exception], None],
) -> None:
    """Do one tomogram after the other, whatever becomes of each.

    Parameters
    ----------
    files : mapping of str to Path
        File of each tomogram.
    work : callable
        Gets the name of a tomogram and its file.
    failed : callable
        Gets the name of a tomogram whose work raised an error, and the error.
    """
    for name in sorted(files):
        check_interrupt()
        try:
            work(name, files[name])
        except (ChildProcessError, ConnectionError):
            raise  # the workers' fault, not the tomogram's
        except (ValueError, OSError) as error:
            if is_of_output(error):
                raise  # no room for what is written, which no tomogram is to blame for
            failed(name, error)
