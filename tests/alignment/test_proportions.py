"""Class proportions: closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from sksubtomo.alignment import (
    class_evidence,
    estimate_proportions,
    least_proportions,
    raised_proportions,
    reference_responsibilities,
)


def test_certain_volumes_are_counted():
    evidence = torch.full((10, 3), -1e4)
    evidence[torch.arange(10), torch.tensor([0] * 7 + [1] * 3)] = 0.0
    found = estimate_proportions(evidence, np.array([1.0, 2.0, 0.5]))
    np.testing.assert_allclose(found, np.array([8.0, 5.0, 0.5]) / 13.5, rtol=1e-6)


def test_proportions_are_a_stationary_point_of_the_posterior():
    evidence = 2 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).double()
    evidence[:, 0] += 1.0
    counts = np.array([5.0, 20.0, 10.0])
    found = estimate_proportions(evidence, counts)

    def log_posterior(p):
        mixed = (evidence + torch.from_numpy(np.log(p))).logsumexp(dim=1)
        return float(mixed.sum()) + np.sum(counts * np.log(p))

    best = log_posterior(found)
    for step in ([1, -1, 0], [0, 1, -1], [1, 0, -1]):
        for sign in (-1, 1):
            assert log_posterior(found + 1e-3 * sign * np.array(step)) < best
    # Wherever it begins.
    other = estimate_proportions(evidence, counts, np.array([0.01, 0.01, 0.98]))
    np.testing.assert_allclose(other, found, atol=1e-4)


def test_least_proportions_are_exact_limits():
    n_labels = np.array([14, 8, 4, 2, 1, 0])
    least = least_proportions(n_labels)
    for count, value in zip(n_labels, least, strict=True):
        limit = binomtest(int(count), 29, alternative="greater").proportion_ci(0.95).low
        assert value == pytest.approx(min(limit, 0.25 / 6), abs=1e-12)
    assert least[-1] == 0


def test_raised_proportions():
    least = np.array([0.1, 0.1, 0.0])
    above = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(raised_proportions(above, least), above)
    raised = raised_proportions(np.array([0.9, 0.001, 0.099]), least)
    assert raised.sum() == pytest.approx(1)
    assert raised[1] == pytest.approx(0.1)
    assert (raised >= least - 1e-12).all()


def test_references_of_a_class_share_its_probability():
    owner = torch.tensor([0, 0, 1, 1])
    evidence = torch.tensor([[1.0, 3.0, -2.0, -torch.inf], [0.0, 0.0, 5.0, 5.0]])
    classes = class_evidence(evidence, owner)
    expected = np.log(np.exp(evidence.numpy()).reshape(2, 2, 2).mean(axis=2))
    np.testing.assert_allclose(classes, expected, rtol=1e-5)
    proba = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    shares = reference_responsibilities(proba, evidence, owner, 2.0)
    np.testing.assert_allclose(shares.view(2, 2, 2).sum(dim=2), proba)
    assert float(shares[0, 1] / shares[0, 0]) == pytest.approx(np.e)
    assert float(shares[0, 3]) == 0.0
    # A class that was not compared.
    none = torch.full((1, 4), -torch.inf)
    assert reference_responsibilities(proba[:1], none, owner, None).isfinite().all()


def test_the_background_is_a_class_without_references():
    evidence = torch.tensor([[1.0, 2.0, 3.0, 5.0]])
    owner = torch.tensor([0, 0, 2, 2])
    found = class_evidence(evidence, owner, torch.tensor([0.5]))
    expected = [np.log(np.exp([1, 2]).mean()), 0.5, np.log(np.exp([3, 5]).mean())]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    last = class_evidence(evidence[:, :1], torch.tensor([0]), torch.tensor([0.5]))
    np.testing.assert_allclose(last, [[1.0, 0.5]])


def test_two_references_of_one_class_beside_a_background():
    proba = torch.tensor([[0.8, 0.2], [0.0, 1.0]])
    evidence = torch.tensor([[0.0, np.log(3.0)], [-torch.inf, -torch.inf]])
    shares = reference_responsibilities(proba, evidence, torch.tensor([0, 0]), None)
    np.testing.assert_allclose(shares, [[0.2, 0.6], [0.0, 0.0]], rtol=1e-6)


def test_a_class_apart_is_not_held_by_the_prior_of_the_others():
    evidence = torch.full((12, 3), -1e4)
    evidence[torch.arange(12), torch.tensor([0] * 5 + [1] + [2] * 6)] = 0.0
    own = np.array([1.0, 1.0, 0.5])
    found = estimate_proportions(evidence, 1e9 * own, apart=2, own_counts=own)
    np.testing.assert_allclose(found, [4 / 14.5, 4 / 14.5, 6.5 / 14.5], rtol=1e-6)
    same = estimate_proportions(evidence, own, apart=2, own_counts=own)
    np.testing.assert_allclose(same, estimate_proportions(evidence, own), rtol=1e-5)
