"""The journal of clicks: a file that only grows."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.exceptions import FileFormatError

#: Labels of candidates that nobody has looked at, and that somebody was not sure about.
UNLABELED, UNSURE = -1, 0
MOST_CLASSES = 9
_LONGEST_TEXT = 100

logger = logging.getLogger("sksubtomo")


@dataclass(frozen=True)
class Click:
    """One line of the journal.

    Parameters
    ----------
    id : str
        Different for every click, of whichever session.
    time_ns : int
        When, in nanoseconds since 1970.
    user : str
        Who clicked; every tab is one.
    row : int
        Which candidate.
    label : int
        Class number from 1, 0 for "not sure", -1 for no label.
    undoes : str or None
        The click that this one takes back; the candidate is as if there had not been any.
    """

    id: str
    time_ns: int
    user: str
    row: int
    label: int
    undoes: str | None = None


class Journal:
    """Clicks in a file of JSON lines, each on the disk before anybody is told that it is there.

    Several processes may write to one file: they take turns by a lock on it, and see each
    other's clicks.

    Parameters
    ----------
    path : Path
        The file; it is made by the first click.
    n_rows, n_classes : int
        How many candidates and classes there are.

    Attributes
    ----------
    clicks : list of Click
        In the order of the file.

    Raises
    ------
    FileFormatError
        If a line is no click, or of a candidate or class that there is not. A last line without
        its end, of a process that was killed while it wrote, is taken off, with a warning: nobody
        was told that it was there.
    """

    def __init__(self, path: Path, n_rows: int, n_classes: int) -> None:
        self.path, self._n_rows, self._n_classes = path, n_rows, n_classes
        self.clicks: list[Click] = []
        self._ids: set[str] = set()
        self._n_bytes = self._n_lines = 0
        self._lock = threading.RLock()
        if path.exists():
            with self._opened() as file:
                self._catch_up(file)

    def add(
        self, user: str, rows: Iterable[int], labels: Iterable[int], undoes: str | None = None
    ) -> list[Click]:
        """Write clicks, all or none; on return they are on the disk.

        Raises
        ------
        OSError
            If they cannot be written, as on a full disk. The file is as it was.
        """
        with self._lock, self._opened() as file:
            self._catch_up(file)
            last = max((one.time_ns for one in self.clicks[-1:]), default=0)
            now = max(time.time_ns(), last + 1)
            new = [
                Click(uuid.uuid4().hex, now + place, user, int(row), int(label), undoes)
                for place, (row, label) in enumerate(zip(rows, labels, strict=True))
            ]
            self._append(file, new)
            return new

    def refresh(self) -> int:
        """Read what other processes have written, and return how many clicks there are."""
        with self._lock:
            if self.path.exists() and self.path.stat().st_size != self._n_bytes:
                with self._opened() as file:
                    self._catch_up(file)
            return len(self.clicks)

    def merge(self, path: Path) -> int:
        """Add the clicks of another journal of the same candidates, and return how many are new.

        Both people's clicks stay; the last one of a candidate holds.
        """
        others = Journal(path, self._n_rows, self._n_classes)
        with self._lock, self._opened() as file:
            self._catch_up(file)
            new = [one for one in others.clicks if one.id not in self._ids]
            self._append(file, new)
            return len(new)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Yield the file, which no other process writes to meanwhile."""
        is_new = not self.path.exists()
        with open(self.path, "a+b", buffering=0) as file, _locked(file):
            if is_new:
                _sync_folder(self.path.parent)
            yield file

    def _catch_up(self, file: BinaryIO) -> None:
        """Read from where the last reading ended; take off a line without its end."""
        if file.seek(0, os.SEEK_END) < self._n_bytes:
            raise FileFormatError(
                f"{self.path} has become shorter: clicks that were there are gone. End all "
                "sessions of it, and put back what was there."
            )
        file.seek(self._n_bytes)
        text = _read_all(file)
        whole, end, torn = text.rpartition(b"\n")
        if torn:
            logger.warning(
                "%s: the last line has no end, as after a crash; it is taken off. Nobody was told "
                "that this click was there: %s",
                *(self.path, shorten(ascii(torn.decode(errors="replace")), 120)),
            )
            file.truncate(self._n_bytes + len(whole) + len(end))
            os.fsync(file.fileno())
        for line in whole.split(b"\n") if end else []:
            self._n_lines += 1
            self._take(self._parsed(line))
        self._n_bytes += len(whole) + len(end)

    def _append(self, file: BinaryIO, clicks: Sequence[Click]) -> None:
        if not clicks:
            return
        text = b"".join(json.dumps(_as_dict(one)).encode() + b"\n" for one in clicks)
        try:
            written = 0
            while written < len(text):
                written += file.write(text[written:])
            os.fsync(file.fileno())
        except OSError:
            file.truncate(self._n_bytes)
            raise
        self._n_bytes += len(text)
        self._n_lines += len(clicks)
        for one in clicks:
            self._take(one)

    def _take(self, click: Click) -> None:
        if click.id not in self._ids:
            self._ids.add(click.id)
            self.clicks.append(click)

    def _parsed(self, line: bytes) -> Click:
        try:
            click = Click(**json.loads(line))
            if not all(isinstance(one, str) for one in (click.id, click.user)):
                raise ValueError("id and user must be texts")
            if not isinstance(click.undoes, str | None):
                raise ValueError("undoes must be the id of a click")
            if type(click.time_ns) is not int:
                raise ValueError("time_ns must be a whole number")
            check_click(click.row, click.label, self._n_rows, self._n_classes)
        except (TypeError, ValueError, RecursionError) as error:
            raise FileFormatError(
                f"{self.path}: line {self._n_lines} is no click of this session: "
                f"{shorten(error, 200)}. Mend or remove that line; the others stay."
            ) from error
        return click


