"""Volumes of a class that references were not fitted to."""

import numpy as np
import pytest
from semi_supervised.test_multi_reference import QUICK, SIZE, simulate
from sklearn.metrics import roc_auc_score

from sksubtomo.calibration import RejectingClassifier
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.semi_supervised import MultiReferenceClassifier

# Of equal mass: a rod, a triangle and a ball, which is by far the brightest.
CLASSES = (0, 1, 2)


def fit_rejecting(known):
    X, y = simulate(60, known)
    hidden = np.where(np.arange(60) < 20, y, -1)
    clf = MultiReferenceClassifier(**QUICK)
    return RejectingClassifier(clf, method="likelihood", cv=2, quantile=0.1).fit(X, hidden)


def separation(rejecting, known, others):
    """Area under the ROC curve of the scores of known volumes and others."""
    scores = [rejecting.score_samples(X) for X in (known, others)]
    return roc_auc_score(np.repeat([1, 0], [len(known), len(others)]), np.concatenate(scores))


def test_noise_is_rejected():
    rejecting = fit_rejecting(CLASSES)
    known, _ = simulate(60, seed=1)
    noise = np.random.default_rng(2).normal(scale=0.35, size=(60, SIZE, SIZE, SIZE))
    noise = apply_fourier_filter(noise, missing_wedge_mask((SIZE,) * 3).astype(float))
    assert separation(rejecting, known, noise) > 0.999
    assert (rejecting.predict(noise) == -1).all()
    assert (rejecting.predict(known) == -1).mean() < 0.35


@pytest.mark.parametrize("held_out", CLASSES)
def test_class_without_a_reference_scores_low(held_out):
    known = tuple(code for code in CLASSES if code != held_out)
    rejecting = fit_rejecting(known)
    assert rejecting.classes_.tolist() == list(known)
    X, y = simulate(60, known, seed=1)
    others, _ = simulate(60, (held_out,), seed=2)
    assert separation(rejecting, X, others) > 0.85
    accepted = rejecting.predict(X) != -1
    assert accepted.mean() > 0.65
    labels = rejecting.estimator_.predict(X)
    np.testing.assert_array_equal(rejecting.predict(X)[accepted], labels[accepted])
    assert (labels == y).mean() > 0.97
