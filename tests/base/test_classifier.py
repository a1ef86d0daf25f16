"""Networks whose answers are no numbers."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.neural_network import CNNClassifier


@pytest.fixture
def broken():
    """A fitted network, one of whose weights has become NaN since."""
    X = np.random.default_rng(0).normal(size=(8, 8, 8, 8)).astype(np.float32)
    clf = CNNClassifier(max_epochs=1, random_state=0).fit(X, np.arange(8) % 2)
    with torch.no_grad():
        next(clf.net_.module_.parameters()).fill_(np.nan)
    return clf, X


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function", "features"]
)
def test_a_network_without_an_answer_says_so(broken, method):
    clf, X = broken
    said = (
        r"CNNClassifier has no finite results for 8 of 8 volumes, such as volume 0 .*Fit it again"
    )
    with pytest.raises(ValueError, match=said):
        getattr(clf, method)(X)


@pytest.mark.parametrize("kind", [RejectingClassifier, TemperatureScaledClassifier])
def test_what_is_around_a_classifier_asks_for_numbers(kind):
    """Also of one that is not of this package."""

    class Silent(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            return np.full((len(X), len(self.classes_)), np.nan)

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    X = np.random.default_rng(0).normal(size=(12, 4, 4, 4))
    with pytest.raises(ValueError, match=r"Silent\.predict_proba gives NaN .* such as volume 0"):
        kind(Silent()).fit(X, np.arange(12) % 2).predict_proba(X)
