"""Threads that share the steps of a search."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

#: Gets the share of the work that is done, from 0 to 1.
Report = Callable[[float], None]
#: Called after each step of the work.
Step = Callable[[], None]
_Result = TypeVar("_Result")

_SECONDS_BETWEEN_REPORTS = 0.1
_lock = threading.Lock()
_n_holders, _n_threads_before = 0, 1


class _Stopped(Exception):
    """The search was ended by another thread."""


def in_threads(
    work: Callable[[NDArray[np.intp], Step], _Result],
    n_items: int,
    *,
    n_jobs: int | None,
    report: Report | None = None,
) -> list[_Result]:
    """Let threads share items, each a consecutive part.

    The calling thread does nothing but report, so that it hears of signals at once. What `report`
    raises, such as ``KeyboardInterrupt``, ends all threads at their next step.

    Parameters
    ----------
    work : callable
        Gets numbers of items, and a function to call after each of them.
    n_items : int
        How many there are.
    n_jobs : int or None
        Threads, in each of which PyTorch computes with one; results do not depend on their number.
        None does the work in the calling thread, in which PyTorch has its own threads.
    report : callable, optional
        Gets the share that is done, from 0 to 1.

    Returns
    -------
    results : list
        What `work` returns for each part, in order.
    """
    tell = report or (lambda share: None)
    if n_jobs is None:
        return [work(np.arange(n_items), _counted(n_items, tell))]
    parts = [part for part in np.array_split(np.arange(n_items), n_jobs) if len(part)]
    n_done, stop = [0] * len(parts), threading.Event()

    def run(number: int) -> _Result:
        def step() -> None:
            n_done[number] += 1
            if stop.is_set():
                raise _Stopped

        return work(parts[number], step)

    with _one_thread_each(), ThreadPoolExecutor(max(1, len(parts))) as pool:
        futures = [pool.submit(run, number) for number in range(len(parts))]
        try:
            while True:
                done, waiting = wait(futures, _SECONDS_BETWEEN_REPORTS, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                if not waiting:
                    return [future.result() for future in futures]
                tell(sum(n_done) / n_items)
        finally:
            stop.set()


def _counted(n_items: int, tell: Report) -> Step:
    n_done = 0

    def step() -> None:
        nonlocal n_done
        n_done += 1
        tell(n_done / n_items)

    return step


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let PyTorch compute with one thread; its number of threads is one for the whole process."""
    global _n_holders, _n_threads_before
    with _lock:
        if not _n_holders:
            _n_threads_before = torch.get_num_threads()
            torch.set_num_threads(1)
        _n_holders += 1
    try:
        yield
    finally:
        with _lock:
            _n_holders -= 1
            if not _n_holders:
                torch.set_num_threads(_n_threads_before)
