import numpy as np
import pytest
import torch

from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import AutoencodingClassifier, FineTunedClassifier

SMALL = {
    "network": Liu2019(n_filters=2),
    "max_epochs": 1,
    "batch_size": 4,
    "early_stopping": False,
    "random_state": 0,
}


@pytest.fixture
def baselines(benchmark):
    return benchmark("_baselines")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 2.0, size=(12, 8, 8, 8)).astype(np.float32)
    return X, np.where(np.arange(12) < 6, np.arange(12) % 2, -1)


@pytest.mark.parametrize(
    ("estimator", "n_volumes"),
    [(AutoencodingClassifier, [12]), (CNNClassifier, [6]), (FineTunedClassifier, [12, 6])],
)
def test_stages_see_what_the_fit_sees(baselines, data, estimator, n_volumes):
    X, y = data
    fitted = estimator(**SMALL).fit(X, y)
    stages = baselines.training_stages(fitted, X, y, "cpu")
    assert stages[-1].net is fitted.net_
    assert [sum(len(volumes) for volumes, _, _ in stage.batches) for stage in stages] == n_volumes
    volumes = torch.cat([volumes for volumes, _, _ in stages[0].batches])
    if len(volumes) == len(X):
        assert volumes.mean().item() == pytest.approx(0, abs=1e-5)  # mean of float32
    for volumes, labeled, targets in stages[-1].batches:
        assert len(volumes) <= 4
        assert labeled.tolist() == (targets >= 0).tolist()


def test_an_epoch_takes_the_steps(baselines, data):
    fitted = AutoencodingClassifier(**SMALL).fit(*data)
    before = {int(state["step"]) for state in fitted.net_.optimizer_.state.values()}
    stages = baselines.training_stages(fitted, *data, "cpu")
    assert baselines.seconds_of_epoch(stages, "cpu") > 0
    after = {int(state["step"]) for state in fitted.net_.optimizer_.state.values()}
    assert (before, after) == ({3}, {6})


@pytest.mark.parametrize("method", ["predict_proba", "transform"])
def test_prediction_of_the_network_alone(baselines, data, method):
    fitted = AutoencodingClassifier(**SMALL).fit(*data)
    assert baselines.seconds_of_prediction(fitted, method, *data, "cpu") > 0
