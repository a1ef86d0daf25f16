"""One piece of work at a time, in the background or not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from sksubtomo._utils._interrupts import check_interrupt
from sksubtomo._utils._messages import shorten

logger = logging.getLogger("sksubtomo")


class WorkStatus(NamedTuple):
    """How far work in the background is.

    Parameters
    ----------
    state : {"idle", "running", "done", "failed", "stopped"}
        Whether there is any, and how it ended.
    what : str
        What is done, or what went wrong.
    done, total : int
        Steps.
    """

    state: str
    what: str = ""
    done: int = 0
    total: int = 0


class Stopped(Exception):
    """Somebody asked for the end of the work."""


class Work:
    """Does one piece of work at a time."""

    def __init__(self) -> None:
        self._status = WorkStatus("idle")
        self._busy, self._stop = threading.Lock(), threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    @property
    def status(self) -> WorkStatus:
        """Of the piece in progress, else of one that waits, else of the last one."""
        status = self._status
        waiting = [what for what, thread in self._threads.items() if thread.is_alive()]
        if waiting and status.state != "running":
            return WorkStatus("running", waiting[0])
        return status

    def run(self, what: str, work: Callable[[Callable], None]) -> None:
        """Do it now, after what is in progress, and raise what goes wrong."""
        with self._busy:
            self._do(what, work)

    def start(self, what: str, work: Callable[[Callable], None]) -> None:
        """Do it in a thread, after what is in progress.

        Raises
        ------
        ValueError
            If the same is in progress, or waits.
        """
        if what in self._threads and self._threads[what].is_alive():
            raise ValueError(f"{what} is in progress. Wait for its end.")
        self._stop.clear()
        thread = threading.Thread(target=self._in_thread, args=(what, work), daemon=True)
        self._threads[what] = thread
        thread.start()

    def stop(self) -> None:
        """End all of it after the step that it is at, and wait for it."""
        self._stop.set()
        self.wait()

    def wait(self) -> None:
        """Wait for the end of all of it."""
        for thread in self._threads.values():
            thread.join()

    def _in_thread(self, what: str, work: Callable[[Callable], None]) -> None:
        with self._busy:
            # Whatever goes wrong in a thread is told by the status.
            try:
                self._do(what, work)
            except BaseException:
                logger.debug("Where it happened:", exc_info=True)

    def _do(self, what: str, work: Callable[[Callable], None]) -> None:
        self._status = WorkStatus("running", what)
        try:
            work(self._report)
            self._status = WorkStatus("done", what, self._status.total, self._status.total)
        except Stopped:
            self._status = WorkStatus("stopped", what)
        except BaseException as error:
            said = shorten(str(error) or type(error).__name__, 400)
            self._status = WorkStatus("failed", f"{what} failed: {said}")
            raise

    def _report(self, done: int, total: int, what: str) -> Any:
        check_interrupt()
        if self._stop.is_set():
            raise Stopped
        self._status = WorkStatus("running", what, done, total)
