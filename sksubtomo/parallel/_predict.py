"""Prediction in shards, each by one of many workers."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sksubtomo._utils._arrays import is_lazy
from sksubtomo._utils._batches import rows_per_shard
from sksubtomo._utils._delegation import unfrozen
from sksubtomo._utils._numbers import is_integer
from sksubtomo._utils._rows import as_rows
from sksubtomo._utils._sklearn import num_samples
from sksubtomo.parallel._dask import large_tasks
from sksubtomo.parallel._mapped import MappedArray, by_reference
from sksubtomo.parallel._parent import end_with_parent

_NO_PREDICTION = ("fit", "partial_fit", "get_", "set_")


class Shard:
    """Rows that belong to one task and travel with it.

    joblib's backends put arrays that they see among the arguments elsewhere; on a dask cluster on
    one worker, with which they are lost.

    Parameters
    ----------
    rows : array or SubtomogramStack
        Consecutive samples.
    """

    def __init__(self, rows: Any) -> None:
        self.rows = by_reference(rows)


def parallel_predict(
    estimator: Any,
    X: Any,
    *,
    method: str = "predict_proba",
    shard_size: int | None = None,
    n_jobs: int | None = None,
) -> NDArray:
    """Predict for many volumes with many workers, which joblib provides.

    `X` is cut into shards of consecutive rows, and the results are put together in order. By
    default, workers are processes on this computer; ``joblib.parallel_config`` makes them threads
    or those of a dask cluster, see also :func:`use_dask`. On dask, a shard whose worker dies is
    done again by another one.

    Parameters
    ----------
    estimator : estimator
        Fitted; a pipeline, too. It is sent to the workers with each shard.
    X : array-like or sparse matrix of shape (n_samples, ...) or SubtomogramStack
        What its method takes. Of stacks and of memory-mapped arrays, workers get the names of the
        files and read their shards themselves.
    method : str, default="predict_proba"
        Method to call, one whose answer has a row for each sample and depends on that sample only:
        "predict", "decision_function", "transform", "reconstruct" and so on.
    shard_size : int, optional
        Rows in a shard. By default, there are about four shards a worker, of whole batches of
        the network; shards of arrays in memory have at most about 64 MiB.
    n_jobs : int, optional
        Number of workers; -1 is one a core. By default what ``joblib.parallel_config`` says, else
        1. A dask cluster uses all it has.

    Returns
    -------
    rows : ndarray of shape (n_samples, ...)
        As ``getattr(estimator, method)(X)``: with the default `shard_size`, the same bits if the
        workers compute with as many threads.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is empty, `shard_size` is not a whole number from 1, the estimator has no such
        method, or its answer has another number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sksubtomo.parallel import parallel_predict
    >>> X = np.arange(10.0).reshape(-1, 1)
    >>> knn = KNeighborsClassifier(1).fit(X, X[:, 0] > 4)
    >>> parallel_predict(knn, X, method="predict", shard_size=4).tolist() == knn.predict(X).tolist()
    True
    """
    check_is_fitted(estimator)
    estimator = unfrozen(estimator)
    _check_method(estimator, method)
    # Not every sparse format has rows to take.
    X = X.tocsr() if issparse(X) else as_rows(X)
    n_rows = num_samples(X)
    if n_rows == 0:
        name = type(estimator).__name__
        raise ValueError(f"Found array with 0 sample(s) while {name} requires a minimum of 1.")
    if shard_size is None:
        shard_size = _default_shard_size(estimator, X, joblib.effective_n_jobs(n_jobs))
    elif not is_integer(shard_size) or shard_size < 1:
        raise ValueError(f"shard_size={shard_size!r} must be a whole number from 1, or None.")
    with large_tasks():
        parts = joblib.Parallel(n_jobs=n_jobs)(
            joblib.delayed(_predict_shard)(estimator, method, shard, os.getpid())
            for shard in _shards(X, n_rows, int(shard_size))
        )
    return np.concatenate(parts)


def _shards(X: Any, n_rows: int, size: int) -> Iterator[Shard]:
    rows = X.iloc if hasattr(X, "iloc") else X  # pandas may take slices for labels
    for start in range(0, n_rows, size):
        yield Shard(rows[start : start + size])


def _predict_shard(estimator: Any, method: str, shard: Shard, caller: int) -> NDArray:
    end_with_parent(caller)
    rows = np.asarray(getattr(estimator, method)(shard.rows))
    n_rows = num_samples(shard.rows)
    if rows.ndim == 0 or len(rows) != n_rows:
        raise ValueError(
            f"{type(estimator).__name__}.{method} answers {n_rows} samples by an array of shape "
            f"{rows.shape}; only methods that give a row for each sample can be run in shards."
        )
    return rows


def _default_shard_size(estimator: Any, X: Any, n_workers: int) -> int:
    """Return the number of rows in a shard; those of volumes in memory travel with it."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    voxels = getattr(last, "n_features_in_", None) or math.prod(X.shape[1:])
    bytes_per_sample = 0
    if not is_lazy(X) and not isinstance(by_reference(X), MappedArray):
        item_bytes = getattr(getattr(X, "dtype", None), "itemsize", 8)
        bytes_per_sample = max(1, math.prod(X.shape[1:])) * item_bytes
    return rows_per_shard(num_samples(X), max(1, voxels), n_workers, bytes_per_sample)


def _check_method(estimator: Any, method: str) -> None:
    """Check that there is such a method, which answers for samples."""
    known = [name for name in dir(type(estimator)) if _predicts(estimator, name)]
    if method not in known:
        raise ValueError(f"{type(estimator).__name__} has no method {method!r}; it has {known}.")


def _predicts(estimator: Any, name: str) -> bool:
    """Tell whether a method takes samples, without targets."""
    if name.startswith(("_", *_NO_PREDICTION)):
        return False
    function = getattr(estimator, name, None)
    if not inspect.ismethod(function):
        return False
    parameters = inspect.signature(function).parameters
    return next(iter(parameters), None) == "X" and "y" not in parameters
