"""Which file is the tomogram that a table names.

Whoever checks, and whoever reads, asks :func:`find_tomograms`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from sksubtomo._utils._messages import listed, plural, shorten

#: Endings of volumes that can be read.
VOLUME_ENDINGS = (".mrc", ".rec", ".map", ".ccp4", ".em", ".zarr")
_COMPRESSED = (".gz", ".bz2")
# What tables write behind names, too: Warp's tilt series, and stacks of images.
_TABLE_ENDINGS = (*VOLUME_ENDINGS, ".tomostar", ".st", ".mrcs")
# RELION and pytom-match-pick write rec_TS_1; Warp TS_1_10.00Apx; AreTomo TS_1_Vol; IMOD TS_1_rec.
_PREFIX = "rec_"
_SUFFIX = re.compile(r"(?:_[0-9]+(?:\.[0-9]+)?Apx|_Vol|_rec)$")
# copick has the run in a folder: TS_1/VoxelSpacing10.000/wbp.zarr.
_COPICK_FOLDER = re.compile(r"VoxelSpacing[0-9.]+")
# Folders that programs make in every project say nothing of whose data are in them: RELION's
# Tomograms/job006/tomograms, Warp's warp_tiltseries/reconstruction. Nor do drives and parents.
_OF_PROGRAMS = frozenset({"tomograms", "reconstruction", "warp_tiltseries", "tomostar", "/", ".."})
_DRIVE = re.compile(r"[A-Za-z]:")
_JOB = re.compile(r"job[0-9]+")

Tomograms = Sequence[str | os.PathLike[str]] | Mapping[str, Any]


def tomogram_stem(name: str | os.PathLike[str]) -> str:
    """Return the name of a tomogram without its folder and the ending of a file.

    Only endings of volumes and of tilt series are taken off: ``TS_01.v2`` stays.

    Parameters
    ----------
    name : str or path-like
        File of a tomogram, or its name in a table.

    Returns
    -------
    stem : str
        Such as ``TS_01`` of ``tomograms/TS_01.mrc.gz``.

    Examples
    --------
    >>> from sksubtomo.io import tomogram_stem
    >>> [tomogram_stem(name) for name in ("tomograms/TS_01.mrc.gz", "TS_01.tomostar", "TS_01.v2")]
    ['TS_01', 'TS_01', 'TS_01.v2']
    """
    base = _base(str(name))
    for endings in (_COMPRESSED, _TABLE_ENDINGS):
        for ending in endings:
            if base.lower().endswith(ending) and len(base) > len(ending):
                base = base[: -len(ending)]
                break
    return base


def find_tomograms(
    names: Iterable[object], tomograms: Tomograms, *, missing: str = "raise"
) -> dict[str, Any]:
    """Find the file of each tomogram that a table names.

    A name is looked for as it is: among the names that were given, then among the files by their
    name with and without ending. Only then may a file have what programs are known to put around
    the name of a tomogram: ``rec_`` before it, ``_10.00Apx``, ``_Vol`` or ``_rec`` after it; or be
    in the folder of a run of copick. ``TS_1`` is never ``TS_1_2``, nor is ``TS_01.v2`` ``TS_01``.

    Folders in a name must be among those of the file: ``session2/TS_1.mrc`` is never
    ``session1/TS_1.mrc``. Only folders that programs make in every project, such as RELION's
    ``Tomograms/job006/tomograms``, and one that is called as the tomogram may differ.

    Parameters
    ----------
    names : iterable of str
        Names in a table, such as ``TS_01``, ``TS_01.tomostar`` or ``tomograms/TS_01.mrc``.
    tomograms : sequence of path-like, or mapping of str to path-like
        Files, or files by name.
    missing : {"raise", "ignore"}, default="raise"
        What to do about names without a file.

    Returns
    -------
    files : dict of str to Path
        File of each name; in the order of the names, each once.

    Raises
    ------
    ValueError
        If a name may mean several files, a file is that of several names, or a name has no file;
        files of that name in other folders are told.

    Examples
    --------
    >>> from sksubtomo.io import find_tomograms
    >>> files = ["rec_TS_01.mrc", "TS_01_2_10.00Apx.mrc"]
    >>> {name: str(path) for name, path in find_tomograms(["TS_01", "TS_01_2"], files).items()}
    {'TS_01': 'rec_TS_01.mrc', 'TS_01_2': 'TS_01_2_10.00Apx.mrc'}
    """
    if missing not in ("raise", "ignore"):
        raise ValueError(f"missing={missing!r} must be 'raise' or 'ignore'.")
    given = _by_label(tomograms)
    index = _index(given)
    found: dict[str, Any] = {}
    absent = []
    elsewhere: list[str] = []
    for name in dict.fromkeys(map(str, names)):
        fitting, others = _lookup(name, index, given)
        labels = _distinct(_of_nearest_folder(name, fitting), given)
        if len(labels) > 1:
            raise ValueError(
                f"The tomogram {shorten(name, 80)!r} may be any of {listed(labels)}. Give only the "
                "one that is meant, or say it by a mapping of names to files."
            )
        if labels:
            found[name] = given[labels[0]]
        else:
            absent.append(name)
            elsewhere += others
    check_one_name_each(found)
    if absent and missing == "raise":
        other = f" In other folders than named, it may be any of {listed(elsewhere)}."
        raise ValueError(
            f"{plural(len(absent), 'tomogram')} without a file: {listed(absent)}."
            f"{other if elsewhere else ''} {_known(given)} Add the "
            f"{'file' if len(absent) == 1 else 'files'}, or say by a mapping of names to files "
            "which is meant."
        )
    return found


def check_one_name_each(files: Mapping[str, Any]) -> None:
    """Check that no two names mean the same tomogram.

    Raises
    ------
    ValueError
        If two do.
    """
    taken: dict[Any, str] = {}
    for name, file in files.items():
        other = taken.setdefault(_identity(file), name)
        if other != name:
            raise ValueError(
                f"The tomograms {listed([other])} and {listed([name])} would both be read from "
                f"{shorten(_shown(file), 200)}. Give each a file of its own, or one name to both "
                "in the table."
            )


def list_tomograms(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return files, and the volumes in folders and their subfolders.

    Parameters
    ----------
    paths : iterable of path-like
        Files of any name, and folders, in which volumes are told by their endings: ``.mrc``,
        ``.rec``, ``.map``, ``.ccp4``, ``.em``, ``.zarr``, and those compressed (``.gz``,
        ``.bz2``). Hidden files and folders are left out, and so are macOS' ``._`` files.

    Returns
    -------
    files : list of Path
        Each once, those of a folder sorted.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or no volume in a folder.
    """
    files: dict[str, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"There is no tomogram {path}.")
        is_file = path.is_file() or _is_volume(path.name)
        found = [path] if is_file else sorted(_volumes_in(path))
        found = [file for file in found if not file.name.startswith("._")]
        if not found:
            raise FileNotFoundError(
                f"There is no tomogram in {path}; volumes end in {', '.join(VOLUME_ENDINGS)}."
            )
        for file in found:
            # A link to a folder leads to the same files; one to a file may give it another name.
            files.setdefault(os.path.join(os.path.realpath(file.parent), file.name), file)
    return list(files.values())


