import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sksubtomo.decomposition import VariationalAutoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import SemiSupervisedVAEClassifier
from sksubtomo.training import VariationalTraining

NETWORK = Liu2019(n_filters=4, latent_dim=4)
COMMON = {
    "learning_rate": 3e-3,
    "max_epochs": 20,
    "batch_size": 20,
    "early_stopping": False,
    "random_state": 0,
    "training": VariationalTraining(n_hidden=16),
}


def volumes_model(**params):
    common = {**COMMON, "network": NETWORK, "alpha": 100.0}
    return SemiSupervisedVAEClassifier(**{**common, **params})


def codes_model(vae, **params):
    common = {**COMMON, "network": Liu2019(latent_dim=4), "max_epochs": 40, "alpha": 10.0}
    return SemiSupervisedVAEClassifier(vae, **{**common, **params})


@pytest.fixture(scope="module")
def vae(easy_volumes):
    common = {**COMMON, "network": NETWORK, "max_epochs": 30}
    return VariationalAutoencoder(**common).fit(easy_volumes[0])


def test_volumes_model_learns(mostly_hidden, easy_volumes):
    clf = volumes_model().fit(*mostly_hidden)
    assert clf.score(*easy_volumes) == 1.0
    losses = [epoch["train_loss"] for epoch in clf.history_]
    assert losses[-1] < losses[0]
    assert clf.vae_ is None


def test_codes_model_learns(mostly_hidden, easy_volumes, vae):
    clf = codes_model(vae).fit(*mostly_hidden)
    assert clf.score(*easy_volumes) == 1.0
    assert clf.vae_ is vae
    assert clf.net_.module_.log_noise.shape == (1, 1, 4)


def test_all_ways_of_giving_the_first_stage_agree(mostly_hidden, vae):
    X, y = mostly_hidden
    expected = codes_model(vae, max_epochs=3).fit(X, y).predict_proba(X)
    for other in (clone(vae), FrozenEstimator(vae)):
        assert np.array_equal(codes_model(other, max_epochs=3).fit(X, y).predict_proba(X), expected)


def test_unlabeled_volumes_teach_the_classifier(mostly_hidden):
    X, y = mostly_hidden
    other = X.copy()
    other[y == -1] *= 0.5
    params = {"max_epochs": 2, "training": VariationalTraining(n_hidden=16, standardize=False)}
    first = volumes_model(**params).fit(X, y)
    second = volumes_model(**params).fit(other, y)
    assert not np.array_equal(first.predict_proba(X), second.predict_proba(X))


def test_codes_model_goes_on(mostly_hidden, vae):
    X, y = mostly_hidden
    whole = codes_model(vae, max_epochs=4).fit(X, y)
    halves = codes_model(vae, max_epochs=2, warm_start=True).fit(X, y).fit(X, y)
    assert np.array_equal(whole.predict_proba(X), halves.predict_proba(X))


def test_vae_of_another_box(mostly_hidden, vae):
    X, y = mostly_hidden
    with pytest.raises(
        ValueError, match=r"shape \(7, 8, 8\), but the vae was fitted .* \(8, 8, 8\)"
    ):
        codes_model(vae).fit(X[:, 1:], y)
