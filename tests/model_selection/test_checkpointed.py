"""Searches that go on: fits that are kept are not done again, and results are the same."""

import numpy as np
import pytest
from estimators import ESTIMATORS
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sksubtomo.model_selection import (
    CheckpointedClassifier,
    SemiSupervisedSplit,
    cross_val_predict,
)
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.persistence import load_model, save_model
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.training import JointLoss

GRID = {"estimator__learning_rate": [1e-3, 1e-2]}


class Ended(Exception):
    """The process ends here."""


def network(**params):
    return CNNClassifier(
        **{"network": Liu2019(n_filters=2), "max_epochs": 2, "random_state": 0, **params}
    )


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(16, 8, 8, 8)).astype(np.float32)
    y = np.arange(16) % 2
    X += y.reshape(-1, 1, 1, 1)
    return X, np.where(np.arange(16) < 12, y, -1)


@pytest.fixture
def steps(monkeypatch):
    """Losses that are computed, and after how many of them the process ends."""
    forward, done = JointLoss.forward, {"n": 0, "most": np.inf}

    def counted(self, *args):
        if done["n"] >= done["most"]:
            raise Ended
        done["n"] += 1
        return forward(self, *args)

    monkeypatch.setattr(JointLoss, "forward", counted)
    return done


def search(estimator):
    return GridSearchCV(estimator, GRID, cv=SemiSupervisedSplit(2), error_score="raise")


def scores(fitted):
    return fitted.cv_results_["mean_test_score"], fitted.cv_results_["std_test_score"]


def test_a_search_goes_on_by_candidate_and_fold(data, steps, tmp_path):
    whole = search(CheckpointedClassifier(network(), tmp_path / "whole")).fit(*data)
    n_whole = steps["n"]
    kept = CheckpointedClassifier(network(), tmp_path / "kept", interval_s=0)
    steps.update(n=0, most=n_whole // 2)
    with pytest.raises(Ended):
        search(kept).fit(*data)
    steps.update(n=0, most=np.inf)
    resumed = search(kept).fit(*data)
    # Of what was done, no more than an epoch is done again.
    assert n_whole - n_whole // 2 <= steps["n"] < n_whole - n_whole // 4
    for one, other in zip(scores(resumed), scores(whole), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(resumed.predict_proba(data[0]), whole.predict_proba(data[0]))
    steps.update(n=0)
    search(kept).fit(*data)
    assert steps["n"] == 0
    assert len(list((tmp_path / "kept").glob("*.checkpoint"))) == 2 * 2 + 1


def test_another_fit_is_not_taken(data, steps, tmp_path):
    X, y = data
    kept = CheckpointedClassifier(network(), tmp_path)
    first = kept.fit(X, y).predict_proba(X)
    n_first = steps["n"]
    for other, labels in (
        (network(learning_rate=1e-2), y),
        (network(), np.roll(y, 1)),
        (network(random_state=1), y),
    ):
        steps.update(n=0)
        found = CheckpointedClassifier(other, tmp_path).fit(X, labels).predict_proba(X)
        assert steps["n"] >= n_first // 2
        assert not np.array_equal(found, first)
    steps.update(n=0)
    CheckpointedClassifier(network(), tmp_path).fit(X + 1, y)
    assert steps["n"] > 0
    assert len(list(tmp_path.glob("*.checkpoint"))) == 5


def test_it_is_the_classifier_inside(data, tmp_path):
    X, y = data
    inside = network().fit(X, y)
    around = CheckpointedClassifier(network(), tmp_path).fit(X, y)
    assert np.array_equal(around.predict_proba(X), inside.predict_proba(X))
    assert np.array_equal(around.predict(X), inside.predict(X))
    assert around.score(X, y) == inside.score(X, y)
    assert around.classes_.tolist() == [0, 1]


def test_pipelines(data, steps, tmp_path):
    X, y = data
    pipeline = make_pipeline(VolumeNormalizer(), network())
    first = CheckpointedClassifier(pipeline, tmp_path).fit(X, y).predict_proba(X)
    steps.update(n=0)
    again = CheckpointedClassifier(pipeline, tmp_path).fit(X, y).predict_proba(X)
    assert steps["n"] == 0
    assert np.array_equal(first, again)


def test_predictions_out_of_folds(data, steps, tmp_path):
    kept = CheckpointedClassifier(network(), tmp_path)
    first = cross_val_predict(kept, *data, cv=SemiSupervisedSplit(2))
    steps.update(n=0)
    assert np.array_equal(cross_val_predict(kept, *data, cv=SemiSupervisedSplit(2)), first)
    assert steps["n"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings(
    "ignore:y contains no unlabeled samples",
    "ignore:Can't check dok sparse matrix",
    "ignore:X (does not have valid|has) feature names",
)
def test_scikit_learn_checks(tmp_path):
    inside = ESTIMATORS["CNNClassifier"]
    results = check_estimator(
        CheckpointedClassifier(inside, str(tmp_path), interval_s=1e6), on_fail=None, on_skip=None
    )
    failed = {r["check_name"]: repr(r["exception"]) for r in results if r["status"] == "failed"}
    assert set(failed) == {"check_classifiers_classes"}, failed
    assert len(results) >= 55


def test_model_files_hold_it(data, tmp_path):
    fitted = CheckpointedClassifier(network(), str(tmp_path / "fits")).fit(*data)
    save_model(fitted, tmp_path / "model.sksubtomo")
    again = load_model(tmp_path / "model.sksubtomo")
    assert again.folder == fitted.folder
    assert np.array_equal(again.predict_proba(data[0]), fitted.predict_proba(data[0]))


def test_a_classifier_without_checkpoints_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="LogisticRegression takes no checkpoint"):
        CheckpointedClassifier(LogisticRegression(), tmp_path / "new").fit(*data)
    assert not (tmp_path / "new").exists()


def test_a_damaged_checkpoint_is_named(data, tmp_path):
    kept = CheckpointedClassifier(network(), tmp_path)
    kept.fit(*data)
    (path,) = tmp_path.glob("*.checkpoint")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=path.name):
        kept.fit(*data)
