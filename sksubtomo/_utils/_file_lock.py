"""One process at a time, by a file beside the one that is guarded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(
    path: str | os.PathLike[str], *, refusal: str | None = None, seconds: float = 0.0
) -> Iterator[None]:
    """Hold the lock of a file, which ends with the process, however that ends.

    The file may come and go inside. The lock is a hidden file beside it; one that a killed process
    left is taken over by the next.

    Parameters
    ----------
    path : path-like
        What is guarded.
    refusal : str, optional
        Message where another process has the lock; by default one of this function.
    seconds : float, default=0
        How long to wait for the lock.

    Raises
    ------
    BlockingIOError
        If another process has it.
    """
    from filelock import FileLock, Timeout

    path = Path(path)
    beside = path.with_name(f".{path.name}.lock")
    lock = FileLock(beside)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise BlockingIOError(refusal or f"Another process uses {path}.") from None
    try:
        yield
    finally:
        # While the lock is held: who opened the file before it is gone will see that, and try
        # again with a new one. On Windows, it can only be removed afterwards.
        with suppress(OSError):
            beside.unlink()
        lock.release()
        if os.name == "nt":
            with suppress(OSError):
                beside.unlink()
