import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sksubtomo.networks import AutoencodingNetwork, CenteredLinear, Liu2019
from sksubtomo.training import JointLoss


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return CenteredLinear(nn.Linear(6, 3)).double()


@pytest.fixture
def inputs():
    return torch.rand(8, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_batch_is_centered_in_training(layer, inputs):
    expected = F.linear(inputs - inputs.mean(dim=0), layer.weight, layer.bias)
    torch.testing.assert_close(layer(inputs), expected)
    torch.testing.assert_close(layer(inputs + 100 * inputs[0]), expected)


def test_gradient_that_all_rows_share_reaches_the_bias_only(layer, inputs):
    shared = torch.tensor([1.0, -2.0, 3.0]).double()
    layer(inputs).backward(shared.expand(8, 3))
    torch.testing.assert_close(layer.bias.grad, 8 * shared)
    assert layer.weight.grad.abs().max() < 1e-14  # a plain layer's is 8 * 0.5 * 3
    (gradient,) = torch.autograd.grad(layer(inputs.requires_grad_()).sum(), inputs)
    assert gradient.abs().max() < 1e-14


def test_in_evaluation_it_is_a_plain_layer_with_another_bias(layer, inputs):
    for batch in inputs.split(2):
        layer(batch)
    layer.eval()
    # Of the first ten batches, the running mean is the plain one.
    mean = inputs.mean(dim=0)
    expected = F.linear(inputs, layer.weight, layer.bias - layer.weight @ mean)
    torch.testing.assert_close(layer(inputs), expected)
    torch.testing.assert_close(layer(inputs[:1]), expected[:1])
    assert layer.num_batches_tracked == 4


def test_running_mean_follows_inputs_that_change(layer, inputs):
    for _ in range(20):
        layer(inputs)
    for _ in range(60):
        layer(inputs + 1)
    # 0.9 ** 60 of the way is left.
    torch.testing.assert_close(layer.running_mean, inputs.mean(dim=0) + 1, rtol=0, atol=0.002)


def test_single_row_takes_the_running_mean_and_leaves_it(layer, inputs):
    layer(inputs)
    before = layer.running_mean.clone()
    expected = F.linear(inputs[:1] - before, layer.weight, layer.bias)
    torch.testing.assert_close(layer(inputs[:1]), expected)
    assert torch.equal(layer.running_mean, before)
    assert layer.num_batches_tracked == 1


def test_single_row_before_any_batch_is_finite(layer, inputs):
    torch.testing.assert_close(layer(inputs[:1]), F.linear(inputs[:1], layer.weight, layer.bias))
    assert layer.num_batches_tracked == 0


def test_frozen_layer_keeps_its_running_mean(layer, inputs):
    layer(inputs)
    before = layer.running_mean.clone()
    layer.weight.requires_grad_(False)
    layer(inputs + 1)
    assert torch.equal(layer.running_mean, before)


def live_units(centers_features, seed):
    """Live units of a code of 64, after four steps on volumes that have a mean to be learned."""
    generator = torch.Generator().manual_seed(0)
    mean = 2 * torch.randn(8, 8, 8, generator=generator)
    volumes = mean + torch.randn(32, 1, 8, 8, 8, generator=generator)
    torch.manual_seed(seed)
    network = AutoencodingNetwork(
        (8, 8, 8),
        None,
        network=Liu2019(n_blocks=1, latent_dim=64),
        centers_features=centers_features,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    loss = JointLoss(sparsity=0.0)
    for _ in range(4):
        optimizer.zero_grad()
        loss(network(volumes), torch.full((32,), -1)).backward()
        optimizer.step()
    return loss.summarize(loss.sums)["live_units"]


@pytest.mark.parametrize("seed", [0, 1])
def test_first_steps_kill_a_plain_code_and_not_a_centered_one(seed):
    assert live_units(False, seed) < 16
    assert live_units(True, seed) == 64
