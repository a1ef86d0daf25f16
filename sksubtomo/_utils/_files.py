"""Writing files whole or not at all."""

from __future__ import annotations

import mmap
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sksubtomo._utils._interrupts import about_to_publish, uninterrupted
from sksubtomo._utils._messages import shorten
from sksubtomo.exceptions import FileFormatError


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path to write to, which becomes `path` if all goes well.

    Parameters
    ----------
    path : path-like
        Where the file shall be.
    overwrite : bool
        Whether there may be a file already. Until the new one is complete, it stays.

    Raises
    ------
    FileExistsError
        If there is a file and `overwrite` is False.
    FileNotFoundError
        If there is no such folder.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or pass overwrite=True.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to.")
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        about_to_publish(path)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    former = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.mkdir()
        yield temporary
        about_to_publish(path)
        with uninterrupted():
            _exchange(temporary, path, former)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def _exchange(new: Path, path: Path, former: Path) -> None:
    """Move a folder into its place, and what was there out of it."""
    # A folder that is not empty cannot be replaced in one step.
    if path.exists():
        path.replace(former)
    try:
        new.replace(path)
    except BaseException:
        if former.exists():
            former.replace(path)
        raise


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
