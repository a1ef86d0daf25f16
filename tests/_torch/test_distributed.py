"""Two processes that share batches train what one trains with batches twice as large."""

import json
import os
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from sksubtomo._torch import _distributed
from sksubtomo.networks import Liu2019
from sksubtomo.training import Training

pytest.importorskip("accelerate")

PROGRAM = """
    import json, sys, warnings
    import numpy as np
    import torch
    warnings.simplefilter("error")
    from sksubtomo import decomposition, semi_supervised
    from sksubtomo._torch._distributed import process_index

    torch.set_num_threads(1)
    jobs, data, path = sys.argv[1:]
    data = np.load(data)
    for name, (package, estimator, params) in json.loads(jobs).items():
        model = getattr(sys.modules["sksubtomo." + package], estimator)().set_params(**params)
        model.fit(data["X"], data["y"])
        assert process_index() == 0  # sharing has ended
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        nets = {"w": model.net_.predictor_, "c": model.net_.criterion_}
        state = {f"{n}:{k}": v.numpy() for n in nets for k, v in nets[n].state_dict().items()}
        losses = [entry["train_loss"] for entry in model.history_]
        np.savez(f"{path}-{name}-{rank}.npz", losses=losses, **state)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
"""
COMMON = {
    "network__n_blocks": 1,
    "network__n_filters": 4,
    "max_epochs": 3,
    "learning_rate": 1e-3,
    "early_stopping": False,
    "random_state": 0,
}
CODED = {"network__latent_dim": 8}
EQUAL = {
    "autoencoder": ("decomposition", "Autoencoder", CODED),
    "joint": ("semi_supervised", "AutoencodingClassifier", {**CODED, "class_weight": "balanced"}),
    "labeled-rows": (
        "semi_supervised",
        "AutoencodingClassifier",
        {**CODED, "network__batch_norm_rows": "labeled"},
    ),
    "fix-match": (
        "semi_supervised",
        "FixMatchClassifier",
        {
            "max_epochs": 2,
            "augmentation__rotate": False,
            "augmentation__max_shift_voxels": 0,
            "augmentation__tilt_range_deg": None,
            "training__labeled_share": 0.5,
        },
    ),
    "bfloat16": ("semi_supervised", "AutoencodingClassifier", {**CODED, "precision": "bfloat16"}),
    "resnet": (
        "semi_supervised",
        "AutoencodingClassifier",
        {
            **CODED,
            "network": "resnet",
            "early_stopping": True,
            "training__validation_fraction": 0.3,
            "max_epochs": 2,
        },
    ),
}
# Weights of these processes are other ones than those of one process: random numbers, rounding.
ALIKE = ("fix-match", "bfloat16")
# Draws its own seed in each process, unless they agree on one.
SEEDLESS = {
    "seedless": ("decomposition", "Autoencoder", {**CODED, "random_state": None, "max_epochs": 1})
}


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
    return {
        name: (
            package,
            estimator,
            {**COMMON, "batch_size": batch_size, **params, **(training or {})},
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
    run(2, with_batches(EQUAL | SEEDLESS, 16, {"training__accelerate": True}), data, folder / "two")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_are_one_with_doubled_batches(name, results):
    together = [dict(np.load(results / f"two-{name}-{rank}.npz")) for rank in (0, 1)]
    alone = dict(np.load(results / f"one-{name}-0.npz"))
    for key in alone:
        np.testing.assert_array_equal(together[0][key], together[1][key])
        if name == "resnet":
            # Where a gradient is next to nothing, as before a normalization, Adam makes a whole
            # step of any rounding.
            difference = np.abs(together[0][key] - alone[key])
            assert np.median(difference) < 0.1 * COMMON["learning_rate"], key
        elif name not in ALIKE:
            np.testing.assert_allclose(
                together[0][key], alone[key], rtol=1e-4, atol=2e-5, err_msg=key
            )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_an_integer_seed_processes_agree_on_one(results):
    one, other = (dict(np.load(results / f"two-seedless-{rank}.npz")) for rank in (0, 1))
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_without_accelerate_the_error_says_what_to_install(mostly_hidden, monkeypatch):
    from sksubtomo.decomposition import Autoencoder

    monkeypatch.setitem(sys.modules, "accelerate", None)
    model = Autoencoder(training=Training(accelerate=True))
    with pytest.raises(ImportError, match=r"pip install 'sksubtomo\[accelerate\]'"):
        model.fit(*mostly_hidden)


def test_a_single_process_trains_as_ever(mostly_hidden):
    from sksubtomo.decomposition import Autoencoder

    X = mostly_hidden[0]
    network = Liu2019(n_blocks=1, n_filters=2, latent_dim=4)
    params = {"network": network, "max_epochs": 1, "random_state": 0, "device": "cpu"}
    alone = Autoencoder(**params).fit(X)
    launched = Autoencoder(**params, training=Training(accelerate=True))
    with pytest.warns(UserWarning, match=r"the only process.*torchrun --nproc_per_node"):
        launched.fit(X)
    np.testing.assert_array_equal(alone.transform(X), launched.transform(X))


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_a_device_that_processes_do_not_have(monkeypatch, device):
    import accelerate
    import torch

    class State:
        num_processes = 2
        device = torch.device("cuda", 1)

        def __init__(self, cpu):
            pass

    monkeypatch.setattr(accelerate, "PartialState", State)
    monkeypatch.setattr(_distributed, "resolve_device", lambda device: device)
    with (
        pytest.raises(ValueError, match=r"each of 2 processes has cuda:1. Pass device='cuda'"),
        _distributed.distributed_training(True, device),
    ):
        pass


class TwoProcesses:
    """Stands in for two processes, this one being the second, with tensors that are the same."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(_distributed, "_sharing", True)
        monkeypatch.setattr(_distributed.distributed, "get_world_size", lambda: 2)
        monkeypatch.setattr(_distributed.distributed, "get_rank", lambda: 1)
        monkeypatch.setattr(_distributed.distributed, "all_reduce", lambda tensor: tensor.mul_(2))


def batch_norm():
    from sksubtomo.networks._batch_norm import BatchNorm

    return BatchNorm(3)


def centered_linear():
    import torch

    from sksubtomo.networks import CenteredLinear

    torch.manual_seed(0)
    return CenteredLinear(torch.nn.Linear(3, 2))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", [batch_norm, centered_linear])
def test_statistics_of_a_shared_batch(monkeypatch, make, dtype):
    import torch

    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))
    shared, whole = make(), make()
    expected = whole(torch.cat([rows, rows]).float())[:50]
    TwoProcesses(monkeypatch)
    torch.testing.assert_close(shared(rows), expected)
    for one, other in zip(shared.buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_processes_draw_numbers_of_their_own(monkeypatch):
    import torch

    from sksubtomo.networks._gaussian import GaussianNoise

    noise = GaussianNoise()
    twin = GaussianNoise()
    twin.generator.manual_seed(noise.generator.initial_seed())
    twin.restart(0)
    zeros = torch.zeros(4, 2)
    first = noise(zeros, zeros)
    torch.testing.assert_close(twin(zeros, zeros), first)
    twin.restart(1)
    assert not torch.equal(twin(zeros, zeros), first)
