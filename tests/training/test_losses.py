import math

import pytest
import torch
from torch import nn

from sksubtomo.augmentation._views import apply_wedge
from sksubtomo.fourier import missing_wedge_mask
from sksubtomo.networks import (
    AutoencodingNetwork,
    AutoencodingOutput,
    ContrastiveOutput,
    Liu2019,
)
from sksubtomo.training import (
    ContrastiveLoss,
    JointLoss,
    SquaredErrorConsistency,
    labeled_cross_entropy,
    safe_divide,
    squared_errors,
)


@pytest.fixture
def output():
    torch.manual_seed(0)
    return AutoencodingOutput(
        volumes=torch.randn(6, 1, 3, 3, 3),
        code=torch.rand(6, 4).requires_grad_(),
        reconstruction=torch.randn(6, 1, 3, 3, 3).requires_grad_(),
        logits=torch.randn(6, 3).requires_grad_(),
    )


CODES = torch.tensor([0, -1, 2, -1, 1, 0])


@pytest.mark.parametrize("weight", [None, torch.tensor([0.2, 1.0, 3.0])])
def test_cross_entropy_equals_pytorchs_where_that_is_defined(output, weight):
    ours = safe_divide(*labeled_cross_entropy(output.logits, CODES, weight))
    theirs = nn.CrossEntropyLoss(weight, ignore_index=-1)(output.logits, CODES)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("weight", [None, torch.tensor([0.2, 1.0, 3.0])])
def test_cross_entropy_without_labels_is_zero_with_zero_gradient(output, weight):
    loss = safe_divide(*labeled_cross_entropy(output.logits, torch.full((6,), -1), weight))
    loss.backward()
    assert loss == 0
    assert (output.logits.grad == 0).all()


def test_cross_entropy_of_weightless_labels_has_finite_gradient(output):
    loss = safe_divide(*labeled_cross_entropy(output.logits, CODES, torch.zeros(3)))
    loss.backward()
    assert loss == 0
    assert torch.isfinite(output.logits.grad).all()


def test_squared_errors_are_means_over_voxels(output):
    expected = [
        nn.functional.mse_loss(output.reconstruction[i], output.volumes[i]) for i in range(6)
    ]
    torch.testing.assert_close(
        squared_errors(output.volumes, output.reconstruction), torch.stack(expected)
    )


def test_joint_loss_term_by_term(output):
    loss = JointLoss(alpha=0.5, beta=2.0, unlabeled_weight=0.25, sparsity=0.01)(output, CODES)
    mse = [nn.functional.mse_loss(output.reconstruction[i], output.volumes[i]) for i in range(6)]
    reconstruction = sum((0.25 if CODES[i] < 0 else 0.5) * mse[i] for i in range(6)) / 6
    labeled = CODES >= 0
    cross_entropy = nn.functional.cross_entropy(output.logits[labeled], CODES[labeled])
    activity = output.code.sum(dim=1).mean()
    torch.testing.assert_close(loss, reconstruction + 2.0 * cross_entropy + 0.01 * activity)


def test_without_reconstruction_only_the_classifier_counts(output):
    loss = JointLoss()(output._replace(reconstruction=None), CODES)
    labeled = CODES >= 0
    torch.testing.assert_close(
        loss, nn.functional.cross_entropy(output.logits[labeled], CODES[labeled])
    )


def test_summary_of_an_epoch_weighs_labels_not_batches(output):
    criterion = JointLoss(class_weight=torch.tensor([0.2, 1.0, 3.0]))
    whole = criterion(output, CODES)
    totals: dict[str, torch.Tensor] = {}
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        criterion(AutoencodingOutput(*(value[rows] for value in output[:4])), CODES[rows])
        totals = {name: totals.get(name, 0) + value for name, value in criterion.sums.items()}
    summary = criterion.summarize(totals)
    assert summary["loss"] == pytest.approx(float(whole.detach()), rel=1e-5)
    assert summary["reconstruction_error"] == pytest.approx(
        float(squared_errors(output.volumes, output.reconstruction).mean().detach()), rel=1e-5
    )


