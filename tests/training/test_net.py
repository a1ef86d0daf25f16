import pytest
import torch

from sksubtomo.training import resolve_device, seeded_cpu


def test_seeding_is_reproducible_and_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    with seeded_cpu(3):
        first = torch.rand(4)
    with seeded_cpu(3):
        second = torch.rand(4)
    assert torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


def test_generator_is_restored_after_an_error():
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError), seeded_cpu(3):
        raise RuntimeError
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_device_without_a_gpu():
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ValueError, match="sees no CUDA device"):
        resolve_device("cuda:0")
