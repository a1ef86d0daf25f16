"""Files of tomograms by name, from a file that says so."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from sksubtomo._utils._files import check_is_file
from sksubtomo._utils._messages import listed, plural, shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io._kinds import check_is_text
from sksubtomo.io._names import check_one_name_each, find_tomograms
from sksubtomo.io._relion import as_table, find_file
from sksubtomo.io._tables import read_blocks

_NAMES = ("rlnTomoName", "rlnMicrographName", "tomo_num")
_FILE = "rlnTomoReconstructedTomogram"
# What stands above the columns, if anything does.
_HEADINGS = {"name", "names", "tomogram", "tomogram_name", "tomo", "tomo_num", "rlntomoname"}


def read_tomogram_map(
    path: str | os.PathLike[str], *, tomograms: Sequence[str | os.PathLike[str]] = ()
) -> dict[str, Path]:
    """Read which file belongs to which name of a tomogram.

    Parameters
    ----------
    path : path-like
        Two columns, names and files, separated by white space, tabs or commas, with or without a
        line of headings; lines that begin with ``#`` are comments. Or a STAR file with two
        columns, or with ``rlnTomoName`` and ``rlnTomoReconstructedTomogram``, such as RELION's
        ``tomograms.star``.
    tomograms : sequence of path-like, optional
        Files that the second column may name without their folder.

    Returns
    -------
    files : dict of str to Path
        For :func:`read_particles`, :func:`find_tomograms` and
        :meth:`SubtomogramStack.from_particles`. Files are looked for from the folder of `path`,
        each of its parents, and the current folder.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If a line has not two fields, a name is there twice, a file is that of two names, or is
        not found; the message says in which line.
    ImportError
        If it is a STAR file and pandas is not installed.
    """
    path = Path(path)
    check_is_file(path)
    check_is_text(path, "a map of tomograms")
    pairs = _of_star(path) if path.suffix.lower() == ".star" else _of_text(path)
    files: dict[str, Path] = {}
    for place, name, file in pairs:
        if name in files:
            raise FileFormatError(f"{path} names {shorten(name, 80)!r} again in {place}.")
        files[name] = _located(path, place, file, tomograms)
    if not files:
        raise FileFormatError(f"{path} names no tomogram.")
    try:
        check_one_name_each(files)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from error
    return files


def _of_text(path: Path) -> list[tuple[str, str, str]]:
    """Return places, names and files of a table without labels."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not text in UTF-8.") from error
    pairs: list[tuple[str, str, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in _fields(line)]
        if len(fields) != 2 or not all(fields):
            raise FileFormatError(
                f"{path} has {plural(len(fields), 'field')} in line {number}; each line must be "
                "a name and a file. Separate them by a comma or a tab where they have spaces."
            )
        if pairs or fields[0].lower() not in _HEADINGS:
            pairs.append((f"line {number}", fields[0], fields[1]))
    return pairs


def _fields(line: str) -> list[str]:
    for separator in ("\t", ","):
        if separator in line:
            return next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    return line.split()


def _of_star(path: Path) -> list[tuple[str, str, str]]:
    tables = [as_table(block) for block in read_blocks(path).values()]
    full = [table for table in tables if _FILE in table and any(one in table for one in _NAMES)]
    if full:
        (name, file) = next(one for one in _NAMES if one in full[0]), _FILE
    else:
        full = [table for table in tables if len(table.columns) == 2]
        (name, file) = full[0].columns if full else ("", "")
    if len(full) != 1:
        raise FileFormatError(
            f"{path} has {len(full)} blocks that say the files of tomograms; it must have one, "
            f"with {_NAMES[0]} and {_FILE}, or of two columns."
        )
    rows = enumerate(zip(full[0][name], full[0][file], strict=True), start=1)
    # RELION lists tomograms that are not reconstructed yet, too.
    return [
        (f"row {row}", str(one), other)
        for row, (one, other) in rows
        if isinstance(other, str) and other not in ("", "None")
    ]


def _located(
    path: Path, place: str, file: str, tomograms: Sequence[str | os.PathLike[str]]
) -> Path:
    found = find_file(file, path)
    if found is not None and (found.is_file() or found.suffix.lower() == ".zarr"):
        return found
    try:
        return find_tomograms([file], tomograms)[file]
    except ValueError as error:
        raise FileFormatError(
            f"{path} names in {place} the file {listed([file])}, which is not found from its "
            "folder, from the folders above, or from the current one."
        ) from error
