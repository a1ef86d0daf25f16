import numpy as np
import pytest
import torch

from sksubtomo.networks import AutoencodingNetwork
from sksubtomo.training import forward_batches, scaling_of


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_scaling_is_mean_and_standard_deviation(offset):
    volumes = np.random.default_rng(0).normal(offset, 3.0, (300, 20, 20, 20)).astype(np.float32)
    mean, deviation = scaling_of(volumes)
    assert mean == pytest.approx(volumes.mean(dtype=np.float64), rel=1e-9)
    assert deviation == pytest.approx(volumes.std(dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_equal_voxels_have_scale_one(value):
    assert scaling_of(np.full((3, 4, 4, 4), value, np.float32))[1] == 1.0


@pytest.mark.parametrize("n_rows", [1, 3, 64, 65])
def test_rows_do_not_depend_on_their_batch(n_rows):
    torch.manual_seed(0)
    module = AutoencodingNetwork((8, 8, 8), 5)
    X = torch.randn(70, 1, 8, 8, 8).numpy()

    def run(rows):
        batches = forward_batches(
            module.classify,
            rows,
            torch.from_numpy,
            module=module,
            device="cpu",
            voxels_per_sample=512,
        )
        return np.concatenate(list(batches))

    assert np.array_equal(run(X)[:n_rows], run(X[:n_rows]))
    # Kernels of some CPUs treat the rows of a batch differently, in the last bit.
    np.testing.assert_allclose(run(X)[70 - n_rows :], run(X[70 - n_rows :]), rtol=1e-6)


def test_batches_of_large_volumes_are_small():
    sizes = []

    def function(batch):
        sizes.append(len(batch))
        return batch

    module = torch.nn.Identity()
    X = np.zeros((20, 1), np.float32)
    list(
        forward_batches(
            function, X, torch.from_numpy, module=module, device="cpu", voxels_per_sample=64**3
        )
    )
    assert sizes == [8, 8, 8]
