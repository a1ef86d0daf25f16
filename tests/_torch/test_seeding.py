import pytest
import torch

from sksubtomo._torch._seeding import PartSeeds, seeded_cpu


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


def test_parts_draw_the_same_whatever_else_is_drawn():
    def draw(parts):
        with seeded_cpu(5):
            seeds = PartSeeds()
        drawn = {}
        for part in parts:
            with seeds.of(part):
                drawn[part] = torch.rand(3)
        return drawn

    both, alone = draw(["encoder", "decoder"]), draw(["decoder"])
    assert torch.equal(both["decoder"], alone["decoder"])
    assert not torch.equal(both["decoder"], both["encoder"])
