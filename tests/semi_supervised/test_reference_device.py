"""Fits and predictions of references on a simulated GPU are those of the CPU."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from simulated_device import DEVICE, SimulatedDevice

from sksubtomo.alignment import Annealing, ClassPrior
from sksubtomo.alignment import _expectation as engine
from sksubtomo.datasets import make_subtomograms
from sksubtomo.semi_supervised import (
    MultiReferenceClassifier,
    _base_reference,
    _multi_reference,
    _reference_fit,
    _reference_settings,
)

RANGES = np.tile([(-60.0, 60.0), (-40.0, 55.0)], (15, 1))


@pytest.fixture(scope="module")
def data():
    data = make_subtomograms(
        30,
        classes=2,
        box_size=12,
        voxel_size_angstrom=25.0,
        snr=0.5,
        max_shift_voxels=0.5,
        random_state=0,
    )
    y = np.unique(data.y, return_inverse=True)[1]
    return data.X, np.where(np.arange(30) < 10, y, -1)


def fit_and_predict(data, params, ranges, device="cpu"):
    X, y = data
    annealing = Annealing(stages=((3.0, 90.0, 1, 2), (3.5, 72.0, 3, 2)), n_frozen_iter=1)
    shared = {"annealing": annealing, "max_shift_voxels": 1.0, "random_state": 0}
    shared["device"] = device
    classifier = MultiReferenceClassifier(**shared, **params)
    given = {} if ranges is None else {"tilt_ranges_deg": ranges}
    classifier.fit(X, y, **given)
    proba = classifier.predict_proba(X, **given)
    poses = classifier.align(X, refine=True, **given)
    return classifier, proba, poses


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("params", "ranges"),
    [
        ({}, None),
        ({}, RANGES),
        ({"class_prior": ClassPrior(background=7), "n_references": 2}, None),
        pytest.param({"symmetry": "C2", "n_init": 2}, None, marks=pytest.mark.slow),
    ],
    ids=["plain", "tilt ranges", "background and two references", "symmetry, twice"],
)
def test_all_of_it_is_that_of_the_cpu(data, params, ranges, monkeypatch):
    # Both compare all poses.
    monkeypatch.setattr(engine, "subspace_search", lambda *args: None)
    here = fit_and_predict(data, params, ranges)
    for module in (_base_reference, _multi_reference, _reference_settings):
        monkeypatch.setattr(module, "resolve_device", lambda *args, **kwargs: DEVICE)
    for module in (_base_reference, _reference_fit):
        monkeypatch.setattr(module, "holding_precision", lambda *args: nullcontext())
    with SimulatedDevice() as device:
        there = fit_and_predict(data, params, ranges)
    assert device.counts["sends"]
    check_alike(here, there)


def check_alike(here, there):
    # Sums in another order; what they round to goes through several iterations.
    np.testing.assert_allclose(there[1], here[1], atol=0.02)
    assert np.mean(there[0].transduction_ == here[0].transduction_) > 0.9
    assert np.mean(there[2].references == here[2].references) > 0.9


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("ranges", [None, RANGES], ids=["plain", "tilt ranges"])
def test_a_gpu_agrees_with_the_cpu(data, ranges, monkeypatch):
    monkeypatch.setattr(engine, "subspace_search", lambda *args: None)
    here, there = (fit_and_predict(data, {}, ranges, device) for device in ("cpu", "cuda"))
    check_alike(here, there)
