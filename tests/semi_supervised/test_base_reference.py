"""Volumes that references have no answer for."""

import numpy as np
import pytest

from sksubtomo.alignment import Annealing
from sksubtomo.semi_supervised import MultiReferenceClassifier


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 8, 8, 8))
    y = np.arange(12) % 2
    X[y == 1, 2:5, 2:5, 2:5] += 3
    annealing = Annealing(stages=[(3, 60, 1, 2)])
    return MultiReferenceClassifier(annealing=annealing, random_state=0).fit(X, y), X


@pytest.mark.parametrize(
    "method",
    [
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "score_samples",
        "align",
        "class_averages",
    ],
)
@pytest.mark.parametrize("scale", [1e25, 1e36])
def test_a_volume_of_another_scale_is_named(fitted, method, scale):
    clf, X = fitted
    X = X.copy()
    X[3] *= scale
    said = (
        rf"MultiReferenceClassifier has no finite results for 1 of 12 volumes, such as volume 3 .*"
        rf"standard deviation of its values is .*e\+{len(str(int(scale))) - 1}"
    )
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=said):
        getattr(clf, method)(X)


def test_volumes_of_all_scales_that_numbers_hold(fitted):
    clf, X = fitted
    for scale in (1e-20, 1e10):
        assert np.isfinite(clf.predict_proba(X * scale)).all()
