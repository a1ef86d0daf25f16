"""What every network holds at every precision and number of threads."""

import pickle
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from estimators import ESTIMATORS, EXPECTED_FAILURES, NETWORKS, VOLUME_CLASSIFIERS
from sklearn.base import clone, is_classifier
from sklearn.utils.estimator_checks import check_estimator

from sksubtomo.augmentation import WedgeAwareRotations

PRECISIONS = ["float32", "bfloat16"]


@contextmanager
def threads_of(n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(params=[1, 2], ids=lambda n: f"{n}-threads")
def threads(request):
    with threads_of(request.param):
        yield request.param


def outputs(estimator, X):
    return estimator.predict_proba(X) if is_classifier(estimator) else estimator.transform(X)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_invariance(name, precision, threads, mostly_hidden):
    X, y = mostly_hidden
    estimator = clone(NETWORKS[name]).set_params(max_epochs=2, precision=precision).fit(X, y)
    assert estimator.precision_ == precision
    found = outputs(estimator, X)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    twin = clone(estimator).fit(X, y)
    assert np.array_equal(outputs(twin, X), found)  # idempotent
    assert np.array_equal(outputs(estimator, X), found)
    assert np.array_equal(outputs(pickle.loads(pickle.dumps(estimator)), X), found)
    # The tolerance of scikit-learn's check of subsets, 1e-7, holds for a row at the same place of a
    # batch. Elsewhere, kernels may add up in another order: one step of the type of the products.
    step = np.finfo(np.float32).eps if precision == "float32" else 2.0**-8
    tolerance = {"rtol": 8 * step, "atol": step * np.abs(found).max()}
    np.testing.assert_allclose(outputs(estimator, X[:5]), found[:5], rtol=1e-7, atol=0)
    np.testing.assert_allclose(outputs(estimator, X[7:9]), found[7:9], **tolerance)
    np.testing.assert_allclose(outputs(estimator, X[::-1])[::-1], found, **tolerance)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", VOLUME_CLASSIFIERS)
@pytest.mark.parametrize("rotations", [0, 2])
def test_probabilities_sum_to_one(name, precision, rotations, mostly_hidden):
    X, y = mostly_hidden
    classifier = clone(VOLUME_CLASSIFIERS[name]).set_params(max_epochs=2, precision=precision)
    if rotations:
        classifier.set_params(augmentation=WedgeAwareRotations(n_test_rotations=rotations))
    classifier.fit(X, y)
    probabilities = classifier.predict_proba(X)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, atol=1e-6)
    assert all(np.isfinite(epoch["train_loss"]) for epoch in classifier.history_)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("precision", "n_threads"), [("float32", 2), ("bfloat16", 1)])
@pytest.mark.parametrize("name", ["AutoencodingClassifier", "CNNClassifier"])
def test_scikit_learn_checks(name, precision, n_threads):
    # No exception for bfloat16: rows of a table are read as boxes with an edge of 1, which are
    # computed in float32. The same checks on volumes are above.
    estimator = clone(ESTIMATORS[name]).set_params(precision=precision)
    with threads_of(n_threads):
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert set(failed) == set(EXPECTED_FAILURES[name]), failed
    assert len(results) >= 55
