import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sksubtomo._utils._steps import input_of_last_step, last_step, owner_of, targets_among
from sksubtomo.calibration import TemperatureScaledClassifier


def test_last_step_and_what_it_is_given():
    double, last = FunctionTransformer(lambda X: 2 * X), LogisticRegression()
    X = np.ones((2, 3))
    assert last_step(last) is last
    assert last_step(make_pipeline(double, last)) is last
    np.testing.assert_array_equal(input_of_last_step(make_pipeline(double, last), X), 2 * X)
    assert input_of_last_step(make_pipeline(last), X) is X
    assert input_of_last_step(last, X) is X


def test_owner_is_looked_for_inside():
    X, y = np.arange(12.0).reshape(-1, 1), np.arange(12) % 2
    inner = make_pipeline(LogisticRegression()).fit(X, y)
    outer = TemperatureScaledClassifier(FrozenEstimator(inner), cv=2).fit(X, y)
    assert owner_of(make_pipeline(outer), "temperature_") is outer
    assert owner_of(outer, "history_") is None


def test_targets_are_places_among_classes_in_any_order():
    classes = np.array(["b", "a"])
    assert targets_among(["a", "unlabeled", "b"], classes, 3).tolist() == [1, -1, 0]
    assert targets_among(None, classes, 2).tolist() == [-1, -1]
    with pytest.raises(ValueError, match="not among the classes"):
        targets_among(["c"], classes, 1)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        targets_among(["a"], classes, 2)
