import itertools
import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from sksubtomo.networks import ConditionalOutput, VariationalOutput
from sksubtomo.training import (
    ConditionalVariationalLoss,
    VariationalLoss,
    gaussian_cost,
    gaussian_divergence,
    unlabeled_cost,
)

CODES = torch.tensor([0, -1, 2, -1, 1])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def conditional_output(scale=1.0, shift=0.0):
    """Five volumes, three classes, codes of four; all parameters require gradients."""
    output = ConditionalOutput(
        volumes=torch.randn(5, 1, 2, 3, 2),
        logits=scale * torch.randn(5, 3),
        means=scale * torch.randn(5, 3, 4),
        log_variances=torch.randn(5, 3, 4).clamp(-1, 1) * min(scale, 10.0) + shift,
        reconstructions=scale * torch.randn(5, 3, 2, 3, 2),
        log_noise=torch.tensor(-0.3),
    )
    for value in output[1:]:
        value.requires_grad_()
    return output


def test_divergence_is_pytorchs():
    mean, log_variance = torch.randn(6, 5), torch.randn(6, 5)
    ours = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros(5), torch.ones(5)), 1)
    torch.testing.assert_close(
        gaussian_divergence(mean, log_variance), kl_divergence(ours, prior).expand(6)
    )


def test_divergence_of_the_prior_is_zero():
    assert gaussian_divergence(torch.zeros(1, 5), torch.zeros(1, 5)) == 0


@pytest.mark.parametrize("log_noise", [torch.tensor(0.7), torch.randn(2, 3, 2)])
def test_cost_is_pytorchs_negative_log_likelihood(log_noise):
    volumes, means = torch.randn(4, 2, 3, 2), torch.randn(4, 2, 3, 2)
    expected = -Normal(means, log_noise.exp()).log_prob(volumes).sum(dim=(1, 2, 3))
    torch.testing.assert_close(gaussian_cost(volumes, means, log_noise), expected)


def test_unlabeled_cost_is_the_sum_over_classes():
    costs, logits = torch.randn(4, 3), torch.randn(4, 3)
    q = logits.softmax(1)
    expected = [
        sum(q[i, y] * (costs[i, y] + math.log(q[i, y])) for y in range(3)) for i in range(4)
    ]
    torch.testing.assert_close(unlabeled_cost(costs, logits), torch.stack(expected))


def test_unlabeled_cost_bounds_the_evidence_and_touches_it_at_the_posterior():
    costs = torch.randn(50, 3)
    evidence = -torch.logsumexp(-costs, dim=1)
    assert (unlabeled_cost(costs, torch.randn(50, 3)) >= evidence - 1e-5).all()
    torch.testing.assert_close(unlabeled_cost(costs, -costs), evidence)


def test_bounds_hold_on_a_model_that_can_be_summed_exactly():
    # One voxel, code on a grid of one: p(x | y, z) = N(m_y + z, 1), so p(x | y) = N(m_y, 2), and
    # the posterior q(z | x, y) = N((x - m_y) / 2, 1/2) makes L(x, y) = -log p(x, y) on average.
    means_of_classes = torch.tensor([-1.0, 0.5, 2.0])
    x = torch.tensor(0.3)
    n = 200_000
    posterior_mean = (x - means_of_classes) / 2
    z = posterior_mean + math.sqrt(0.5) * torch.randn(n, 3)
    output = ConditionalOutput(
        volumes=x.expand(n, 1, 1, 1, 1),
        logits=torch.zeros(n, 3),
        means=posterior_mean.expand(n, 3).unsqueeze(2),
        log_variances=torch.full((n, 3, 1), math.log(0.5)),
        reconstructions=(means_of_classes + z).reshape(n, 3, 1, 1, 1),
        log_noise=torch.tensor(0.0),
    )
    costs = ConditionalVariationalLoss.labeled_costs(output).mean(dim=0, keepdim=True)
    joint = Normal(means_of_classes, math.sqrt(2.0)).log_prob(x) - math.log(3)
    torch.testing.assert_close(costs[0], -joint, atol=0.01, rtol=0)
    exact = -torch.logsumexp(joint, dim=0)
    torch.testing.assert_close(unlabeled_cost(costs, -costs)[0], exact, atol=0.01, rtol=0)


def test_loss_term_by_term():
    output = conditional_output()
    loss = ConditionalVariationalLoss(alpha=0.7)(output, CODES)
    costs = ConditionalVariationalLoss.labeled_costs(output)
    free = unlabeled_cost(costs, output.logits)
    bounds = costs[0, 0] + free[1] + costs[2, 2] + free[3] + costs[4, 1]
    labeled = CODES >= 0
    cross_entropy = torch.nn.functional.cross_entropy(output.logits[labeled], CODES[labeled])
    torch.testing.assert_close(loss, bounds / 5 + 0.7 * cross_entropy)


def test_costs_of_a_class_are_those_of_its_own_decoder_and_encoder():
    output = conditional_output()
    costs = ConditionalVariationalLoss.labeled_costs(output)
    for i, y in itertools.product(range(5), range(3)):
        expected = (
            gaussian_cost(output.volumes[i, 0], output.reconstructions[i, y], output.log_noise)
            + gaussian_divergence(output.means[i, y], output.log_variances[i, y])
            + math.log(3)
        )
        torch.testing.assert_close(costs[i, y], expected)


@pytest.mark.parametrize("codes", [CODES, torch.full((5,), -1), torch.tensor([0, 1, 2, 0, 1])])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.0, 0.0), (1e4, 0.0), (1.0, -9.0)])
def test_gradients_are_finite_in_all_corners(codes, scale, shift):
    output = conditional_output(scale, shift)
    loss = ConditionalVariationalLoss(class_weight=torch.tensor([1.0, 0.0, 2.0]))(output, codes)
    loss.backward()
    assert torch.isfinite(loss)
    for value in output[1:]:
        assert torch.isfinite(value.grad).all()


def test_variational_loss_is_cost_and_divergence():
    output = VariationalOutput(
        volumes=torch.randn(5, 1, 2, 3, 2),
        mean=torch.randn(5, 4),
        log_variance=torch.randn(5, 4),
        reconstruction=torch.randn(5, 1, 2, 3, 2),
        log_noise=torch.tensor(0.4),
    )
    criterion = VariationalLoss()
    loss = criterion(output, CODES)
    cost = gaussian_cost(output.volumes[:, 0], output.reconstruction[:, 0], output.log_noise)
    divergence = gaussian_divergence(output.mean, output.log_variance)
    torch.testing.assert_close(loss, (cost + divergence).mean())
    summary = criterion.summarize(criterion.sums)
    assert summary["loss"] == pytest.approx(float(loss), rel=1e-6)
    assert summary["divergence"] == pytest.approx(float(divergence.mean()), rel=1e-6)
