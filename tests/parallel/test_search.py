"""Searches by joblib's backends on this machine."""

import joblib
import numpy as np
import pytest
from searches import QUICK, losses
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sksubtomo.metrics import get_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.training import Training


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


READING = clone(QUICK).set_params(
    training=Training(n_workers=1), early_stopping=True, precision="float32"
)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_processes_that_read_within_those_of_joblib(mostly_hidden, backend):
    X, y = mostly_hidden
    cv, scoring = SemiSupervisedSplit(2), get_labeled_scorer("neg_log_loss")
    alone = clone(READING).set_params(training=None)
    expected = cross_val_score(alone, X, y, cv=cv, scoring=scoring, error_score="raise")
    with joblib.parallel_config(backend):
        found = cross_val_score(
            READING, X, y, cv=cv, scoring=scoring, n_jobs=2, error_score="raise"
        )
    assert found.tolist() == expected.tolist()
