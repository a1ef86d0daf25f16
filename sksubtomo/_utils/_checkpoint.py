"""Checkpoints: what a fit has done, in a file by which the same fit goes on after it was ended."""

from __future__ import annotations

import datetime
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from numbers import Real
from pathlib import Path
from typing import Any

from sksubtomo._utils._archive import Archive, write_archive
from sksubtomo._utils._file_lock import locked
from sksubtomo._utils._files import errors_of_damage
from sksubtomo._utils._fingerprints import differences
from sksubtomo._utils._interrupts import Interrupted, ending_by_sigterm, uninterrupted
from sksubtomo._utils._values import ValueDecoder, ValueEncoder
from sksubtomo.exceptions import CheckpointWarning

_FORMAT, _SCHEMA, _DOCUMENT = "sksubtomo checkpoint", 1, "checkpoint.json"
_REMEDY = "Remove it to begin anew."
_SECONDS_BETWEEN_WRITES = 120.0


class Checkpoint:
    """Where a fit keeps what it has done, and how often it writes it.

    Every ``fit`` with a parameter ``checkpoint`` takes a path or such an object.

    Parameters
    ----------
    path : path-like
        The file. It is written whole or not at all, and runs no code when it is read.
    interval_s : float, default=120
        Seconds from one writing to the next, at least. At the end of an epoch or iteration, it is
        written if that much time has passed; what was not written yet is when the fit is
        interrupted, by Ctrl-C or SIGTERM, or fails. 0 writes at the end of each.
    keep : bool, default=False
        Whether the file stays when the fit has ended. It then holds the end, and the same fit is
        over at once when it is run again. By default, a fit that has ended removes it.

    See Also
    --------
    sksubtomo.persistence.save_model : For what was fitted.

    Examples
    --------
    >>> import os
    >>> import tempfile
    >>> import numpy as np
    >>> from sksubtomo.networks import Liu2019
    >>> from sksubtomo.neural_network import CNNClassifier
    >>> from sksubtomo.persistence import Checkpoint
    >>> X = np.random.default_rng(0).normal(size=(12, 8, 8, 8))
    >>> clf = CNNClassifier(network=Liu2019(n_filters=2), max_epochs=2, random_state=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "fit.checkpoint")
    >>> clf = clf.fit(X, np.arange(12) % 2, checkpoint=Checkpoint(path, keep=True))
    >>> os.path.exists(path)
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        interval_s: float = _SECONDS_BETWEEN_WRITES,
        keep: bool = False,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(
                f"checkpoint is a {type(path).__name__}; it must be a path, or a "
                "sksubtomo.persistence.Checkpoint."
            )
        if not isinstance(interval_s, Real) or not interval_s >= 0:
            raise ValueError(f"interval_s={interval_s!r} must be a number of seconds from 0.")
        self.path: Path = Path(path)
        self.interval_s: float = float(interval_s)
        self.keep: bool = bool(keep)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, interval_s={self.interval_s:g}, keep={self.keep})"


class CheckpointPart:
    """What one fit of those that share a file keeps in it.

    Attributes
    ----------
    state : object or None
        What was kept last, by an earlier run: mappings, lists, numbers, text and arrays. None if
        there is nothing yet.
    needs_fingerprints : bool
        Whether :meth:`begin` has to be called; not of a part of a fit that has done it.
    """

    def __init__(
        self, file: _CheckpointFile, node: dict[str, Any], *, needs_fingerprints: bool = True
    ) -> None:
        self._file, self._node = file, node
        self.needs_fingerprints = needs_fingerprints

    @property
    def state(self) -> Any:
        return self._node["state"]

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def begin(self, fingerprints: Mapping[str, Any]) -> None:
        """Say what is fitted to what; of a new file, write it.

        Parameters
        ----------
        fingerprints : mapping of str to fingerprint
            See :func:`~sksubtomo._utils._fingerprints.fingerprint`.

        Raises
        ------
        ValueError
            If the file is of a fit with other ones; the message names them.
        """
        if self._node["fingerprints"] is None:
            self._node["fingerprints"] = dict(fingerprints)
            self._file.write()
            return
        found = differences(self._node["fingerprints"], fingerprints)
        if found:
            raise ValueError(
                f"The checkpoint {self.path} is of another fit: {'; '.join(found)}. Fit as then "
                "to go on, name another checkpoint, or remove the file to begin anew."
            )

    def keep(self, state: Any) -> None:
        """Take note of what was done; it is written if it is time to.

        Parameters
        ----------
        state : object
            Nobody may change it afterwards.
        """
        self._node["state"] = state
        self._file.note()

    def stay(self) -> None:
        """Let the file stay when the fit has ended, since it was ended before its time."""
        self._file.stays = True

    def part(self, name: str, *, needs_fingerprints: bool = False) -> CheckpointPart:
        """Return what a fit inside of this one keeps, by its name."""
        node = self._node["parts"].setdefault(name, _new_node())
        return CheckpointPart(self._file, node, needs_fingerprints=needs_fingerprints)

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Let errors from a state that cannot be name the file."""
        with errors_of_damage(self.path, "a checkpoint of this fit", _REMEDY):
            yield


