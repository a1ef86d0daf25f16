"""Keeping memory that was freed, for as long as work needs it again and again."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# Parameters of mallopt, from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_WHILE_WORKING = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}  # no trimming at all
# Where glibc's own adaptation ends up once large blocks were freed; it stops when a parameter is
# set by hand, so its end is what is restored.
_AFTERWARDS = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}

_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")

_lock = threading.Lock()
_n_inside = 0


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Let the C library keep what is freed inside, and give it back to the system at the end.

    By default glibc returns every large block at once, and every new one comes as pages that
    the system has to fill with zeros: with tensors of tens of megabytes that are made and freed in
    every training step, a third of the time. Elsewhere than with glibc, or where environment
    variables set the allocator or another one, nothing is changed.
    """
    global _n_inside
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        if not _n_inside:
            _set(library, _WHILE_WORKING)
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside:
                _set(library, _AFTERWARDS)
                library.malloc_trim(0)


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        library.mallopt(parameter, value)


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is glibc and nobody has set it up otherwise."""
    if any(os.environ.get(name) for name in _SETTINGS):
        return None
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
        library.mallopt, library.malloc_trim  # noqa: B018
    except (AttributeError, OSError, TypeError):
        return None
    return library
