"""Tilt ranges and validation volumes reach networks through scikit-learn's tools."""

from typing import ClassVar

import numpy as np
import pytest
import sklearn
from estimators import QUICK
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing
from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import CenterCropper
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    MultiReferenceClassifier,
    SelfTrainingClassifier,
    WithUnlabeled,
)

quiet = pytest.mark.filterwarnings(
    "ignore:All .* labeled volumes", "ignore:y contains no unlabeled samples"
)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


class Spy(CNNClassifier):
    """Network that keeps what it is fitted to; the voxel in the middle is the row."""

    calls: ClassVar[list] = []

    def fit(self, X, y=None, *, X_val=None, y_val=None, tilt_ranges_deg=None):
        """Keep the rows, and train."""
        middle = X.shape[1] // 2
        rows = X[:, middle, middle, middle].astype(int)
        Spy.calls.append((rows, tilt_ranges_deg, X_val, y_val))
        return super().fit(X, y, X_val=X_val, y_val=y_val, tilt_ranges_deg=tilt_ranges_deg)


@pytest.fixture
def volumes(mostly_hidden, routing):
    Spy.calls.clear()
    X, y = mostly_hidden
    X = X.copy()
    X[:, 4, 4, 4] = np.arange(60)
    tilts = np.stack([-40 - np.arange(60) / 10, 40 + np.arange(60) / 10], axis=1)
    return X, y, tilts


def spy(**params):
    quick = {**QUICK, "network": Liu2019(n_filters=2), "max_epochs": 1, "precision": "float32"}
    return Spy(**{**quick, **params}).set_fit_request(tilt_ranges_deg=True)


def assert_tilts_of_their_rows(tilts):
    assert Spy.calls
    for rows, given, *_ in Spy.calls:
        assert np.array_equal(given, tilts[rows])


NETWORK_TOOLS = {
    "pipeline": lambda clf: make_pipeline(CenterCropper(6), clf),
    "search": lambda clf: GridSearchCV(clf, {"max_epochs": [1]}, cv=SemiSupervisedSplit(2)),
    "temperature": lambda clf: TemperatureScaledClassifier(clf, cv=2),
    "rejecting": lambda clf: RejectingClassifier(clf, cv=2),
    "self-training": lambda clf: SelfTrainingClassifier(clf, max_iter=2),
    "nested": lambda clf: GridSearchCV(
        make_pipeline(CenterCropper(6), TemperatureScaledClassifier(clf, cv=2)),
        {"centercropper__box_size": [6]},
        cv=SemiSupervisedSplit(2),
    ),
}


@quiet
@pytest.mark.filterwarnings("ignore:The temperature:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("tool", NETWORK_TOOLS)
def test_tilt_ranges_reach_networks(volumes, tool):
    X, y, tilts = volumes
    if tool == "nested":  # two labels a class in a fold of a fold
        y = np.where(np.arange(60) < 24, np.arange(60) % 3, -1)
    NETWORK_TOOLS[tool](spy(augmentation="rotations")).fit(X, y, tilt_ranges_deg=tilts)
    assert_tilts_of_their_rows(tilts)


def test_tilt_ranges_in_cross_validation(volumes):
    X, y, tilts = volumes
    cross_validate(
        spy(augmentation="rotations"),
        X,
        y,
        cv=SemiSupervisedSplit(2),
        params={"tilt_ranges_deg": tilts},
        error_score="raise",
    )
    assert_tilts_of_their_rows(tilts)


def test_tilt_ranges_of_references_seeds(volumes):
    X, y, tilts = volumes
    MultiReferenceClassifier(
        spy(augmentation="rotations"),
        annealing=Annealing(stages=[(3, 60, 1, 2)], n_frozen_iter=1),
        random_state=0,
    ).fit(X, y, tilt_ranges_deg=tilts)
    assert_tilts_of_their_rows(tilts)


def test_validation_volumes_in_cross_validation(volumes):
    # scikit-learn takes rows of whatever has as many rows as X, and hands the rest on whole.
    X, y, _ = volumes
    clf = spy(early_stopping=True).set_fit_request(X_val=True, y_val=True)
    for n_val, seen in [(9, 9), (60, 54)]:
        Spy.calls.clear()
        cross_validate(
            clf,
            X,
            y,
            cv=SemiSupervisedSplit(2),
            params={"X_val": X[:n_val], "y_val": y[:n_val]},
            error_score="raise",
        )
        for _, _, X_val, y_val in Spy.calls:
            assert len(X_val) == len(y_val) == seen


def test_validation_volumes_in_a_pipeline(volumes):
    X, y, _ = volumes
    clf = spy(early_stopping=True).set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(CenterCropper(6), clf, transform_input=["X_val"])
    pipeline.fit(X, y, X_val=X[:9], y_val=y[:9])
    [(_, _, X_val, _)] = Spy.calls
    assert X_val.shape == (9, 6, 6, 6)


def test_joint_network_brings_its_unlabeled_volumes_with_their_tilts(volumes):
    X, y, tilts = volumes
    params = {**QUICK, "max_epochs": 2, "precision": "float32", "augmentation": "rotations"}
    clf = AutoencodingClassifier(**params).set_fit_request(tilt_ranges_deg=True)
    outer = WithUnlabeled(clf, X[12:], unlabeled_metadata={"tilt_ranges_deg": tilts[12:]})
    outer.fit(X[:12], y[:12], tilt_ranges_deg=tilts[:12])
    expected = clone(clf).fit(X, y, tilt_ranges_deg=tilts)
    assert np.array_equal(outer.predict_proba(X), expected.predict_proba(X))
