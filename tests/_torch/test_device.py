import pytest
import torch

from sksubtomo._torch._device import resolve_device


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
