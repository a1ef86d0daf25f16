"""Bringing files and folders into their place, so that they are there after a crash."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from sksubtomo._utils._destination import existing_folder

# Of renameat2(2).
_HERE, _NO_REPLACE, _EXCHANGE = -100, 1, 2
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


def keep_permissions(target: Path, temporary: Path) -> None:
    """Give a file the permissions, and if possible the owner, of the one that it replaces."""
    try:
        former = os.stat(target)
    except FileNotFoundError:
        return
    new = os.stat(temporary)
    if (new.st_uid, new.st_gid) != (former.st_uid, former.st_gid) and hasattr(os, "chown"):
        # Only root may give files away.
        with suppress(PermissionError):
            os.chown(temporary, former.st_uid, former.st_gid)
    os.chmod(temporary, stat.S_IMODE(former.st_mode))


def link_new(temporary: Path, target: Path, path: Path) -> None:
    """Give a file its name, unless another process was faster."""
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        raise _appeared(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # File systems without links: whoever can make the file may replace it.
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError as other:
            raise _appeared(path) from other
        os.replace(temporary, target)


def _appeared(path: Path) -> FileExistsError:
    return FileExistsError(
        f"{path} has appeared in the meantime, and is kept as it is. Choose another name."
    )


def move_new(new: Path, target: Path, path: Path) -> None:
    """Give a folder its name, unless another process was faster."""
    if _rename(new, target, _NO_REPLACE):
        return
    if target.exists():
        raise _appeared(path)
    new.replace(target)


def exchange(new: Path, target: Path, former: Path) -> None:
    """Move a folder into its place, and what was there out of it.

    Parameters
    ----------
    new, target : Path
        The folder, and where it shall be.
    former : Path
        Where what was there is moved; or to `new`, where the system can do both at once.
    """
    os.chmod(new, stat.S_IMODE(target.stat().st_mode))
    if _rename(new, target, _EXCHANGE):
        return
    # A folder that is not empty cannot be replaced in one step.
    target.replace(former)
    try:
        new.replace(target)
    except BaseException:
        former.replace(target)
        raise


def _rename(source: Path, target: Path, how: int) -> bool:
    """Rename as only Linux can, and tell whether that was done."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, TypeError, AttributeError):
        return False
    here = ctypes.c_int(_HERE)
    return renameat2(here, os.fsencode(source), here, os.fsencode(target), ctypes.c_uint(how)) == 0


def make_above(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; add those that were missing, lowest first."""
    above = [folder, *folder.parents]
    missing = above[: above.index(existing_folder(folder))]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        made.insert(0, one)


def remove_if_empty(folder: Path) -> None:
    # Somebody else may use it.
    with suppress(OSError):
        folder.rmdir()


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # folders of Windows cannot be opened
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems do not know it of folders.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Have the system write a folder with all that is in it to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # One call for the file system, instead of one for each of maybe many thousand boxes.
        if ctypes.CDLL(None).syncfs(descriptor) == 0:
            return
    except (OSError, TypeError, AttributeError):
        pass  # not of this system
    finally:
        os.close(descriptor)
    for place, _, names in os.walk(folder):
        for name in names:
            sync(Path(place, name))
        sync(Path(place))