@contextmanager
def opened(checkpoint: Any) -> Iterator[CheckpointPart | None]:
    """Yield what a fit keeps in a checkpoint; None without one.

    Parameters
    ----------
    checkpoint : path-like, Checkpoint, CheckpointPart or None
        What ``fit`` was given. A part is that of a fit around it, which has opened the file.

    Raises
    ------
    BlockingIOError
        If another run uses the file.
    FileFormatError
        If the file is damaged, or is no checkpoint.
    FileNotFoundError
        If there is no such folder.
    """
    if checkpoint is None or isinstance(checkpoint, CheckpointPart):
        yield checkpoint
        return
    given = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    with ending_by_sigterm(), _exclusive(given.path):
        file = _CheckpointFile(given)
        try:
            yield CheckpointPart(file, file.tree)
        except BaseException as error:
            with uninterrupted():
                file.flush()
            if isinstance(error, Interrupted) and not error.kept:
                error.kept = f"{given.path} has what was done: run the same again to go on"
            raise
        file.end()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for the checkpoint {path.name}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"The checkpoint {path} is no file. Name another one.")
    refusal = f"Another run uses the checkpoint {path}. Wait for its end, or name another one."
    with locked(path, refusal=refusal):
        yield


class _CheckpointFile:
    """The file, held by one process.

    Parameters
    ----------
    options : Checkpoint
        What the user said.
    """

    def __init__(self, options: Checkpoint) -> None:
        self.path: Path = options.path
        self._options = options
        # One name for all, so that a run finds and replaces what a killed one left.
        self._partial = self.path.with_name(f".{self.path.name}.partial")
        self._partial.unlink(missing_ok=True)
        self.tree = _read(self.path) if self.path.exists() else _new_node()
        self._written_at = time.monotonic()
        self._is_written, self._has_failed = True, False
        self.stays: bool = options.keep

    def note(self) -> None:
        """Write what was noted, if it is time to."""
        self._is_written = False
        if time.monotonic() - self._written_at >= self._options.interval_s:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet; where that fails, warn, and try again later."""
        if self._is_written:
            return
        try:
            self.write()
        except OSError as error:
            self._written_at = time.monotonic()
            if not self._has_failed:
                self._has_failed = True
                warnings.warn(
                    f"The checkpoint {self.path} cannot be written now ({error.strerror or error})."
                    " The fit goes on; what was written before is kept.",
                    CheckpointWarning,
                    stacklevel=2,
                )

    def write(self) -> None:
        """Write the file, whole or not at all."""
        encoder = ValueEncoder()
        document = {
            "format": _FORMAT,
            "schema": _SCHEMA,
            "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "tree": encoder.encode(self.tree, "checkpoint"),
        }
        try:
            write_archive(self._partial, document, encoder.arrays, name=_DOCUMENT)
            _sync(self._partial)
            os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)
        with suppress(OSError):  # not everywhere can a folder be opened
            _sync(self.path.parent)
        self._written_at, self._is_written = time.monotonic(), True

    def end(self) -> None:
        """Remove the file, or write the end, as the user said."""
        if self.stays:
            self.flush()
        else:
            self.path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_node() -> dict[str, Any]:
    return {"fingerprints": None, "state": None, "parts": {}}


def _read(path: Path) -> dict[str, Any]:
    """Return what is in a file, after checking all of it.

    Raises
    ------
    FileFormatError
        If it is damaged, or no checkpoint.
    """
    with errors_of_damage(path, "a checkpoint", _REMEDY), Archive(path, _DOCUMENT) as archive:
        document = archive.document
        if document.get("format") != _FORMAT or document.get("schema") != _SCHEMA:
            raise ValueError("it is of another kind, or of another version of sksubtomo")
        archive.described()
        tree = ValueDecoder(archive.array, len(document["arrays"])).decode(document["tree"])
        _check_node(tree)
        return tree


def _check_node(node: Any) -> None:
    if not isinstance(node, dict) or set(node) != set(_new_node()):
        raise ValueError("it does not say what was fitted to what")
    if not isinstance(node["parts"], dict) or not isinstance(node["fingerprints"], dict | None):
        raise ValueError("it does not say what was fitted to what")
    for part in node["parts"].values():
        _check_node(part)
