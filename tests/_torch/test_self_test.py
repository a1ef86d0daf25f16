"""The self-test of reduced precision finds what is wrong, and nothing else."""

import pytest
import torch
from torch.nn import functional as F

from sksubtomo._torch import _self_test
from sksubtomo._torch._self_test import find_mismatch


def test_passes_here():
    assert find_mismatch("bfloat16", "cpu") is None


def test_passes_within_inference_mode_and_draws_no_global_number():
    state = torch.random.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert find_mismatch("bfloat16", "cpu") is None
    assert torch.equal(torch.random.get_rng_state(), state)


class Spoiled(torch.autograd.Function):
    """The identity, whose result or gradient has one wrong entry."""

    @staticmethod
    def forward(ctx, maps, value, in_backward):
        ctx.value, ctx.in_backward = value, in_backward
        return maps.clone() if in_backward else spoil(maps, value)

    @staticmethod
    def backward(ctx, gradient):
        return (spoil(gradient, ctx.value) if ctx.in_backward else gradient), None, None


def spoil(tensor, value):
    tensor = tensor.clone()
    tensor.view(-1)[-1] = value
    return tensor


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e3])
@pytest.mark.parametrize("what", ["the result", "input", "weights"])
def test_one_wrong_number_is_found(monkeypatch, value, what):
    def function(maps, weight):
        if not torch.is_autocast_enabled("cpu"):
            return F.conv3d(maps, weight, padding=1)
        if what == "input":
            maps = Spoiled.apply(maps, value, True)
        if what == "weights":
            weight = Spoiled.apply(weight, value, True)
        result = F.conv3d(maps, weight, padding=1)
        return Spoiled.apply(result, value, False) if what == "the result" else result

    layer = _self_test._Layer("convolution", function, (2, 4, 5, 6, 7), (4, 4, 3, 3, 3))
    monkeypatch.setattr(_self_test, "_layers", lambda device_type: [layer])
    found = find_mismatch("bfloat16", "cpu")
    assert what in found
    assert "of a convolution is off by" in found


def test_float16_in_place_of_float32_sums_is_found(monkeypatch):
    def function(maps, weight):
        if not torch.is_autocast_enabled("cpu"):
            return F.linear(maps, weight)
        total = torch.zeros(len(maps), len(weight), dtype=torch.bfloat16)
        for column in range(maps.shape[1]):
            total = total + (maps[:, column, None] * weight[None, :, column]).bfloat16()
        return total

    layer = _self_test._Layer("dense layer", function, (4, 4096), (8, 4096))
    monkeypatch.setattr(_self_test, "_layers", lambda device_type: [layer])
    assert "the result of a dense layer" in find_mismatch("bfloat16", "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_passes_on_the_gpu(precision):
    assert find_mismatch(precision, "cuda") is None


def test_what_networks_and_views_compute_beside_products_is_right_here(monkeypatch):
    """The layers that are tried on Apple's GPU, against themselves."""
    layers = [*_self_test._layers("mps")]
    assert {layer.name for layer in layers} > {"max-pooling", "Fourier transform"}
    monkeypatch.setattr(_self_test, "_layers", lambda device_type: layers)
    assert find_mismatch("float32", "cpu") is None


def test_what_apples_gpu_cannot_do_is_named(monkeypatch):
    def impossible(maps, weight):
        raise NotImplementedError("The operator 'aten::max_pool3d' is not implemented\nmore")

    layer = _self_test._Layer("max-pooling", impossible, (2, 3, 4, 4, 4), (3,))
    monkeypatch.setattr(_self_test, "_layers", lambda device_type: [layer])
    results = _self_test._results
    monkeypatch.setattr(
        _self_test,
        "_results",
        lambda layer, layout, device, precision: (
            results(layer, layout, device, precision) if device == "mps:0" else []
        ),
    )
    # The message comes before any tensor is made on the device.
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *args, **kwargs: self)
    found = find_mismatch("float32", "mps:0")
    assert (
        found
        == "a max-pooling is not possible (The operator 'aten::max_pool3d' is not implemented)"
    )
