"""A dask cluster of two processes, and ways to lose one of them."""

import os
import threading
import time

import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier


@pytest.fixture(autouse=True)
def one_thread():
    """The thread count of the workers, so that bits can be compared."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module", autouse=True)
def no_workers_left():
    """Leave no processes to other tests, whose modules they would not find."""
    yield
    get_reusable_executor().shutdown()


@pytest.fixture(scope="session")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture
def kill_a_busy_worker(cluster, client):
    """Start a thread that kills a worker as soon as it works; returns whom it has killed."""
    killed = []

    def kill():
        for _ in range(6000):
            busy = [address for address, tasks in client.processing().items() if tasks]
            if busy:
                worker = next(w for w in cluster.workers.values() if w.worker_address == busy[0])
                time.sleep(0.1)
                os.kill(worker.pid, 9)
                killed.append(worker.pid)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=kill)

    def start():
        thread.start()
        return killed

    yield start
    thread.join()


@pytest.fixture(scope="session")
def fitted(easy_volumes):
    X, y = easy_volumes
    return CNNClassifier(
        network=Liu2019(n_filters=4), max_epochs=2, early_stopping=False, random_state=0
    ).fit(X, y)


@pytest.fixture(scope="session")
def many_volumes():
    """More than two batches, the last not full."""
    return np.random.default_rng(1).normal(size=(150, 8, 8, 8)).astype(np.float32)


@pytest.fixture
def stack(tmp_path):
    """150 boxes of 8 voxels in two tomograms."""
    from sksubtomo.io import SubtomogramStack, write_mrc

    rng = np.random.default_rng(0)
    paths = [tmp_path / "a.mrc", tmp_path / "b.mrc"]
    for path in paths:
        write_mrc(path, rng.normal(size=(16, 24, 32)).astype(np.float32), 10.0)
    return SubtomogramStack(
        paths, rng.integers(4, 12, size=(150, 3)), np.arange(150) % 2, box_size=8
    )
