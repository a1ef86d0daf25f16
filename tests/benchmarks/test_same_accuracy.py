import pytest
import torch

from sksubtomo.networks import AutoencodingNetwork, Liu2019


@pytest.fixture
def same_accuracy(benchmark):
    return benchmark("same_accuracy")


def test_plain_convolutions_take_the_place_of_all_fast_ones(same_accuracy, monkeypatch):
    network = AutoencodingNetwork((8, 8, 8), 3, network=Liu2019(n_filters=2, latent_dim=4)).eval()
    volumes = torch.randn(2, 1, 8, 8, 8)
    expected = network(volumes).reconstruction

    def not_called(*args, **kwargs):
        raise AssertionError("a fast way was taken")

    monkeypatch.setattr("sksubtomo.networks._convolution.F.conv_transpose3d", not_called)
    monkeypatch.setattr("sksubtomo.networks._convolution.convolve_to_one", not_called)
    monkeypatch.setattr("sksubtomo.networks._convolution.convolve_from_one", not_called)
    with same_accuracy.plain_convolutions():
        torch.testing.assert_close(network(volumes).reconstruction, expected)


def test_rows_are_computed_once(same_accuracy, monkeypatch, tmp_path):
    calls = []

    def run_one(seed, way):
        calls.append((way, seed))
        return {"way": way, "seed": seed, "accuracy": 0.5, "loss": 1.0, "seconds": 2.0}

    monkeypatch.setattr(same_accuracy, "run_one", run_one)
    arguments = ["--seeds", "0", "1", "--results", str(tmp_path / "r.csv")]
    same_accuracy.main(arguments)
    same_accuracy.main(arguments)
    assert calls == [("fast", 0), ("plain", 0), ("fast", 1), ("plain", 1)]
    assert "| fast | 2 | 0.500" in (tmp_path / "r.md").read_text()
