"""Workers that end when the process that they work for is gone."""

from __future__ import annotations

import os
import threading
import time

_SECONDS_BETWEEN_LOOKS = 1.0
_watched: set[int] = set()
_lock = threading.Lock()


def end_with_parent(caller: int) -> None:
    """Let this process end soon after its parent, if that is the one which gives it work.

    joblib's workers hold both ends of the pipe that they wait on, so that they do not notice when
    the process that started them is killed, and wait for minutes.

    Parameters
    ----------
    caller : int
        Number of the process that has sent the task. A worker that is no child of it, such as one
        of a dask cluster, has a life of its own.
    """
    if os.getppid() != caller:
        return
    with _lock:
        if caller in _watched:
            return
        _watched.add(caller)
    threading.Thread(target=_watch, args=(caller,), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)
