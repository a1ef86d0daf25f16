"""Shared by all tests: one compute thread, and where the real data are."""

import os
from pathlib import Path

# Before anything imports numpy or torch: threads of two test processes would fight over the
# cores, and scikit-learn skips some of its estimator checks without the array API.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Tests that ask for two threads share the cores with other processes; there, threads that wait
# actively for each other take ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What device="auto" is in tests, here and in the processes that they start, also on machines with a
# GPU: SKSUBTOMO_TEST_DEVICE=cuda runs the suite on it.
os.environ["SKSUBTOMO_DEVICE"] = os.environ.get("SKSUBTOMO_TEST_DEVICE") or "cpu"

import numpy as np
import pytest
import torch

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def number_of_threads_stays():
    """Fail the test that changes them, not one after it, whose last bits then differ."""
    before = torch.get_num_threads()
    yield
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == before, f"PyTorch computes with {after} threads after the test, {before} before"


@pytest.fixture(scope="session")
def shared_data():
    """Folder with real tomograms and files of other programs; skips where it is absent."""
    folder = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", _ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set SKSUBTOMO_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def easy_volumes():
    """Sixty volumes of 8 voxels a side in three classes that nobody can confuse."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(scale=0.3, size=(60, 8, 8, 8)).astype(np.float32)
    for code, corner in enumerate([(0, 0, 0), (4, 4, 0), (0, 4, 4)]):
        box = tuple(slice(edge, edge + 4) for edge in corner)
        X[(y == code, *box)] += 2.0
    return X, y


@pytest.fixture(scope="session")
def mostly_hidden(easy_volumes):
    """The easy volumes with four labels a class; the rest is -1."""
    X, y = easy_volumes
    hidden = y.copy()
    hidden[12:] = -1
    return X, hidden