def _volumes_in(folder: Path) -> Iterator[Path]:
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        # Links may lead in circles.
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        for name in (*names, *folders):
            if _is_volume(name) and not name.startswith("."):
                yield Path(place, name)
        # A Zarr is a folder with many files, none of them a tomogram.
        folders[:] = [one for one in folders if not (one.startswith(".") or _is_volume(one))]


def _is_volume(name: str) -> bool:
    lowered = name.lower()
    for ending in _COMPRESSED:
        lowered = lowered.removesuffix(ending)
    return lowered.endswith(VOLUME_ENDINGS)


def _by_label(tomograms: Tomograms) -> dict[str, Any]:
    """Return what can be found by what it is called."""
    if not isinstance(tomograms, Mapping):
        return {str(path): Path(path) for path in tomograms}
    return {
        str(name): Path(value) if isinstance(value, (str, os.PathLike)) else value
        for name, value in tomograms.items()
    }


def _index(given: Mapping[str, Any]) -> list[dict[str, list[str]]]:
    """Return labels by what a table may call them: as they are, without ending, and undecorated."""
    exact: dict[str, list[str]] = {}
    without_ending: dict[str, list[str]] = {}
    undecorated: dict[str, list[str]] = {}
    for label in given:
        stem = tomogram_stem(label)
        exact.setdefault(_base(label), []).append(label)
        without_ending.setdefault(stem, []).append(label)
        for plain in _undecorated(stem) | _copick_run(label):
            undecorated.setdefault(plain, []).append(label)
    return [exact, without_ending, undecorated]


