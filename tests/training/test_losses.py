import pytest
import torch
from torch import nn

from sksubtomo.networks import AutoencodingOutput
from sksubtomo.training import AutoencodingLoss, labeled_cross_entropy, quotient, squared_errors


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
    ours = quotient(*labeled_cross_entropy(output.logits, CODES, weight))
    theirs = nn.CrossEntropyLoss(weight, ignore_index=-1)(output.logits, CODES)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("weight", [None, torch.tensor([0.2, 1.0, 3.0])])
def test_cross_entropy_without_labels_is_zero_with_zero_gradient(output, weight):
    loss = quotient(*labeled_cross_entropy(output.logits, torch.full((6,), -1), weight))
    loss.backward()
    assert loss == 0
    assert (output.logits.grad == 0).all()


def test_cross_entropy_of_weightless_labels_has_finite_gradient(output):
    loss = quotient(*labeled_cross_entropy(output.logits, CODES, torch.zeros(3)))
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
    loss = AutoencodingLoss(alpha=0.5, beta=2.0, unlabeled_weight=0.25, sparsity=0.01)(
        output, CODES
    )
    mse = [nn.functional.mse_loss(output.reconstruction[i], output.volumes[i]) for i in range(6)]
    reconstruction = sum((0.25 if CODES[i] < 0 else 0.5) * mse[i] for i in range(6)) / 6
    labeled = CODES >= 0
    cross_entropy = nn.functional.cross_entropy(output.logits[labeled], CODES[labeled])
    activity = output.code.sum(dim=1).mean()
    torch.testing.assert_close(loss, reconstruction + 2.0 * cross_entropy + 0.01 * activity)


def test_without_reconstruction_only_the_classifier_counts(output):
    loss = AutoencodingLoss()(output._replace(reconstruction=None), CODES)
    labeled = CODES >= 0
    torch.testing.assert_close(
        loss, nn.functional.cross_entropy(output.logits[labeled], CODES[labeled])
    )


def test_summary_of_an_epoch_weighs_labels_not_batches(output):
    criterion = AutoencodingLoss(class_weight=torch.tensor([0.2, 1.0, 3.0]))
    whole = criterion(output, CODES)
    totals: dict[str, torch.Tensor] = {}
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        criterion(AutoencodingOutput(*(value[rows] for value in output)), CODES[rows])
        totals = {name: totals.get(name, 0) + value for name, value in criterion.sums.items()}
    summary = criterion.summarize(totals)
    assert summary["loss"] == pytest.approx(float(whole.detach()), rel=1e-5)
    assert summary["reconstruction_error"] == pytest.approx(
        float(squared_errors(output.volumes, output.reconstruction).mean().detach()), rel=1e-5
    )
