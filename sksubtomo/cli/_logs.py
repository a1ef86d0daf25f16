"""Messages on the screen and in the file of ``--log``."""

from __future__ import annotations

import argparse
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sksubtomo._utils._destination import check_file, check_room, output_errors

logger = logging.getLogger("sksubtomo")


@contextmanager
def logging_to(options: argparse.Namespace) -> Iterator[None]:
    """Send messages to the standard error stream, and to a file if asked.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from sksubtomo._utils._messages import shorten

    screen = _Screen()
    screen.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    screen.setLevel(logging.WARNING if options.quiet else logging.NOTSET)
    handlers: list[logging.Handler] = [screen]
    if options.log is not None:
        handlers.append(_opened(options))
    level = logger.level
    logger.setLevel(logging.DEBUG if options.debug else logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = lambda message, *_args, **_kwargs: logger.warning(
                "%s", shorten(message)
            )
            yield
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def show(line: str) -> None:
    """Print a line of a result.

    Raises
    ------
    OSError
        If it cannot be printed.
    """
    try:
        print(line)
    except OSError as error:
        raise OSError(f"Standard output cannot be written: {error.strerror}.") from error


class _Screen(logging.StreamHandler):
    """Writes messages above the bars of progress, which stand for the lines on a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        from tqdm import tqdm

        if not self.stream.isatty():
            super().emit(record)
        elif not getattr(record, "is_progress", False):
            with tqdm.external_write_mode(file=self.stream):
                super().emit(record)


class _LogFile(logging.FileHandler):
    """A file of messages; once it cannot be written, the work goes on without it."""

    _has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        if not self._has_failed:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell once, on the screen, that messages are missing."""
        self._has_failed = True
        logger.warning("%s misses messages from here on: it cannot be written.", self.baseFilename)

    def close(self) -> None:
        """Close the file, without what is still to be written where that is not possible."""
        with suppress(OSError):
            super().close()


def _opened(options: argparse.Namespace) -> _LogFile:
    """Return the file to log to, after what it has already."""
    path: Path = options.log
    target = check_file(path, overwrite=True)
    for name, value in sorted(vars(options).items()):
        for other in value if isinstance(value, list) else [value]:
            if name != "log" and isinstance(other, Path) and _is_same(other, target):
                raise FileExistsError(f"--log {path} is another file of this command.")
    check_room(path, target.parent, 0)
    with output_errors(path, always=True):
        handler = _LogFile(target)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
    return handler


def _is_same(path: Path, target: Path) -> bool:
    try:
        return os.path.realpath(path) == os.path.realpath(target)
    except OSError:
        return False
