"""Shared by all tests: one compute thread, and where the real data are."""

import os
from pathlib import Path

# Before anything imports numpy or torch: threads of two test processes would fight over the
# cores, and scikit-learn skips some of its estimator checks without the array API.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import pytest

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """Folder with real tomograms and files of other programs; skips where it is absent."""
    folder = Path(os.environ.get("SKSUBTOMO_SHARED_DATA", _ROOT / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set SKSUBTOMO_SHARED_DATA")
    return folder
