"""What is said of references that contradict labels, or have found no volumes."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sksubtomo.alignment import LabelCheck
from sksubtomo.exceptions import LabelAgreementWarning
from sksubtomo.semi_supervised._label_warnings import (
    lost_classes,
    warn_of_labels,
    warn_of_lost_classes,
)
from sksubtomo.semi_supervised._reference_settings import n_initializations

CLASSES = np.array(["fas", "p97", "vat"])


def agreement(targets, predicted):
    """Warn as a fit does whose references predict these classes for labeled volumes."""
    targets, predicted = np.asarray(targets), np.asarray(predicted)
    check = LabelCheck(np.arange(len(targets)), predicted, np.zeros(len(targets), bool))
    warn_of_labels(check, predicted == targets, CLASSES, targets)


def em_of(targets, labels, background=None, n_classes=3, prior=None):
    """What these checks read of an EM that has put volumes into classes."""
    targets = torch.tensor(targets)
    known = torch.nn.functional.one_hot(targets.clamp_min(0), n_classes) * (targets >= 0)[:, None]
    return SimpleNamespace(
        known=known.float(),
        labeled=targets >= 0,
        labels=torch.where(targets >= 0, targets, torch.tensor(labels)),
        n_classes=n_classes,
        background=background,
        prior=prior,
        pseudo_counts=None,
    )


def test_a_rare_class_that_is_contradicted_is_named():
    # 29 of 30 agree, but not the only one of its class.
    targets = [0] * 15 + [1] * 14 + [2]
    with pytest.warns(LabelAgreementWarning, match=r"0\.97 of .* half .* \['vat'\].* rows \[29\]"):
        agreement(targets, [*targets[:-1], 0])
    with pytest.warns(LabelAgreementWarning, match=r"half .* \['vat'\]"):
        agreement([0] * 30 + [1] * 30 + [2] * 2, [0] * 30 + [1] * 30 + [2, 1])


def test_one_of_many_labels_is_no_sign():
    targets = [0] * 15 + [1] * 15
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agreement(targets, targets)
        agreement(targets, [1, *targets[1:]])
        agreement([], [])
    with pytest.warns(LabelAgreementWarning) as caught:
        agreement(targets, [1, 1, *targets[2:]])
    assert "half" not in str(caught[0].message)
    assert "ClassPrior(background=...)" in str(caught[0].message)


@pytest.mark.parametrize(
    ("targets", "labels", "lost"),
    [
        # One label of ten lets a tenth of 60 be expected.
        ([0] * 5 + [1] * 4 + [2] + [-1] * 60, [0] * 40 + [1] * 30, [2]),
        ([0] * 5 + [1] * 4 + [2] + [-1] * 60, [0] * 40 + [1] * 29 + [2], [2]),
        ([0] * 5 + [1] * 4 + [2] + [-1] * 60, [0] * 40 + [1] * 28 + [2] * 2, []),
        # Of so few volumes, none may be of the rare class.
        ([0] * 5 + [1] * 4 + [2] + [-1] * 0, [0] * 10, []),
        ([0] * 5 + [1] * 4 + [2] + [-1] * 30, [0] * 40, []),
        # Of more labels, each can be left out.
        ([0] * 9 + [1] * 8 + [2] * 3 + [-1] * 60, [0] * 80, []),
        # A class without labels has nothing to be compared with.
        ([0] * 5 + [1] * 5 + [-1] * 60, [0] * 40 + [1] * 30, []),
    ],
)
def test_classes_that_have_only_their_labels_are_lost(targets, labels, lost):
    assert lost_classes(em_of(targets, labels)).tolist() == lost


def test_lost_classes_are_named_except_for_the_background():
    targets, labels = [0] * 5 + [1] * 2 + [2] + [-1] * 60, [0] * 68
    told = r"\['p97', 'vat'\] \(labeled volumes: \[2, 1\]\)"
    with pytest.warns(LabelAgreementWarning, match=told):
        warn_of_lost_classes(em_of(targets, labels), CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_lost_classes(em_of(targets, [0] * 34 + [1] * 34, background=2), CLASSES)


def test_a_class_that_is_as_rare_as_was_stated_is_not_lost():
    targets, labels = [0] * 5 + [1] * 4 + [2] + [-1] * 60, [0] * 40 + [1] * 30
    assert lost_classes(em_of(targets, labels, prior=[0.5, 0.49, 0.01])).tolist() == []
    assert lost_classes(em_of(targets, labels, prior=[0.5, 0.4, 0.1])).tolist() == [2]


@pytest.mark.parametrize(
    ("n_init", "counts", "expected"),
    [
        ("auto", [12, 4, 1], 3),
        ("auto", [6, 2], 3),
        ("auto", [5, 2], 1),
        ("auto", [9, 3], 1),
        ("auto", [1, 1, 1], 1),
        ("auto", [12, 0, 5], 1),
        (2, [12, 4, 1], 2),
        (np.int64(2), [5, 5], 2),
    ],
)
def test_uneven_labels_take_several_initializations(n_init, counts, expected):
    labeled = np.repeat(np.arange(len(counts)), counts)
    targets = np.append(labeled, [-1, -1])
    assert n_initializations(n_init, targets, begun=False) == expected
    assert n_initializations(n_init, labeled, begun=False) == 1
    if n_init == "auto":
        assert n_initializations(n_init, targets, begun=True) == 1
        with_background = np.append(targets, len(counts))
        background = len(counts)
        found = n_initializations(n_init, with_background, begun=False, background=background)
        assert found == expected


def test_volumes_of_the_background_let_no_structure_expect_more():
    # Without labels of its own, most volumes may be of it.
    targets, labels = [0] * 2 + [1] * 2 + [-1] * 40, [0] * 4 + [0] * 6 + [1] * 1 + [2] * 33
    assert lost_classes(em_of(targets, labels, background=2)).tolist() == []
    labels = [0] * 4 + [0] * 27 + [1] * 1 + [2] * 12
    assert lost_classes(em_of(targets, labels, background=2)).tolist() == [1]
