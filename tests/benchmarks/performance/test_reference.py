from pathlib import Path

import pytest
import torch

from sksubtomo.networks import AutoencodingNetwork, Liu2019


@pytest.fixture
def reference(benchmark):
    return benchmark("_reference")


@pytest.mark.parametrize("edge", [16, 9])
def test_reference_is_the_network_of_the_package(reference, edge):
    torch.manual_seed(0)
    ours = AutoencodingNetwork((edge,) * 3, 5, network=Liu2019(n_filters=4, latent_dim=16))
    plain = reference.Network(edge, 5, n_filters=4, latent_dim=16)
    for theirs, own in zip(plain.parameters(), ours.parameters(), strict=True):
        with torch.no_grad():
            theirs.copy_(own)
    volumes = torch.randn(3, 1, edge, edge, edge)
    for training in (True, False):
        output = ours.train(training)(volumes)
        reconstruction, logits, code = plain.train(training)(volumes)
        torch.testing.assert_close(reconstruction, output.reconstruction, atol=1e-5, rtol=0)
        torch.testing.assert_close(logits, output.logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(code, output.code, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("edge", "n_blocks"), [(28, 2), (32, 3), (64, 4)])
def test_blocks_of_the_reference(reference, edge, n_blocks):
    assert len(reference.pooled_edges(edge)) == n_blocks + 1


def test_process_of_the_reference_imports_nothing_of_the_package(reference, benchmark):
    for module in (reference, benchmark("_harness")):
        assert "sksubtomo" not in Path(module.__file__).read_text()


@pytest.mark.parametrize("task", ["train", "predict"])
def test_reference_returns_the_seconds_of_all_repeats(reference, task):
    seconds = reference.measure(8, 2, task, "cpu", n_filters=2, repeats=3)
    assert len(seconds) == 3
    assert min(seconds) > 0
