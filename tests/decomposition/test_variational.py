import copy

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sksubtomo.decomposition import VariationalAutoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.training import VariationalTraining

QUICK = {
    "learning_rate": 3e-3,
    "max_epochs": 30,
    "batch_size": 20,
    "early_stopping": False,
    "network": Liu2019(n_filters=4, latent_dim=4),
    "training": VariationalTraining(n_hidden=16),
    "random_state": 0,
}


def quick(**params):
    return VariationalAutoencoder(**{**QUICK, **params})


def test_bound_falls_and_code_tells_the_classes(easy_volumes):
    X, y = easy_volumes
    vae = quick().fit(X)
    losses = [epoch["train_loss"] for epoch in vae.history_]
    assert losses[-1] < losses[0]
    assert vae.history_[-1]["train_divergence"] > 1.0
    m1 = make_pipeline(vae, LogisticRegression()).fit(X[:12], y[:12])
    assert m1.score(X, y) == 1.0


def test_score_is_minus_the_mean_squared_error(easy_volumes):
    X = 10.0 + 3.0 * easy_volumes[0]
    vae = quick(max_epochs=2).fit(X)
    assert vae.score(X) == pytest.approx(-np.mean((vae.reconstruct(X) - X) ** 2), rel=1e-5)


def test_less_noise_makes_the_code_tell_more(easy_volumes):
    X, _ = easy_volumes
    quiet = quick(training=VariationalTraining(n_hidden=16, noise_std=0.3)).fit(X)
    loud = quick(training=VariationalTraining(n_hidden=16, noise_std=3.0)).fit(X)
    assert quiet.history_[-1]["train_divergence"] > loud.history_[-1]["train_divergence"]


def test_copies_go_on_the_same(easy_volumes):
    X, _ = easy_volumes
    vae = quick(max_epochs=2, warm_start=True).fit(X)
    twin = copy.deepcopy(vae)
    assert np.array_equal(vae.fit(X).transform(X), twin.fit(X).transform(X))


def test_noise_must_be_positive(easy_volumes):
    with pytest.raises(ValueError, match="'noise_std' parameter"):
        quick(training=VariationalTraining(noise_std=0.0)).fit(easy_volumes[0])
