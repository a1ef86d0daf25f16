"""Searches by joblib's backends on this machine."""

import joblib
import numpy as np
import pytest
from searches import QUICK, losses
from sklearn.model_selection import cross_val_score

from sksubtomo.model_selection import SemiSupervisedSplit


def test_threads_give_the_same_scores(mostly_hidden):
    with joblib.parallel_config("threading"):
        np.testing.assert_array_equal(losses(*mostly_hidden, n_jobs=2), losses(*mostly_hidden))


@pytest.mark.slow
def test_processes_give_the_same_scores(mostly_hidden):
    np.testing.assert_array_equal(losses(*mostly_hidden, n_jobs=2), losses(*mostly_hidden))


@pytest.mark.slow
@pytest.mark.parametrize("inner", [None, 1])
def test_processes_share_the_cores(mostly_hidden, monkeypatch, inner):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name)

    def threads(estimator, X, y):
        import torch

        return torch.get_num_threads()

    with joblib.parallel_config("loky", inner_max_num_threads=inner):
        found = cross_val_score(
            QUICK, *mostly_hidden, cv=SemiSupervisedSplit(2), scoring=threads, n_jobs=2
        )
    assert found.tolist() == [inner or max(1, joblib.cpu_count() // 2)] * 2
