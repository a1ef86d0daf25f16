"""Dask as the backend of joblib, so that a worker may die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib

from sksubtomo.parallel._mapped import by_reference

# Bytes that may travel with a task.
_LARGEST_ARGUMENT = 10 * 2**20
_NO_DASK = (
    "dask and distributed are needed for this. Install them with "
    "`pip install 'sksubtomo[distributed]'`."
)


class TravelingClient:
    """A client of dask which sends arguments with each task that needs them.

    joblib asks the client to put every argument of more than a kilobyte, which may be the row
    numbers of a fold, on one worker. If that worker dies, these are lost, since nobody knows how to
    make them again, and joblib fails or waits for ever. Arguments that travel with their task are
    kept by the scheduler until the task is done.

    Parameters
    ----------
    client : distributed.Client
        Everything else is asked of it.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name == "_client":
            raise AttributeError(name)
        return getattr(self._client, name)

    async def scatter(self, data: Any, **options: Any) -> Any:
        """Return what is to be sent with a task instead of `data`; None is `data` itself."""
        from dask.sizeof import sizeof

        reference = by_reference(data)
        if reference is not data:
            return reference
        if sizeof(data) <= _LARGEST_ARGUMENT:
            return None
        return await self._client.scatter(data, **{**options, "broadcast": True})


@contextmanager
def use_dask(client: Any = None) -> Iterator[None]:
    """Run what joblib runs in parallel, such as scikit-learn's searches, on a dask cluster.

    As ``joblib.parallel_config("dask")``, but a worker that dies takes nothing along: what it was
    doing is done again by another one. Arguments travel with the tasks. Memory-mapped
    arrays and :class:`.SubtomogramStack` travel as the names of their files, which workers must see
    under the same paths. Arrays in memory of more than 10 MiB are copied to every worker there
    is at the start, and are lost when all of these are gone.

    Parameters
    ----------
    client : distributed.Client, optional
        By default the current one, the last that was made.

    Yields
    ------
    None
        Within the ``with`` block, joblib uses the cluster.

    Raises
    ------
    ImportError
        If dask or distributed is not installed.
    ValueError
        If there is no client.

    Examples
    --------
    >>> from distributed import Client, LocalCluster
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sksubtomo.parallel import use_dask
    >>> with LocalCluster() as cluster, Client(cluster) as client:  # doctest: +SKIP
    ...     with use_dask(client):
    ...         GridSearchCV(clf, {"alpha": [10, 100]}, n_jobs=-1).fit(X, y)
    """
    try:
        import distributed
    except ImportError as error:
        raise ImportError(_NO_DASK) from error
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError as error:
            raise ValueError(
                "There is no client of dask. Make one first, as in "
                "`distributed.Client('tcp://host:8786')`, and pass it."
            ) from error
    with joblib.parallel_config("dask", client=TravelingClient(client)), large_tasks():
        yield


@contextmanager
def large_tasks() -> Iterator[None]:
    """Let dask not warn of tasks with a network or a shard in them; without dask, do nothing."""
    try:
        import dask
    except ImportError:
        yield
        return
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
        yield