# --- The weight of the sparsity ------------------------------------------------------------------


@pytest.fixture
def explaining(output):
    """An output whose reconstruction explains some of the variance of its volumes."""
    reconstruction = (0.5 * output.volumes + 0.1 * output.reconstruction.detach()).requires_grad_()
    return output._replace(reconstruction=reconstruction)


def gain(output, weights):
    """How much lower the weighted error is than that of the mean of all volumes."""
    errors = squared_errors(output.volumes, output.reconstruction).detach()
    variance = output.volumes.var(dim=0).mean()
    return (weights * errors).sum() / errors.sum() * (variance - errors.mean())


def test_relative_sparsity_costs_a_hundredth_of_what_the_reconstruction_gains(explaining):
    params = {"alpha": 0.5, "unlabeled_weight": 0.25}
    weights = torch.where(CODES >= 0, 0.5, 0.25)
    explaining = AutoencodingOutput(*(value.double() for value in explaining[:4]))
    expected = 0.01 * gain(explaining, weights)
    assert expected > 0
    free = JointLoss(**params, sparsity=0.0)(explaining, CODES)
    relative = JointLoss(**params, sparsity="relative")(explaining, CODES)
    torch.testing.assert_close(relative - free, expected)


def test_relative_sparsity_has_the_gradient_of_the_papers_with_that_weight(explaining):
    activity = explaining.code.detach().sum(dim=1).mean()
    weight = float(0.01 * gain(explaining, torch.ones(6)) / activity)
    JointLoss(sparsity="relative")(explaining, CODES).backward()
    relative = explaining.code.grad.clone(), explaining.reconstruction.grad.clone()
    explaining.code.grad = explaining.reconstruction.grad = None
    JointLoss(sparsity=weight)(explaining, CODES).backward()
    torch.testing.assert_close(relative, (explaining.code.grad, explaining.reconstruction.grad))


def test_relative_sparsity_is_off_where_nothing_is_gained(output):
    output.code.retain_grad()
    loss = JointLoss(sparsity="relative")(output, CODES)
    assert loss == JointLoss(sparsity=0.0)(output, CODES)
    loss.backward()
    assert (output.code.grad == 0).all()


def test_relative_sparsity_of_a_dead_code_is_finite(explaining):
    dead = explaining._replace(code=torch.zeros(6, 4, requires_grad=True))
    loss = JointLoss(sparsity="relative")(dead, CODES)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(dead.code.grad).all()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_relative_sparsity_does_not_depend_on_the_scale_of_the_code(explaining, scale):
    scaled = explaining._replace(code=explaining.code.detach() * scale)
    loss = JointLoss(sparsity="relative")
    torch.testing.assert_close(loss(scaled, CODES), loss(explaining, CODES))


def test_relative_sparsity_without_reconstruction_is_none(output):
    alone = output._replace(reconstruction=None)
    assert JointLoss(sparsity="relative")(alone, CODES) == JointLoss(sparsity=0.1)(alone, CODES)


