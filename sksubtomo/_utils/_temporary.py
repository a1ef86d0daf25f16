"""Temporary files and folders beside the output, which the next run removes after a kill."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import uuid
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Hidden, so that no program that lists a folder takes them for data.
_NAME = re.compile(r"\.sksubtomo-([0-9a-f]{8})-[0-9a-f]{32}(\.\w{1,16})?")
_LONGEST_ENDING = 17
# Of the space that is needed, what is set aside: an emulation, as over NFS, writes to all of it.
_MOST_SET_ASIDE = 2**28
_CANNOT_SET_ASIDE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV}


class Temporary:
    """A file or folder that becomes an output, locked as long as its process lives.

    Parameters
    ----------
    target : Path
        What it is to become, in a folder that is there.
    is_folder : bool, default=False
        Whether it is a folder.
    locked : bool, default=True
        Whether to lock it. What is not locked, nobody may take for the rest of a killed run.

    Attributes
    ----------
    path : Path
        The temporary file or folder, empty at first.
    """

    def __init__(self, target: Path, *, is_folder: bool = False, locked: bool = True) -> None:
        ending = target.suffix if len(os.fsencode(target.suffix)) <= _LONGEST_ENDING else ""
        self._is_folder = is_folder
        self._descriptor: int | None = None
        while True:
            name = f"{_beginning(target)}{uuid.uuid4().hex}{ending}"
            self.path = target.with_name(name)
            if is_folder:
                self.path.mkdir()
                descriptor = os.open(self.path, os.O_RDONLY) if fcntl else None
            else:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            if not locked or descriptor is None or _lock(descriptor) is not False:
                break
            # Another process began to remove it before it was locked.
            os.close(descriptor)
        if locked:
            self._descriptor = descriptor
        elif descriptor is not None:
            os.close(descriptor)

    def set_aside(self, n_bytes: int) -> None:
        """Have the file system keep room for an empty file, where it can.

        Raises
        ------
        OSError
            If there is none.
        """
        if self._descriptor is None or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(self._descriptor, 0, min(n_bytes, _MOST_SET_ASIDE))
        except OSError as error:
            if error.errno not in _CANNOT_SET_ASIDE:
                raise

    def close(self) -> None:
        """Remove it, if it has not become the output, and unlock it."""
        try:
            if self._is_folder:
                shutil.rmtree(self.path, ignore_errors=True)
            else:
                self.path.unlink(missing_ok=True)
        finally:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def remove_leftovers(folder: Path) -> set[str]:
    """Remove what killed runs left in a folder, and return what running ones are writing.

    Parameters
    ----------
    folder : Path
        Where temporary files are looked for.

    Returns
    -------
    beginnings : set of str
        Of the names of temporary files that are in use; see :func:`is_being_written`.
    """
    in_use: set[str] = set()
    try:
        entries = [one for one in os.scandir(folder) if _NAME.fullmatch(one.name)]
    except OSError:
        return in_use  # may be written to all the same
    for entry in entries:
        if entry.is_symlink() or not _is_ours(entry):
            continue
        if _is_in_use(entry):
            in_use.add(entry.name[: len(_beginning(Path("a")))])
    return in_use


def is_being_written(target: Path, in_use: set[str]) -> bool:
    """Tell whether a running process, or this one, is about to write a file."""
    return _beginning(target) in in_use


def _beginning(target: Path) -> str:
    """Return how the names of all temporary files for an output begin."""
    return f".sksubtomo-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]}-"


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        owner = entry.stat(follow_symlinks=False).st_uid
    except OSError:
        return False  # gone meanwhile
    return not hasattr(os, "geteuid") or owner == os.geteuid()


def _is_in_use(entry: os.DirEntry[str]) -> bool:
    """Tell whether a process that is alive has a temporary file or folder; else, remove it.

    Where it cannot be told, it stays.
    """
    if fcntl is None:
        return False
    is_folder = entry.is_dir(follow_symlinks=False)
    try:
        # Locks of network file systems need permission to write.
        descriptor = os.open(entry.path, os.O_RDONLY if is_folder else os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_folder:
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int) -> bool | None:
    """Lock a file or folder; False if it has been removed, None where locks are not known."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return None
    return os.fstat(descriptor).st_nlink > 0
