"""Writing files whole or not at all, and reading files that may be damaged."""

from __future__ import annotations

import mmap
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sksubtomo._utils._destination import check_file, check_folder, kind_of, output_errors
from sksubtomo._utils._interrupts import about_to_publish, uninterrupted
from sksubtomo._utils._messages import shorten
from sksubtomo._utils._publish import (
    exchange,
    keep_permissions,
    link_new,
    make_above,
    move_new,
    remove_if_empty,
    sync,
    sync_all,
)
from sksubtomo._utils._reserve import release, taken_over
from sksubtomo._utils._temporary import Temporary, remove_leftovers
from sksubtomo.exceptions import FileFormatError

# Folders being written, which are made safe as a whole before they come into their place.
_unpublished: set[str] = set()
# Where this process has looked for what killed runs left.
_tidied: set[str] = set()


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path to write to, which becomes `path` if all goes well.

    The path is that of an empty file. What it becomes is on the disk, not only in the memory of the
    system, before it appears. A link is followed, and permissions of what is replaced are kept.

    Parameters
    ----------
    path : path-like
        Where the file shall be.
    overwrite : bool
        Whether there may be a file already. Until the new one is complete, it stays.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is False, even one that has appeared meanwhile.
    FileNotFoundError, IsADirectoryError, PermissionError, OSError
        If it cannot be written, or the disk is full; the message names the file.
    """
    path = Path(path)
    target = check_file(path, overwrite=overwrite)
    is_part = _is_unpublished(target)
    temporary = taken_over(target)
    if temporary is None:
        with output_errors(path, always=True):
            if not is_part:
                _tidy(target.parent)
            temporary = Temporary(target, locked=not is_part)
    try:
        with output_errors(path):
            yield temporary.path
        with output_errors(path, always=True):
            keep_permissions(target, temporary.path)
            if not is_part:
                sync(temporary.path)
            about_to_publish(path)
            if overwrite:
                os.replace(temporary.path, target)
            else:
                link_new(temporary.path, target, path)
            if not is_part:
                sync(target.parent)
    finally:
        temporary.close()


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to write to, which becomes `path` if all goes well.

    Parameters
    ----------
    path : path-like
        Where the folder shall be. Folders above it are made.
    overwrite : bool, default=False
        Whether there may be a folder already, which is removed with all that is in it. Until the
        new one is complete, it stays.

    Raises
    ------
    FileExistsError
        If it is there already and `overwrite` is False.
    NotADirectoryError, PermissionError, OSError
        If it cannot be made, or the disk is full; the message names the folder.
    """
    path = Path(path)
    target = check_folder(path, overwrite=overwrite)
    is_part = _is_unpublished(target)
    made: list[Path] = []
    former = target.with_name(f".sksubtomo-{uuid.uuid4().hex}")
    try:
        with output_errors(path, always=True):
            make_above(target.parent, made)
            if not is_part:
                _tidy(target.parent)
            release(target)
            temporary = Temporary(target, is_folder=True, locked=not is_part)
        inside = os.path.realpath(temporary.path)
        _unpublished.add(inside)
        try:
            with output_errors(path, within=temporary.path):
                yield temporary.path
            with output_errors(path, always=True):
                if not is_part:
                    sync_all(temporary.path)
                about_to_publish(path)
                with uninterrupted():
                    if overwrite and target.exists():
                        exchange(temporary.path, target, former)
                    else:
                        move_new(temporary.path, target, path)
                if not is_part:
                    sync(target.parent)
            made.clear()
        finally:
            _unpublished.discard(inside)
            temporary.close()
            shutil.rmtree(former, ignore_errors=True)
    finally:
        for folder in made:
            remove_if_empty(folder)


def _tidy(folder: Path) -> None:
    """Remove what killed runs left in a folder, the first time that something is written there."""
    key = os.path.realpath(folder)
    if key not in _tidied:
        _tidied.add(key)
        remove_leftovers(folder)


def _is_unpublished(target: Path) -> bool:
    """Tell whether a file or folder is within one that is being written."""
    if not _unpublished:
        return False
    above = os.path.realpath(target.parent)
    return any(above == one or above.startswith(one + os.sep) for one in _unpublished)


def check_is_file(path: Path, what: str = "file") -> None:
    """Check that a file to be read is one: reading a pipe or a device need not end.

    Raises
    ------
    FileNotFoundError
        If there is none, or it is a folder, a pipe, a device or a socket, which is said.
    """
    kind = kind_of(path)
    if kind is None:
        raise FileNotFoundError(f"There is no {what} {path}.")
    if kind != "a file":
        raise FileNotFoundError(f"{path} is {kind}, and no file.")


class BoundedFile:
    """A file of which nobody reads more than there is: Python allocates what it is asked for.

    Parameters
    ----------
    file : file object
        Open for reading bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n_bytes = os.fstat(file.fileno()).st_size
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.readline = file.readline

    def read(self, n: int | None = -1) -> bytes:
        """Return the next bytes, at most as many as are left."""
        left = max(self.n_bytes - self._file.tell(), 0)
        return self._file.read(left if n is None or n < 0 else min(n, left))


@contextmanager
def errors_of_damage(path: Path, kind: str, remedy: str) -> Iterator[None]:
    """Turn whatever a damaged file raises into an error that names the file.

    What the system says (no permission, a disk that fails) stays what it is, and so does a lack of
    memory or of a package.

    Parameters
    ----------
    path : Path
        The file that is read within.
    kind : str
        What it is read as, such as "an MRC file".
    remedy : str
        A sentence on what to do.

    Raises
    ------
    FileFormatError
        If anything but these is raised.
    """
    try:
        yield
    except (FileFormatError, ImportError, MemoryError):
        raise
    except OSError as error:
        # Modules for compressed files raise it without a number.
        if error.errno is None:
            raise _damage(path, kind, remedy, error) from error
        if error.filename is None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    except Exception as error:
        raise _damage(path, kind, remedy, error) from error


def _damage(path: Path, kind: str, remedy: str, error: Exception) -> FileFormatError:
    # Some errors say nothing but their name.
    said = shorten(str(error) or type(error).__name__, 300).rstrip(".")
    return FileFormatError(f"{path} cannot be read as {kind}: {said}. {remedy}")


def release_pages(array: Any) -> bool:
    """Give back the memory of those pages of a mapped file that were read or written.

    They count as memory of the process for as long as the file is mapped. What was written to a
    shared mapping goes on to the file; what is asked for again is read again.

    Parameters
    ----------
    array : ndarray
        Any array; without a mapping behind it, nothing happens.

    Returns
    -------
    mapped : bool
        Whether there is a mapping behind the array.
    """
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)
    return array is not None