def trained_on_weak_signal(sparsity, seed=0):
    """Figures of an autoencoder after 80 steps on noise with one weak pattern in it."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(48, 1, 6, 6, 6, generator=generator)
    amplitudes = torch.randn(48, 1, 1, 1, 1, generator=generator)
    volumes = noise + 0.15 * amplitudes * torch.arange(-2.5, 3).reshape(6, 1, 1)
    torch.manual_seed(seed)
    parts = Liu2019(n_blocks=1, n_filters=4, latent_dim=16)
    network = AutoencodingNetwork((6, 6, 6), None, network=parts)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    loss = JointLoss(sparsity=sparsity)
    for _ in range(80):
        optimizer.zero_grad()
        loss(network(volumes), torch.full((48,), -1)).backward()
        optimizer.step()
    return loss.summarize(loss.sums)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_weak_signal_is_lost_with_a_fixed_weight_and_kept_with_the_relative_one(seed):
    fixed = trained_on_weak_signal(0.03, seed)
    assert fixed["live_units"] == 0
    assert fixed["reconstruction_spread"] < 1e-6
    relative = trained_on_weak_signal("relative", seed)
    free = trained_on_weak_signal(0.0, seed)
    assert relative["live_units"] >= 8
    assert relative["explained_variance"] > 0.7 * free["explained_variance"] > 0.05


# --- What was added to the paper's loss ----------------------------------------------------------


def test_error_is_counted_where_the_tilts_measure():
    wedge = torch.from_numpy(missing_wedge_mask((6, 6, 6), 60.0)).float()
    volumes = apply_wedge(torch.randn(4, 1, 6, 6, 6), 60.0)
    beyond = torch.randn(4, 1, 6, 6, 6)
    beyond = beyond - apply_wedge(beyond, 60.0)
    codes = torch.full((4,), -1)

    def loss(reconstruction, **params):
        output = AutoencodingOutput(volumes, torch.zeros(4, 2), reconstruction, None)
        return JointLoss(**params)(output, codes)

    assert loss(volumes + beyond, measured=wedge).item() < 1e-10
    assert loss(volumes + beyond).item() > 0.1
    other = torch.randn(4, 1, 6, 6, 6)
    everywhere = torch.ones_like(wedge)
    torch.testing.assert_close(loss(other, measured=everywhere), loss(other))


def test_consistency_is_weighted_and_ramped(output):
    teacher = output._replace(teacher_logits=torch.randn(6, 3))
    module = SquaredErrorConsistency()
    plain = JointLoss()(output, CODES)
    loss = JointLoss(consistency_weight=3.0, consistency=module)
    compared = module(output.logits, teacher.teacher_logits, CODES >= 0)
    torch.testing.assert_close(loss(teacher, CODES), plain + 3 * compared.cost / 6)
    summary = loss.summarize(loss.sums)
    assert summary["inconsistency"] == pytest.approx(compared.cost.item() / 6)
    assert summary["kept_share"] == 1.0
    loss.ramp = 0.5
    torch.testing.assert_close(loss(teacher, CODES), plain + 1.5 * compared.cost / 6)
    torch.testing.assert_close(loss(output, CODES), plain)  # no teacher, as in validation


def test_contrastive_loss_in_closed_form():
    # Two volumes whose copies agree exactly and are at right angles to the other's.
    z = torch.eye(2).repeat(2, 1)
    output = ContrastiveOutput(torch.zeros(4, 1, 1, 1, 1), z)
    loss = ContrastiveLoss(temperature=0.5)
    expected = math.log(math.exp(2.0) + 2) - 2.0
    assert loss(output, torch.full((4,), -1)).item() == pytest.approx(expected)
    assert loss.summarize(loss.sums)["loss"] == pytest.approx(expected)
    swapped = ContrastiveOutput(output.volumes, z[[0, 1, 1, 0]])
    assert loss(swapped, torch.full((4,), -1)).item() == pytest.approx(expected + 2.0)


def test_contrastive_loss_of_one_volume_is_left_out():
    loss, alone = ContrastiveLoss(), ContrastiveLoss()
    z = nn.functional.normalize(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    loss(ContrastiveOutput(torch.zeros(8, 1, 1, 1, 1), z), torch.full((8,), -1))
    single = z[:2].clone().requires_grad_()
    value = alone(ContrastiveOutput(torch.zeros(2, 1, 1, 1, 1), single), torch.full((2,), -1))
    value.backward()
    assert value.item() == 0.0
    assert single.grad is None
    both = {name: loss.sums[name] + alone.sums[name] for name in loss.sums}
    assert loss.summarize(both) == loss.summarize(loss.sums)
    assert alone.summarize(alone.sums) == {"loss": 0.0}
