"""Options that say who computes: threads, processes on this computer, or a dask cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import Any

from sksubtomo.cli._options import positive_int

_SECONDS_TO_CONNECT = 10
# Classes of distributed, which need not be installed.
_LOST = ("KilledWorker", "CommClosedError", "FutureCancelledError")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the options of who predicts."""
    group = parser.add_argument_group("workers")
    group.add_argument(
        "--j",
        type=positive_int,
        metavar="N",
        help="threads; with --n-jobs, of each process. Workers of --dask have their own number",
    )
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--n-jobs",
        type=positive_int,
        metavar="N",
        help="processes on this computer that share the particles of each tomogram; by default, "
        "there are as many threads in each as cores are left",
    )
    where.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="scheduler of a running dask cluster, such as tcp://host:8786, whose workers see the "
        "tomograms under the same paths",
    )


@contextmanager
def workers(options: argparse.Namespace) -> Iterator[None]:
    """Let joblib run in parallel as the options say; within :func:`compute_threads`.

    Raises
    ------
    ImportError
        If there is to be a dask cluster, and distributed is not installed.
    ConnectionError
        If there is no scheduler at the address, or it has no workers.
    ValueError
        If the address is none.
    """
    if options.dask is not None:
        from sksubtomo.parallel import use_dask

        with _client(options.dask) as client, use_dask(client):
            yield
    elif options.n_jobs is not None:
        import joblib

        with joblib.parallel_config("loky", n_jobs=options.n_jobs, inner_max_num_threads=options.j):
            yield
    else:
        yield


@contextmanager
def compute_threads(n_threads: int | None) -> Iterator[None]:
    """Let PyTorch compute with so many threads; ``None`` leaves their number as it is.

    Their number is one for the whole process, which may go on after the command: results of what
    it computes next differ in their last bits by it.
    """
    if n_threads is None:
        yield
        return
    import torch

    n_threads_before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads_before)


@contextmanager
def lost_workers_told() -> Iterator[None]:
    """Turn the errors of workers that died again and again into one that says what to do.

    Raises
    ------
    ChildProcessError
        If workers died.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, BrokenExecutor) and type(error).__name__ not in _LOST:
            raise
        raise ChildProcessError(
            f"Workers died, which is most often for lack of memory; take fewer of them. ({error})"
        ) from error


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """Connect to a cluster that has workers."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            "--dask needs dask and distributed. Install them with "
            "`pip install 'sksubtomo[distributed]'`."
        ) from error
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except OSError as error:
        raise ConnectionError(
            f"--dask {address}: no scheduler answers there ({error}). Start one with "
            "`dask scheduler`, which says its address."
        ) from error
    except ValueError as error:
        raise ValueError(f"--dask {address}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
        except TimeoutError as error:
            raise ConnectionError(
                f"--dask {address}: the scheduler has no workers. Start some with "
                f"`dask worker {address}`."
            ) from error
        yield client
