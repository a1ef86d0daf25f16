import math

import pytest
import torch
from torch.nn import functional as F

from sksubtomo.training import PseudoLabelConsistency, SquaredErrorConsistency

UNIFORM = torch.full((3,), 1 / 3)
UNLABELED = torch.zeros(4, dtype=torch.bool)


def logits_of(probabilities):
    return torch.log(torch.tensor(probabilities))


TEACHER = logits_of([[0.9, 0.05, 0.05], [0.5, 0.3, 0.2], [0.1, 0.85, 0.05], [0.05, 0.05, 0.9]])


def test_only_sure_rows_count_and_the_mean_is_over_all_compared():
    student = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    module = PseudoLabelConsistency(UNIFORM, threshold=0.8, align=False)
    labeled = torch.tensor([False, False, False, True])
    compared = module(student, TEACHER, labeled)
    expected = F.cross_entropy(student[[0, 2]], torch.tensor([0, 1]), reduction="sum")
    torch.testing.assert_close(compared.cost, expected)
    assert (compared.n_rows, compared.n_kept) == (3, 2)
    compared.cost.backward()
    assert (student.grad[[1, 3]] == 0).all()
    assert (student.grad[[0, 2]] != 0).any()


def test_alignment_gives_the_teacher_the_shares_of_the_labels():
    # A teacher that prefers class 0 by a factor, whatever it sees, is not to be believed in that.
    generator = torch.Generator().manual_seed(0)
    fair = torch.rand(512, 3, generator=generator)
    biased = fair * torch.tensor([4.0, 1.0, 1.0])
    biased = biased / biased.sum(dim=1, keepdim=True)
    module = PseudoLabelConsistency(UNIFORM, threshold=0.0, momentum=0.0)
    targets, _ = module._choose(biased, torch.ones(512, dtype=torch.bool))
    plain = torch.bincount(biased.argmax(dim=1), minlength=3) / 512
    aligned = torch.bincount(targets, minlength=3) / 512
    assert (aligned - 1 / 3).abs().max() < 0.4 * (plain - 1 / 3).abs().max()


def test_running_means():
    module = PseudoLabelConsistency(UNIFORM, momentum=0.9)
    module(torch.zeros(4, 3), TEACHER, UNLABELED)
    mean = TEACHER.softmax(dim=1).mean(dim=0)
    torch.testing.assert_close(module.mean_probabilities, 0.9 / 3 + 0.1 * mean)
    confidence = (0.9 + 0.5 + 0.85 + 0.9) / 4
    assert module.mean_confidence.item() == pytest.approx(0.9 / 3 + 0.1 * confidence)
    before = module.mean_probabilities.clone()
    module(torch.zeros(4, 3), TEACHER, ~UNLABELED)
    assert torch.equal(module.mean_probabilities, before)


def test_adaptive_threshold_is_lower_for_rare_classes():
    module = PseudoLabelConsistency(UNIFORM, align=False, momentum=1.0)
    module.mean_probabilities.copy_(torch.tensor([0.6, 0.3, 0.1]))
    module.mean_confidence.fill_(0.8)
    # Thresholds: 0.8, 0.4 and 0.133.
    probabilities = torch.tensor([[0.79, 0.11, 0.1], [0.81, 0.1, 0.09], [0.35, 0.39, 0.26]])
    _, kept = module._choose(probabilities, torch.ones(3, dtype=torch.bool))
    assert kept.tolist() == [False, True, False]
    _, kept = module._choose(torch.tensor([[0.2, 0.41, 0.39]]), torch.ones(1, dtype=torch.bool))
    assert kept.tolist() == [True]


def test_squared_error_is_over_all_rows():
    student = logits_of([[0.5, 0.5], [0.9, 0.1]])
    teacher = logits_of([[0.7, 0.3], [0.9, 0.1]])
    compared = SquaredErrorConsistency()(student, teacher, torch.tensor([True, False]))
    assert compared.cost.item() == pytest.approx(2 * 0.2**2)
    assert compared.n_rows == compared.n_kept == 2


def test_agreement_costs_nothing_but_the_entropy():
    sure = torch.tensor([[50.0, 0.0, 0.0]])
    compared = PseudoLabelConsistency(UNIFORM, threshold=0.9)(sure, sure, UNLABELED[:1])
    assert compared.cost.item() == pytest.approx(0.0, abs=1e-6)
    unsure = torch.zeros(1, 3)
    compared = PseudoLabelConsistency(UNIFORM, threshold=0.0)(unsure, unsure, UNLABELED[:1])
    assert compared.cost.item() == pytest.approx(math.log(3))