def _lookup(
    name: str, index: list[dict[str, list[str]]], given: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return the labels that a name may mean, and those that it may mean but for the folders."""
    base, stem = _base(name), tomogram_stem(name)
    if name in index[0].get(base, ()):
        return [name], []
    elsewhere: dict[str, None] = {}
    for table in index:
        for key in dict.fromkeys((base, stem)):
            labels = table.get(key, [])
            fitting = _in_its_folders(name, labels, given)
            if fitting:
                return fitting, []
            elsewhere |= dict.fromkeys(labels)
    return [], list(elsewhere)


def _in_its_folders(name: str, labels: list[str], given: Mapping[str, Any]) -> list[str]:
    """Return those labels whose folders do not contradict those in a name."""
    wanted = _telling_folders(name)
    jobs = {folder for folder in _folders(name) if _JOB.fullmatch(folder)}

    def fits(label: str) -> bool:
        folders = _folders(_whole(label, given[label]))
        other_jobs = {folder for folder in folders if _JOB.fullmatch(folder)}
        if jobs and other_jobs and jobs.isdisjoint(other_jobs):
            return False
        rest = iter(folders)
        # All of them, in this order.
        return not folders or all(folder in rest for folder in wanted)

    return [label for label in labels if fits(label)]


def _telling_folders(name: str) -> list[str]:
    """Return the folders of a name that say whose data are in them."""
    stem = tomogram_stem(name)
    known = {stem, *_undecorated(stem)}
    return [
        folder
        for folder in _folders(name)
        if folder.lower() not in _OF_PROGRAMS
        and folder not in known
        and not (_DRIVE.match(folder) or _JOB.fullmatch(folder))
    ]


def _whole(label: str, value: Any) -> str:
    """Return what says the folders of a label: a file that is there is in a folder of a name."""
    is_file = isinstance(value, Path) and str(value) == label and os.path.exists(value)
    return os.path.abspath(label) if is_file else label


def _of_nearest_folder(name: str, labels: list[str]) -> list[str]:
    """Return those labels that have most of the folders in a name in common with it."""
    folders = _folders(name)

    def n_common(label: str) -> int:
        pairs = zip(reversed(folders), reversed(_folders(label)), strict=False)
        return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))

    common = [n_common(label) for label in labels]
    return [label for label, n in zip(labels, common, strict=True) if n == max(common, default=0)]


def _undecorated(stem: str) -> set[str]:
    """Return a name without one or more of the known decorations."""
    plain: set[str] = set()
    left = [stem]
    while left:
        name = left.pop()
        for shorter in (name.removeprefix(_PREFIX), _SUFFIX.sub("", name)):
            if shorter and shorter != name and shorter not in plain:
                plain.add(shorter)
                left.append(shorter)
    return plain


def _copick_run(label: str) -> set[str]:
    folders = _folders(label)
    if len(folders) > 1 and _COPICK_FOLDER.fullmatch(folders[-1]):
        return {folders[-2]}
    return set()


def _distinct(labels: list[str], given: Mapping[str, Any]) -> list[str]:
    """Return labels of different files: a file may be given twice, by links or by two folders."""
    return list({_identity(given[label]): label for label in labels}.values())


def _identity(value: Any) -> Any:
    return os.path.realpath(value) if isinstance(value, Path) else id(value)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Path) else "the same row of the table of tomograms"


def _known(given: Mapping[str, Any]) -> str:
    if not given:
        return "No tomogram is given."
    return f"Given {'is' if len(given) == 1 else 'are'} {listed(sorted(map(_base, given)))}."


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _folders(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts[:-1]
