import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from sksubtomo.decomposition import Autoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.training import Training

QUICK = {
    "learning_rate": 3e-3,
    "max_epochs": 5,
    "batch_size": 20,
    "early_stopping": False,
    "network": Liu2019(n_filters=4, latent_dim=6),
    "random_state": 0,
}


def quick(**params):
    return Autoencoder(**{**QUICK, **params})


def test_is_the_joint_network_without_classification(mostly_hidden):
    X, y = mostly_hidden
    joint, alone = AutoencodingClassifier(beta=0, **QUICK).fit(X, y), quick().fit(X)
    assert np.array_equal(alone.reconstruct(X), joint.reconstruct(X))
    assert np.array_equal(alone.transform(X), joint.transform(X))
    assert alone.history_[-1]["train_loss"] == joint.history_[-1]["train_loss"]


def test_labels_do_not_matter(mostly_hidden):
    X, y = mostly_hidden
    assert np.array_equal(quick().fit(X, y).transform(X), quick().fit_transform(X))
    assert not hasattr(quick().fit(X, y), "classes_")


def test_score_is_minus_the_mean_squared_error(easy_volumes):
    X = 10.0 + 3.0 * easy_volumes[0]
    autoencoder = quick().fit(X)
    expected = -np.mean((autoencoder.reconstruct(X) - X) ** 2)
    assert autoencoder.score(X) == pytest.approx(expected, rel=1e-5)


def test_learns_to_reconstruct(easy_volumes):
    X, y = easy_volumes
    wider = Liu2019(n_filters=8, latent_dim=32)
    autoencoder = quick(max_epochs=60, network=wider).fit(X)
    means = np.stack([X[y == code].mean(axis=0) for code in range(3)])
    assert -autoencoder.score(X) < 1.1 * np.mean((X - means[y]) ** 2)
    np.testing.assert_allclose(
        autoencoder.inverse_transform(autoencoder.transform(X)),
        autoencoder.reconstruct(X),
        rtol=1e-4,
        atol=1e-5,
    )


def test_early_stopping_watches_the_reconstruction(easy_volumes):
    autoencoder = quick(early_stopping=True).fit(easy_volumes[0])
    assert autoencoder.history_[0]["valid_loss"] > 0
    assert "valid_cross_entropy" not in autoencoder.history_[0]


def test_codes_cluster(easy_volumes):
    X, y = easy_volumes
    pipeline = make_pipeline(quick(max_epochs=60), KMeans(3, random_state=0))
    assert adjusted_rand_score(y, pipeline.fit_predict(X)) == 1.0


def test_partial_fit_is_fit_epoch_by_epoch(easy_volumes):
    X, _ = easy_volumes
    stepwise = quick()
    for _ in range(5):
        stepwise.partial_fit(X)
    assert np.array_equal(stepwise.transform(X), quick().fit_transform(X))


@pytest.mark.parametrize(("n", "fraction"), [(2, 0.8), (1, 0.6)])
def test_a_volume_stays_in_training(easy_volumes, n, fraction):
    autoencoder = quick(early_stopping=True, training=Training(validation_fraction=fraction)).fit(
        easy_volumes[0][:n]
    )
    assert ("valid_loss" in autoencoder.history_[0]) == (n > 1)


def test_codes_may_be_read_only(easy_volumes):
    autoencoder = quick(max_epochs=1).fit(easy_volumes[0])
    codes = autoencoder.transform(easy_volumes[0])
    expected = autoencoder.inverse_transform(codes)
    codes.flags.writeable = False
    assert np.array_equal(autoencoder.inverse_transform(codes), expected)
