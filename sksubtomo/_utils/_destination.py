"""Where files and folders are to be written: what is wrong with it, said before any work."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sksubtomo._utils._messages import shorten

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Only writing meets these.
_OF_OUTPUT = {*_NO_ROOM, errno.EROFS}
_NO_PERMISSION = {errno.EACCES, errno.EPERM}
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_WRITE_BITS = 0o222
# A block: the least that any file takes.
_LEAST_BYTES = 4096
# Attribute of an error that already says which output it is about.
_OUTPUT = "output"
_LONGEST_NAME = 255


def is_of_output(error: BaseException | None) -> bool:
    """Tell whether an error comes from writing, whatever is read meanwhile: no room, say."""
    return isinstance(error, OSError) and error.errno in _OF_OUTPUT


def destination(path: str | os.PathLike[str]) -> Path:
    """Return where a file or folder would really be written: links are followed.

    Raises
    ------
    OSError
        If the name is too long, links lead in a circle, or the folder may not be looked into.
    """
    path = Path(path)
    with output_errors(path, always=True):
        if not stat.S_ISLNK(_mode(path, follow=False) or 0):
            return path
        target = Path(os.path.realpath(path))
        # Raises where links lead in a circle.
        _mode(target)
    return target


def check_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Check that a file can be written, and return where: links are followed.

    Parameters
    ----------
    path : path-like
        The file.
    overwrite : bool
        Whether there may be one already.

    Raises
    ------
    FileExistsError
        If there is one and `overwrite` is False.
    FileNotFoundError, IsADirectoryError, PermissionError, OSError
        If it cannot be written; the message says why, and what to do.
    """
    target = destination(path)
    with output_errors(path, always=True):
        # Of the path, since links below /proc lead to pipes that have no name.
        mode = _mode(Path(path))
    if mode is not None:
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"{path} is a folder. Name a file in it.")
        if not stat.S_ISREG(mode):
            raise OSError(
                f"{path} is {kind_of(path)}, which cannot be replaced whole. Name another file."
            )
        if not overwrite:
            raise FileExistsError(f"{path} exists. Choose another name, or pass overwrite=True.")
        # Replacing it takes no permission but the folder's.
        if not (mode & _WRITE_BITS and os.access(target, os.W_OK)):
            raise PermissionError(
                f"{path} is write-protected. Choose another name, or allow it by `chmod u+w`."
            )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {target.parent} to write {target.name} to.")
    return target


def check_folder(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Check that a folder can be made, and return where: links are followed.

    Parameters
    ----------
    path : path-like
        The folder. Those above it may be missing.
    overwrite : bool
        Whether there may be one already.

    Raises
    ------
    FileExistsError
        If there is one and `overwrite` is False.
    NotADirectoryError, PermissionError, OSError
        If it cannot be made; the message says why, and what to do.
    """
    target = destination(path)
    with output_errors(path, always=True):
        mode = _mode(target)
    if mode is not None and not stat.S_ISDIR(mode):
        raise NotADirectoryError(f"{path} is a file, and no folder. Choose another name.")
    if mode is not None and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or remove it.")
    above = existing_folder(target.parent)
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is a file, so that {path} cannot be made in it.")
    for name in target.relative_to(above).parts if target != above else ():
        if len(os.fsencode(name)) > _longest_name(above):
            raise _error(path, OSError(errno.ENAMETOOLONG, ""))
    return target


def check_room(path: str | os.PathLike[str], folder: Path, n_bytes: int) -> None:
    """Check that a file system has room for so many bytes.

    Raises
    ------
    OSError
        If it has less.
    """
    with output_errors(path, always=True):
        free = shutil.disk_usage(folder).free
    needed = max(n_bytes, _LEAST_BYTES)
    if free < needed:
        error = OSError(
            f"{path} needs about {_size(needed)}, and there is room for {_size(free)} on the disk "
            f"of {folder}. Free some, or write to another disk."
        )
        error.errno = errno.ENOSPC
        raise error


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """Return what there is under a name, links followed, such as "a file"; None if nothing."""
    try:
        mode = _mode(Path(path))
    except OSError:
        return None  # a name that is too long, or links in a circle
    return None if mode is None else _KINDS.get(stat.S_IFMT(mode), "something else")


def existing_folder(folder: Path) -> Path:
    """Return the lowest of a folder and those above it that is there."""
    while folder.parent != folder:
        try:
            if _mode(folder) is not None:
                break
        except OSError:
            pass  # said of the output itself
        folder = folder.parent
    return folder


@contextmanager
def output_errors(
    path: str | os.PathLike[str], *, always: bool = False, within: Path | None = None
) -> Iterator[None]:
    """Let what the system says of writing name the output, and what to do.

    Parameters
    ----------
    path : path-like
        The output.
    always : bool, default=False
        Whether all that happens inside is writing. Otherwise, other files may be read, and only
        what comes from writing for certain is taken for that: a full or read-only disk.
    within : Path, optional
        A temporary folder, which is to become `path`. Of the files in it, `path` is said.

    Raises
    ------
    OSError
        Of the same class as what is raised inside.
    """
    try:
        yield
    except Exception as error:
        # Libraries that close files after a failure may fail again, and raise something else.
        first: BaseException | None = error
        while first is not None and not is_of_output(first):
            first = first.__cause__ or first.__context__
        if first is None and always and isinstance(error, OSError) and error.strerror:
            first = error
        if not isinstance(first, OSError):
            raise
        said = Path(vars(first).get(_OUTPUT, path))
        if said != path and (within is None or within not in said.parents):
            raise first from error
        raise _error(path, first) from error


def _error(path: str | os.PathLike[str], error: OSError) -> OSError:
    """Return an error that names the output and a remedy."""
    folder = Path(path).parent
    if error.errno in _NO_ROOM:
        said = f"There is no room for {path}. Free some, or write to another disk"
    elif error.errno == errno.EROFS:
        said = f"{path} is on a disk that can only be read. Write to another one"
    elif error.errno in _NO_PERMISSION:
        said = f"There is no permission to write {path}. Ask for it, or write to another folder"
    elif error.errno == errno.ENAMETOOLONG:
        said = (
            f"The name {shorten(path, 200)} is too long for its disk, which takes "
            f"{_longest_name(existing_folder(folder))} bytes. Choose a shorter one"
        )
    elif error.errno == errno.ELOOP:
        said = f"{path} is a link that leads in a circle. Remove it, or choose another name"
    else:
        said = f"{path} cannot be written. Write to another folder"
    reason = f" ({error.strerror})" if error.strerror else ""
    kind = PermissionError if error.errno in _NO_PERMISSION else OSError
    told = kind(f"{said}{reason}.")
    told.errno = error.errno
    vars(told)[_OUTPUT] = path
    return told


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, ValueError, OSError):
        return _LONGEST_NAME


def _mode(path: Path, *, follow: bool = True) -> int | None:
    """Return the kind and the permissions of a file or folder; None where there is none."""
    try:
        return os.stat(path, follow_symlinks=follow).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _size(n_bytes: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{n_bytes / 1e3:.3g} kB"
