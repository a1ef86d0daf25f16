import copy
import pickle

import pytest
import torch

from sksubtomo.networks import ConditionalVariationalNetwork, Liu2019, VariationalNetwork
from sksubtomo.networks._gaussian import GaussianHead, GaussianNoise
from sksubtomo.training import ConditionalVariationalLoss, VariationalLoss

SIZES = {"network": Liu2019(n_filters=4), "n_hidden": 6, "latent_dim": 5}


def networks():
    torch.manual_seed(0)
    return {
        "variational": VariationalNetwork((6, 5, 7), **SIZES),
        "conditional": ConditionalVariationalNetwork((6, 5, 7), 3, **SIZES),
        "dense": ConditionalVariationalNetwork((1, 1, 7), 3, dense=True, **SIZES),
    }


def test_shapes_of_the_variational_network():
    network, batch = networks()["variational"].eval(), torch.randn(4, 1, 6, 5, 7)
    output = network(batch)
    assert output.mean.shape == output.log_variance.shape == (4, 5)
    assert output.reconstruction.shape == batch.shape
    assert torch.equal(network.encode(batch), output.mean)
    assert torch.equal(network.reconstruct(batch), network.decode(output.mean))


@pytest.mark.parametrize(("name", "shape"), [("conditional", (6, 5, 7)), ("dense", (1, 1, 7))])
def test_shapes_of_the_conditional_network(name, shape):
    network, batch = networks()[name].eval(), torch.randn(4, 1, *shape)
    output = network(batch)
    assert output.logits.shape == (4, 3)
    assert output.means.shape == output.log_variances.shape == (4, 3, 5)
    assert output.reconstructions.shape == (4, 3, *shape)
    torch.testing.assert_close(output.logits.softmax(1), network.classify(batch))


def test_classes_reach_encoder_and_decoder():
    network = networks()["conditional"].eval()
    output = network(torch.randn(2, 1, 6, 5, 7))
    assert not torch.allclose(output.means[:, 0], output.means[:, 1])
    network.draw.forward = lambda means, log_variances: torch.zeros_like(means)
    still = network(torch.randn(2, 1, 6, 5, 7)).reconstructions
    assert not torch.allclose(still[:, 0], still[:, 1])
    torch.testing.assert_close(still[0], still[1])  # the code being fixed, only the class counts


def test_noise_of_codes_is_learned_and_of_volumes_is_not():
    parameters = {name: dict(net.named_parameters()) for name, net in networks().items()}
    assert [name for name in parameters if "log_noise" in parameters[name]] == ["dense"]


def test_draws_have_mean_and_variance():
    draw = GaussianNoise()
    mean, log_variance = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 2.0])
    drawn = draw(mean.expand(100_000, 2), log_variance.expand(100_000, 2))
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0), log_variance.exp(), rtol=0.03, atol=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda draw: pickle.loads(pickle.dumps(draw))])
def test_copies_go_on_with_the_same_draws_and_leave_the_global_generator_alone(copied):
    draw = GaussianNoise()
    twin, zeros = copied(draw), torch.zeros(3)
    state = torch.random.get_rng_state()
    assert torch.equal(draw(zeros, zeros), twin(zeros, zeros))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_evaluation_draws_the_same_each_time_and_does_not_disturb_the_training():
    draw, zeros = GaussianNoise(), torch.zeros(3)
    twin = copy.deepcopy(draw)
    assert torch.equal(draw.eval()(zeros, zeros), draw(zeros, zeros))
    assert torch.equal(draw.train()(zeros, zeros), twin(zeros, zeros))
    assert not torch.equal(draw(zeros, zeros), draw(zeros, zeros))


def test_log_variance_is_bounded():
    head = GaussianHead(3, 2)
    _, log_variance = head(torch.full((1, 3), 1e9, requires_grad=True))
    assert (log_variance.abs() <= 10).all()
    assert torch.isfinite(log_variance.exp()).all()


@pytest.mark.parametrize("kind", ["variational", "conditional"])
def test_first_steps_leave_the_hidden_units_alive(kind):
    """Without centered features, 3 to 11 of the 64 live after four steps."""
    generator = torch.Generator().manual_seed(0)
    mean = 2 * torch.randn(8, 8, 8, generator=generator)
    volumes = mean + torch.randn(32, 1, 8, 8, 8, generator=generator)
    torch.manual_seed(0)
    sizes = {"network": Liu2019(n_blocks=1), "n_hidden": 64, "latent_dim": 4}
    if kind == "variational":
        network, loss = VariationalNetwork((8, 8, 8), **sizes), VariationalLoss()
    else:
        network = ConditionalVariationalNetwork((8, 8, 8), 2, **sizes)
        loss = ConditionalVariationalLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(4):
        optimizer.zero_grad()
        loss(network(volumes), torch.full((32,), -1)).backward()
        optimizer.step()
    hidden, _ = network.encoder(volumes)
    assert int((hidden.std(dim=0) > 1e-6).sum()) == 64
