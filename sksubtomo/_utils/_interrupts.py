"""Ending work in an orderly way when somebody asks for it, by a signal or by a file."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

# A second signal within this time does not interrupt what the first one made to be cleaned up.
_SECONDS_TO_CLEAN_UP = 5.0
_SECONDS_BETWEEN_CHECKS = 1.0
# A signal that comes while a module is imported is sent again after so long, at most for so long: a
# program may run all of its work in an import.
_SECONDS_TO_IMPORT = 0.05
_LONGEST_IMPORT = 10.0


class Interrupted(KeyboardInterrupt):
    """Somebody asked for the end of the work.

    Parameters
    ----------
    exit_code : int
        What the process is to exit with: 130 after an interrupt, 143 after a SIGTERM.
    reason : str
        Who asked, for the message.

    Attributes
    ----------
    kept : str
        What was kept, for the message; empty where that is nothing.
    """

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
        self.kept = ""


class _Watch:
    """What is watched for requests to end, while the command line runs.

    Parameters
    ----------
    output : Path or None
        Once this file or folder is in its place, requests come too late.
    asked_for : callable
        Returns an exception if the end is asked for by other means than signals, else None.
    """

    def __init__(
        self, output: Path | None, asked_for: Callable[[], Interrupted | None] = lambda: None
    ) -> None:
        self.output = None if output is None else os.path.abspath(output)
        self.asked_for = asked_for
        self.request: Interrupted | None = None
        self.requested_at = self.checked_at = 0.0
        self.deferred_at: float | None = None
        self.is_done = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.is_done:
            return
        now = time.monotonic()
        self.deferred_at = self.deferred_at or now
        # Raised into the start of a library in C++, an exception aborts the process.
        if _is_importing(frame) and now - self.deferred_at < _LONGEST_IMPORT:
            again = threading.Timer(_SECONDS_TO_IMPORT, self._send_again, (number,))
            again.daemon = True
            again.start()
            return
        self.deferred_at = None
        # An exception may get lost, in a destructor say: then check_interrupt raises it again.
        if self.request is not None and now - self.requested_at < _SECONDS_TO_CLEAN_UP:
            return
        self.request = Interrupted(128 + number, f"Interrupted by {signal.Signals(number).name}")
        self.requested_at = now
        raise self.request

    def _send_again(self, number: int) -> None:
        # Once the work is over, the signal came too late.
        if _watch is self:
            os.kill(os.getpid(), number)

    def check(self) -> None:
        """Raise the request to end, if there is one."""
        if self.is_done:
            return
        now = time.monotonic()
        if self.request is None and now - self.checked_at >= _SECONDS_BETWEEN_CHECKS:
            self.checked_at = now
            self.request = self.asked_for()
        if self.request is not None:
            raise self.request


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


_watch: _Watch | None = None
_has_published = False


def check_interrupt() -> None:
    """Raise KeyboardInterrupt if the command line was asked to end; elsewhere, do nothing.

    To be called between the steps of long work, in the main thread or another one.
    """
    if _watch is not None:
        _watch.check()


def about_to_publish(path: str | os.PathLike[str]) -> None:
    """Tell that a file or folder comes into its place next.

    If it is the output of the command line, this is the last moment to end without it; from here on
    requests to end are ignored, so that the exit code says truly whether the output is there.
    """
    global _has_published
    if _watch is not None and _watch.output == os.path.abspath(path):
        _watch.check()
        _watch.is_done = _has_published = True


def has_published() -> bool:
    """Tell whether the output of the command line has come into its place, or is about to."""
    return _has_published


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore requests to end inside, to put away what there is after the first one."""
    if _watch is None:
        yield
        return
    before, _watch.is_done = _watch.is_done, True
    try:
        yield
    finally:
        _watch.is_done = before


@contextmanager
def ending_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise :class:`Interrupted` inside, and end the process once that has come out.

    So what is inside can be put away, and the process ends as it would have. Where somebody else
    handles the signal, or in another thread than the main one, it does nothing.
    """
    default = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        with watching(None, signals=[signal.SIGTERM]):
            yield
    except Interrupted as request:
        if request.exit_code == 128 + signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGTERM)
        raise


@contextmanager
def watching(
    output: Path | None,
    asked_for: Callable[[], Interrupted | None] = lambda: None,
    signals: Sequence[int] = (signal.SIGINT, signal.SIGTERM),
) -> Iterator[None]:
    """Turn signals into :class:`Interrupted` inside, which is a KeyboardInterrupt.

    Parameters
    ----------
    output : Path or None
        Once :func:`about_to_publish` is told of this path, requests come too late.
    asked_for : callable, optional
        Returns the exception to raise if the end is asked for by other means, else None. It is
        called about once a second by :func:`check_interrupt`.
    signals : sequence of int, default=(SIGINT, SIGTERM)
        Which.
    """
    global _watch, _has_published
    before, _watch = _watch, _Watch(output, asked_for)
    _has_published = False
    handlers: dict[int, Any] = {}
    try:
        # Only the main thread may set handlers.
        if threading.current_thread() is threading.main_thread():
            for one in signals:
                handlers[one] = signal.signal(one, _watch.handle)
        yield
    finally:
        _watch.is_done = True
        for number, handler in handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        _watch = before
