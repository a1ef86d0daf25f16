import matplotlib as mpl
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

mpl.use("Agg")


class Sorter(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities are known: the mean of a box is that of class "b"."""

    classes_ = np.array(["a", "b"])

    def __init__(self, knob="<b>bold</b>"):
        self.knob = knob

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        second = np.clip(np.asarray(X).mean(axis=(1, 2, 3)), 0, 1)
        return np.column_stack([1 - second, second])

    def __sklearn_is_fitted__(self):
        return True


@pytest.fixture
def sorter():
    return Sorter()


@pytest.fixture
def graded():
    """Thirty boxes with means from 0 to 0.87."""
    return np.full((30, 6, 6, 6), np.arange(30).reshape(-1, 1, 1, 1) / 33.3, dtype=np.float32)


@pytest.fixture
def labels():
    """Twenty labels, two of which the classifier clearly contradicts, one with more certainty."""
    y = np.array(["a"] * 15 + ["b"] * 15, dtype=object)
    y[[0, 29]] = ["b", "a"]
    y[10:20] = "unlabeled"
    return y
