"""Displays are drawn without a window, and closed."""

import matplotlib as mpl
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Bunch

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def draw_all():
    """Draw a figure to its last pixel: what is only wrong then is an error."""
    return lambda display: display.figure_.canvas.draw()


class Sorter(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities are known: the mean of a box is that of class "b"."""

    classes_ = np.array(["a", "b"])

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        second = np.clip(np.asarray(X).mean(axis=(1, 2, 3)), 0, 1)
        return np.column_stack([1 - second, second])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def features(self, X):
        return np.asarray(X).reshape(len(X), -1)[:, :3]

    def __sklearn_is_fitted__(self):
        return True


@pytest.fixture
def sorter():
    return Sorter()


@pytest.fixture
def graded():
    """Ten boxes with means 0, 0.1 ... 0.9."""
    return np.full((10, 6, 6, 6), np.arange(10).reshape(-1, 1, 1, 1) / 10, dtype=np.float32)


@pytest.fixture
def averages():
    """What class_averages returns for two classes of 6 voxels a side."""
    rng = np.random.default_rng(0)
    return Bunch(
        averages=rng.normal(size=(2, 6, 6, 6)),
        half_maps=rng.normal(size=(2, 2, 6, 6, 6)),
        n_volumes=np.array([7, 3]),
        frequency=np.array([0.0, 0.02, 0.04, 0.06]),
        fsc=np.array([[1, 0.9, 0.5, 0.1], [1, 0.1, 0.0, 0.0]]),
        resolution=np.array([18.0, np.inf]),
        poses=Bunch(
            rotations=Rotation.random(10, random_state=0),
            labels=np.repeat(["a", "b"], [7, 3]),
            references=np.repeat([0, 1], [7, 3]),
            shifts=np.zeros((10, 3)),
        ),
    )
