"""Making sure, before long work, that its output can be written in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sksubtomo._utils._destination import (
    check_file,
    check_folder,
    check_room,
    existing_folder,
    output_errors,
)
from sksubtomo._utils._temporary import Temporary, is_being_written, remove_leftovers

# What each run in this process has set aside for outputs to come, by their absolute path.
_reserved: list[dict[str, Temporary]] = []


@contextmanager
def reservations() -> Iterator[None]:
    """Give back, in the end, what was reserved inside and has not become an output."""
    _reserved.append({})
    try:
        yield
    finally:
        for temporary in _reserved.pop().values():
            temporary.close()


def reserve(path: Path, *, overwrite: bool, n_bytes: int = 0, is_folder: bool = False) -> None:
    """Make sure, before long work, that its output can be written in the end.

    The temporary file is made, and room for it set aside, until :func:`atomic_path` (or for a
    folder, which may be in folders that are still to be made, :func:`atomic_folder`) takes it over.
    To be called within :func:`reservations`.

    Parameters
    ----------
    path : Path
        The output.
    overwrite : bool
        Whether it may be there already.
    n_bytes : int, default=0
        About how large it will be. May be told by another call once it is known.
    is_folder : bool, default=False
        Whether it is a folder.

    Raises
    ------
    FileExistsError
        If it is there and must not be replaced, or another run is writing it.
    FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, OSError
        If it cannot be written, or there is no room for it; the message names it.
    """
    check = check_folder if is_folder else check_file
    target = check(path, overwrite=overwrite)
    release(target)
    folder = existing_folder(target.parent)
    in_use = remove_leftovers(folder)
    if not overwrite and folder == target.parent and is_being_written(target, in_use):
        raise FileExistsError(
            f"Another run is about to write {path}. Choose another name, or wait for it."
        )
    check_room(path, folder, n_bytes)
    with output_errors(path, always=True):
        temporary = Temporary(folder / target.name)
        _reserved[-1][os.path.abspath(target)] = temporary
        temporary.set_aside(max(n_bytes, 1))


def taken_over(target: Path) -> Temporary | None:
    """Return the empty temporary file that was reserved for an output, if there is one."""
    temporary = _taken(target)
    if temporary is not None:
        os.truncate(temporary.path, 0)
    return temporary


def release(target: Path) -> None:
    """Give back what was reserved for an output."""
    temporary = _taken(target)
    if temporary is not None:
        temporary.close()


def _taken(target: Path) -> Temporary | None:
    return _reserved[-1].pop(os.path.abspath(target), None) if _reserved else None


def allocate(path: str | os.PathLike[str]) -> None:
    """Have the disk keep room for all of a file that is written through a mapping.

    A full disk that is only noticed then ends the process by SIGBUS.

    Raises
    ------
    OSError
        If there is none.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
