import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode


@pytest.fixture
def roofline(benchmark):
    return benchmark("_roofline")


@pytest.mark.parametrize("edge", [9, 16])
def test_operations_are_those_that_pytorch_counts(benchmark, roofline, edge):
    reference = benchmark("_reference")
    network = reference.Network(edge, 5, n_filters=4, latent_dim=16)
    cost = roofline.NetworkCost(edge, 5, n_filters=4, latent_dim=16)
    assert cost.n_parameters() == sum(p.numel() for p in network.parameters())
    volumes = torch.randn(3, 1, edge, edge, edge)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(volumes)
    assert cost.forward_flops(3) == counter.get_total_flops()
    optimizer = torch.optim.Adam(network.parameters())
    with FlopCounterMode(display=False) as counter:
        reference.train_step(network, optimizer, volumes, torch.arange(3))
    assert cost.training_flops(3) == counter.get_total_flops()


def test_parts_add_up(roofline):
    blocks = {"code": False, "classifier": False, "decoder": False}
    flops = {
        part: roofline.NetworkCost(28, **{**blocks, part: True}).forward_flops(1) for part in blocks
    }
    encoder = roofline.NetworkCost(28, **blocks).forward_flops(1)
    whole = roofline.NetworkCost(28).forward_flops(1)
    assert whole == encoder + sum(value - encoder for value in flops.values())


def test_bytes_of_one_dense_layer(roofline):
    # One voxel, one filter, no blocks: all there is is the dense layer of the code with its ReLU.
    parts = {"classifier": False, "decoder": False}
    cost = roofline.NetworkCost(1, n_filters=1, latent_dim=1, n_blocks=0, **parts)
    assert cost.n_parameters() == 2
    assert cost.forward_bytes(10) == 4 * (10 * 4 + 2)
    assert cost.training_bytes(10) == 4 * (10 * 2 * (3 + 2) + 2 * 10)


def test_peaks_are_those_of_the_least_seconds(roofline, monkeypatch):
    monkeypatch.setattr(roofline, "_LARGEST_PRODUCT", 64)
    monkeypatch.setattr(roofline, "_BYTES_COPIED", 4000)
    seconds = iter([9.0, 2.0, 2.0, 1.0, 2.0, 2.0] * 3)
    monkeypatch.setattr(roofline, "seconds_of", lambda work, device: next(seconds))
    peaks = roofline.measure("cpu")
    assert peaks["peak_float32_gflops"] == pytest.approx(2 * 64**3 / 1e9)
    assert peaks["peak_copy_gb_s"] == pytest.approx(2 * 4000 / 1e9)
    assert peaks["peak_bfloat16_gflops"] == pytest.approx(2 * 256**3 / 1e9)


def test_peaks_are_measured(roofline, monkeypatch):
    monkeypatch.setattr(roofline, "_LARGEST_PRODUCT", 64)
    monkeypatch.setattr(roofline, "_BYTES_COPIED", 4000)
    assert all(np.isfinite(value) and value > 0 for value in roofline.measure("cpu").values())
