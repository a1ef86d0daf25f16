"""Labeled volumes that are left out: the same as if they had not been there."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from sksubtomo.alignment import IdentityPose, MultiReferenceEM, leave_one_out
from sksubtomo.alignment._agreement import _own_evidence, rows_to_leave_out

NOISE = 0.7


def run(rows, targets, **params):
    poses, data = IdentityPose((1, 1, rows.shape[1])), torch.from_numpy(rows)
    n_classes = int(targets.max()) + 1
    first = [int(np.flatnonzero(targets == k)[0]) for k in range(n_classes)]
    em = MultiReferenceEM(
        [(poses, 3)],
        data,
        targets,
        maps=poses.to_maps(data[first]),
        owner=np.arange(n_classes),
        n_averaged=np.ones(n_classes),
        noise=torch.tensor([NOISE]),
        n_frozen=params.pop("n_frozen", 1),
        **params,
    )
    em.run()
    return em, poses, data


@pytest.fixture(scope="module")
def lines():
    rng = np.random.default_rng(0)
    targets = np.arange(12) % 2
    return (rng.normal(size=(12, 5)) + 3 * targets[:, np.newaxis]).astype(np.float32), targets


def test_a_row_is_predicted_from_the_others(lines):
    rows, targets = lines
    em, poses, data = run(rows, targets)
    signal = (rows.astype(float) ** 2).mean()
    for row in (0, 5):
        others = rows[(targets == targets[row]) & (np.arange(12) != row)].astype(float)
        precision = len(others) / NOISE + 1 / signal
        mean = others.sum(axis=0) / NOISE / precision
        spread = np.sqrt(NOISE + 1 / precision)
        expected = norm.logpdf(rows[row], mean, spread) - norm.logpdf(rows[row], 0, NOISE**0.5)
        inverted = norm.logpdf(rows[row], -mean, spread) - norm.logpdf(rows[row], 0, NOISE**0.5)
        one = torch.tensor([row])
        found = _own_evidence(em, em.last, poses, data, one, torch.from_numpy(targets)[one])
        np.testing.assert_allclose(found[0], [expected.sum(), inverted.sum()], rtol=1e-4)


def test_wrong_labels_and_inverted_rows_are_found(lines):
    rows, targets = lines
    check = leave_one_out(*run(rows, targets))
    assert np.array_equal(check.rows, np.arange(12))
    assert np.array_equal(check.predicted, targets)
    assert not check.inverted.any()
    wrong = targets.copy()
    wrong[3] = 0
    check = leave_one_out(*run(rows, wrong))
    assert check.predicted[3] == 1
    flipped = rows.copy()
    flipped[5] *= -1
    check = leave_one_out(*run(flipped, targets))
    assert np.flatnonzero(check.inverted).tolist() == [5]


def test_noise_does_not_agree_with_itself():
    rows = np.random.default_rng(1).normal(scale=NOISE**0.5, size=(40, 30)).astype(np.float32)
    targets = np.arange(40) % 2
    check = leave_one_out(*run(rows, targets))
    assert (check.predicted == targets).mean() < 0.7


def test_rows_without_others_are_left_out(lines):
    rows, targets = lines
    alone = np.where(np.arange(12) == 0, 0, np.where(targets == 1, 1, -1))
    em, poses, data = run(rows, alone, n_frozen=3)
    assert 0 not in leave_one_out(em, poses, data).rows
    em.last = None
    assert len(leave_one_out(em, poses, data).rows) == 0


def test_of_many_rows_some_are_taken():
    labeled = torch.arange(1000) % 2 == 1
    rows = rows_to_leave_out(labeled)
    assert len(rows) == 60
    assert labeled[rows].all()
    assert rows[0] == 1
    assert rows[-1] == 999