def check_click(row: Any, label: Any, n_rows: int, n_classes: int) -> None:
    """Check a candidate and its label.

    Raises
    ------
    ValueError
        If there is no such candidate or class.
    """
    if type(row) is not int or not 0 <= row < n_rows:
        raise ValueError(
            f"row={shorten(repr(row), 40)} must be a whole number from 0 to {n_rows - 1}"
        )
    if type(label) is not int or not UNLABELED <= label <= n_classes:
        raise ValueError(
            f"label={shorten(repr(label), 40)} must be 1 to {n_classes} for "
            f"{'the class' if n_classes == 1 else 'a class'}, 0 for not sure, or -1 for none"
        )


def check_user(user: Any) -> str:
    """Return the name of who clicks, after checking it.

    Raises
    ------
    ValueError
        If it is no text, or a long one.
    """
    if not isinstance(user, str) or len(user) > _LONGEST_TEXT or not user.isprintable():
        raise ValueError(
            f"user={shorten(repr(user), 40)} must be a printable text of at most "
            f"{plural(_LONGEST_TEXT, 'character')}."
        )
    return user


def standing_clicks(clicks: Iterable[Click]) -> list[Click]:
    """Return the clicks that nobody took back, in the order of time.

    Whoever merges two journals, in either order, gets the same.
    """
    ordered = sorted(clicks, key=lambda one: (one.time_ns, one.id))
    undone = {one.undoes for one in ordered if one.undoes is not None}
    return [one for one in ordered if one.undoes is None and one.id not in undone]


def labels_of(clicks: Iterable[Click], n_rows: int) -> NDArray[np.int64]:
    """Return the label of every candidate by its last click that was not taken back.

    Returns
    -------
    labels : ndarray of shape (n_rows,) of int
        Class number from 1, 0 for not sure, -1 for none.
    """
    labels = np.full(n_rows, UNLABELED, dtype=np.int64)
    for one in standing_clicks(clicks):
        labels[one.row] = one.label
    return labels


def _as_dict(click: Click) -> dict[str, Any]:
    content = asdict(click)
    if click.undoes is None:
        del content["undoes"]
    return content


def _read_all(file: BinaryIO) -> bytes:
    parts = []
    while part := file.read(1 << 20):
        parts.append(part)
    return b"".join(parts)


@contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: one process a session
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _sync_folder(folder: Path) -> None:
    """Write the entry of a new file to the disk."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
