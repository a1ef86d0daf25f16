"""Searches and predictions on a cluster, of which a worker may die."""

import asyncio
import pickle
import sys
import time

import numpy as np
import pytest
from joblib import parallel_config
from searches import QUICK, losses
from sklearn.base import BaseEstimator
from sklearn.model_selection import cross_val_score

from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.parallel import _dask, parallel_predict, use_dask
from sksubtomo.parallel._dask import TravelingClient
from sksubtomo.parallel._mapped import MappedArray

pytest.importorskip("distributed")
# Workers import PyTorch, again after each death.
pytestmark = pytest.mark.timeout(400)


class Recorder:
    """Stands in for a client; what is scattered comes back with the options."""

    name = "recorder"

    async def scatter(self, data, **options):
        return data, options


def test_only_large_arrays_in_memory_stay_behind(tmp_path, stack):
    client = TravelingClient(Recorder())

    def scatter(data):
        return asyncio.run(client.scatter(data, hash=False))

    assert client.name == "recorder"
    for small in (np.arange(10_000), stack, "x" * 5000):
        assert scatter(small) is None
    large = np.zeros(2**21)
    data, options = scatter(large)
    assert data is large
    assert options == {"hash": False, "broadcast": True}
    np.save(tmp_path / "X.npy", large)
    mapped = scatter(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert isinstance(mapped, MappedArray)
    assert len(pickle.dumps(mapped)) < 500
    with pytest.raises(AttributeError):
        pickle.loads(pickle.dumps(client)).nonsense  # noqa: B018


def test_without_a_client_or_dask(monkeypatch):
    with pytest.raises(ValueError, match="Make one first"), use_dask():
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"sksubtomo\[distributed\]"), use_dask():
        pass
    monkeypatch.setitem(sys.modules, "dask", None)
    with _dask.large_tasks():
        pass


@pytest.mark.slow
def test_a_cluster_gives_the_same_scores(mostly_hidden, client):
    expected = losses(*mostly_hidden)
    with use_dask(client):
        np.testing.assert_array_equal(losses(*mostly_hidden, n_jobs=2), expected)
    with parallel_config("dask", client=client):
        np.testing.assert_array_equal(losses(*mostly_hidden, n_jobs=2), expected)


@pytest.mark.slow
def test_workers_of_a_cluster_compute_with_one_thread(mostly_hidden, client):
    def threads(estimator, X, y):
        import torch

        return torch.get_num_threads()

    with use_dask(client):
        found = cross_val_score(
            QUICK, *mostly_hidden, cv=SemiSupervisedSplit(2), scoring=threads, n_jobs=2
        )
    assert found.tolist() == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "mapped"])
def test_a_search_whose_worker_dies_loses_nothing(
    mostly_hidden, client, kill_a_busy_worker, tmp_path, kind
):
    X, y = mostly_hidden
    if kind == "mapped":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = losses(X, y)
    killed = kill_a_busy_worker()
    with use_dask(client):
        for _ in range(20):  # a search may end before its workers are found at work
            np.testing.assert_array_equal(losses(X, y, n_jobs=2), expected)
            if killed:
                break
    assert killed


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "stack"])
@pytest.mark.parametrize("own", [True, False])
def test_shards_whose_worker_dies_are_done_again(
    fitted, many_volumes, stack, client, kill_a_busy_worker, kind, own
):
    class Slow(BaseEstimator):
        """Long enough at a shard to be found at work."""

        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y=None):
            return self

        def predict_proba(self, X):
            time.sleep(0.5)
            return fitted.predict_proba(X)

    X = many_volumes if kind == "memory" else stack
    expected = fitted.predict_proba(X)
    killed = kill_a_busy_worker()
    with use_dask(client) if own else parallel_config("dask", client=client):
        found = parallel_predict(Slow(), X, shard_size=64)
    assert killed
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_workers_read_files_themselves(client, many_volumes, tmp_path):
    np.save(tmp_path / "X.npy", many_volumes)

    class Kinds(BaseEstimator):
        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y=None):
            return self

        def predict(self, X):
            return np.repeat(type(X).__name__, len(X))

    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with use_dask(client):
        kinds = parallel_predict(Kinds(), mapped, method="predict", shard_size=64)
    assert kinds.tolist() == ["memmap"] * 150
