from types import SimpleNamespace

import pytest
import torch

from sksubtomo._torch import _self_test
from sksubtomo._torch._device import release_memory, resolve_device, synchronize


@pytest.fixture
def gpu(monkeypatch):
    """Pretend to have a GPU, or none, and no environment variable."""

    def pretend(available):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available)

    monkeypatch.delenv("SKSUBTOMO_DEVICE")
    return pretend


def test_auto_takes_a_gpu_if_there_is_one(gpu):
    gpu(True)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cpu") == "cpu"
    gpu(False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ValueError, match="device='cuda:0', but PyTorch sees no CUDA device"):
        resolve_device("cuda:0")


def test_what_is_no_device(gpu, monkeypatch):
    with pytest.raises(ValueError, match="device='gpu' is no device of PyTorch. Use device='cpu'"):
        resolve_device("gpu")
    monkeypatch.setenv("SKSUBTOMO_DEVICE", "gpu")
    with pytest.raises(ValueError, match="SKSUBTOMO_DEVICE=gpu is no device of PyTorch. Set it"):
        resolve_device("auto")


def test_the_environment_says_what_auto_is(gpu, monkeypatch):
    gpu(True)
    monkeypatch.setenv("SKSUBTOMO_DEVICE", "cpu")
    assert resolve_device("auto") == "cpu"
    assert resolve_device("cuda:1") == "cuda:1"
    gpu(False)
    monkeypatch.setenv("SKSUBTOMO_DEVICE", "cuda")
    with pytest.raises(ValueError, match="SKSUBTOMO_DEVICE=cuda, but PyTorch sees no CUDA device"):
        resolve_device("auto")
    monkeypatch.setenv("SKSUBTOMO_DEVICE", "")
    assert resolve_device("auto") == "cpu"


@pytest.fixture
def apple_gpu(gpu, monkeypatch):
    """Pretend to have an Apple GPU, of which the self-test finds something wrong or not."""

    def pretend(problem=None):
        gpu(False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        monkeypatch.setattr(_self_test, "_FOUND", {("float32", "mps:0"): problem})
        empty = torch.empty(0)
        named = SimpleNamespace(device="mps:0")
        monkeypatch.setattr(
            _self_test.torch, "empty", lambda *a, device=None: named if device == "mps" else empty
        )

    return pretend


def test_auto_takes_apples_gpu_where_it_computes_right(apple_gpu):
    apple_gpu()
    assert resolve_device("auto") == "mps"
    assert resolve_device("mps") == "mps"
    assert resolve_device("auto", needs_float64=True) == "cpu"
    assert resolve_device("mps", needs_float64=True) == "cpu"


def test_apples_gpu_is_left_alone_where_it_computes_wrongly(apple_gpu):
    apple_gpu("On mps:0, the result of a max-pooling is off")
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ValueError, match="device='mps': On mps:0, the result of a max-pooling"):
        resolve_device("mps")


def test_no_apple_gpu(gpu, monkeypatch):
    gpu(False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device='mps', but PyTorch sees no Apple GPU. Use dev"):
        resolve_device("mps")


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple GPU")
def test_auto_says_what_an_apple_gpu_cannot_do(gpu):
    assert resolve_device("auto") in ("mps", "cpu")


def test_nothing_to_wait_for_or_to_release_on_a_cpu():
    synchronize("cpu")
    release_memory("cpu")
