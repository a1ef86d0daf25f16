"""Two processes that share batches train what one trains with batches twice as large."""

import json
import os
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("accelerate")

PROGRAM = """
    import json, sys, warnings
    import numpy as np
    import torch
    warnings.simplefilter("error")
    from sksubtomo import decomposition, semi_supervised
    from sksubtomo.networks._processes import process_index

    torch.set_num_threads(1)
    jobs, data, path = sys.argv[1:]
    data = np.load(data)
    for name, (package, estimator, params) in json.loads(jobs).items():
        model = getattr(sys.modules["sksubtomo." + package], estimator)(**params)
        model.fit(data["X"], data["y"])
        assert process_index() == 0  # sharing has ended
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        state = {f"w:{k}": v.numpy() for k, v in model.net_.predictor_.state_dict().items()}
        losses = [entry["train_loss"] for entry in model.history_]
        np.savez(f"{path}-{name}-{rank}.npz", losses=losses, **state)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
"""
COMMON = {
    "network_params": {"n_blocks": 1, "n_filters": 4, "latent_dim": 8},
    "max_epochs": 3,
    "learning_rate": 1e-3,
    "early_stopping": False,
    "random_state": 0,
}
EQUAL = {
    "autoencoder": ("decomposition", "Autoencoder", {}),
    "joint": ("semi_supervised", "AutoencodingClassifier", {"class_weight": "balanced"}),
    "labeled-rows": (
        "semi_supervised",
        "AutoencodingClassifier",
        {"network_params": {**COMMON["network_params"], "batch_norm_rows": "labeled"}},
    ),
    "resnet": (
        "semi_supervised",
        "AutoencodingClassifier",
        {"network": "resnet", "early_stopping": True, "validation_fraction": 0.3},
    ),
}
# Draws its own seed in each process, unless they agree on one.
SEEDLESS = {"seedless": ("decomposition", "Autoencoder", {"random_state": None, "max_epochs": 1})}


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def run(world_size, jobs, data, path):
    """Fit in processes, started as launchers do, and wait for them."""
    port = free_port()
    processes = []
    for rank in range(world_size):
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        if world_size > 1:
            env |= {
                "ACCELERATE_USE_CPU": "true",
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world_size),
                "MASTER_ADDR": "localhost",
                "MASTER_PORT": str(port),
            }
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps(jobs)]
        processes.append(
            subprocess.Popen(
                [*command, str(data), str(path)], env=env, stderr=subprocess.PIPE, text=True
            )
        )
    try:
        for process in processes:
            _, errors = process.communicate(timeout=250)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()


def with_batches(jobs, batch_size, training=None):
    training = training or {}
    return {
        name: (
            package,
            estimator,
            {**COMMON, "batch_size": batch_size, "training_params": training, **params},
        )
        for name, (package, estimator, params) in jobs.items()
    }


@pytest.fixture(scope="module")
def results(mostly_hidden, tmp_path_factory):
    """Folder with weights and losses after training in one process, and in two."""
    folder = tmp_path_factory.mktemp("processes")
    X, y = mostly_hidden
    data = folder / "data.npz"
    np.savez(data, X=X[:45], y=y[:45])  # the last batch is of 13: one process has 7, one 6
    run(1, with_batches(EQUAL, 32), data, folder / "one")
    run(2, with_batches(EQUAL | SEEDLESS, 16, {"accelerate": True}), data, folder / "two")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_are_one_with_doubled_batches(name, results):
    together = [dict(np.load(results / f"two-{name}-{rank}.npz")) for rank in (0, 1)]
    alone = dict(np.load(results / f"one-{name}-0.npz"))
    for key in alone:
        np.testing.assert_array_equal(together[0][key], together[1][key])
        difference = np.abs(together[0][key] - alone[key])
        assert np.sqrt(np.mean(difference**2)) < 1e-4, key
        # Where a gradient is next to nothing, Adam makes a step of any rounding, if not a full one.
        assert difference.max() < COMMON["learning_rate"], key


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_an_integer_seed_processes_agree_on_one(results):
    one, other = (dict(np.load(results / f"two-seedless-{rank}.npz")) for rank in (0, 1))
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_without_accelerate_the_error_says_what_to_install(mostly_hidden, monkeypatch):
    from sksubtomo.decomposition import Autoencoder

    monkeypatch.setitem(sys.modules, "accelerate", None)
    model = Autoencoder(training_params={"accelerate": True})
    with pytest.raises(ImportError, match=r"pip install 'sksubtomo\[accelerate\]'"):
        model.fit(*mostly_hidden)


def test_a_single_process_trains_as_ever(mostly_hidden):
    from sksubtomo.decomposition import Autoencoder

    params = {"n_blocks": 1, "n_filters": 2, "latent_dim": 4}
    alone, launched = (
        Autoencoder(
            network_params=params, max_epochs=1, random_state=0, device="cpu", training_params=given
        ).fit(mostly_hidden[0])
        for given in (None, {"accelerate": True})
    )
    X = mostly_hidden[0]
    np.testing.assert_array_equal(alone.transform(X), launched.transform(X))
