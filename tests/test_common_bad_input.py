"""What every estimator refuses, and what its message names."""

import numpy as np
import pytest
from estimators import NETWORKS, VOLUME_CLASSIFIERS, outputs
from sklearn.base import clone

from sksubtomo.exceptions import VolumeShapeWarning
from sksubtomo.training import Training


@pytest.fixture(params=VOLUME_CLASSIFIERS)
def classifier(request):
    return clone(VOLUME_CLASSIFIERS[request.param])


@pytest.fixture(params=NETWORKS)
def network(request):
    return clone(NETWORKS[request.param])


def not_called(*args, **kwargs):
    raise AssertionError("training began")


def spoilt(X, row, value):
    X = X.copy()
    X[row, 3, 3, 3] = value
    return X


BAD_VOLUMES = [
    (lambda X, y: (spoilt(X, 7, np.nan), y), "index 7"),
    (lambda X, y: (spoilt(X, 9, np.inf), y), "index 9"),
    (lambda X, y: (np.full(X.shape, "a"), y), "could not convert string|numeric"),
    (lambda X, y: ([*X[:59], X[59, :7]], y), r"different shapes, \(7, 8, 8\), \(8, 8, 8\)"),
    (lambda X, y: (X[0], y[:8]), r"got 3 dimensions: \(8, 8, 8\).*X\[np.newaxis\]"),
    (lambda X, y: (X[..., np.newaxis], y), "got 5 dimensions"),
    (lambda X, y: (X[:, :0], y), "without voxels"),
    (lambda X, y: (X[:0], y[:0]), "0 sample"),
    (lambda X, y: (X, y[:-1]), r"inconsistent numbers of samples: \[60, 59\]"),
]
BAD_LABELS = [
    (lambda y: np.full(60, -1), "every label in y means 'unlabeled'"),
    (lambda y: np.where(y == 0, 0, -1), "there is one class, 0"),
    (lambda y: None, "y cannot be None|requires y"),
    (lambda y: np.where(y == 2, np.nan, y), "y contains NaN, first at index 2"),
    (lambda y: np.where(y == 2, 0.5, y), "Unknown label type"),
    (lambda y: np.array([*"ab"] * 29 + [1, 2], object), "mixes strings and numbers"),
]


@pytest.mark.parametrize(("change", "message"), BAD_VOLUMES)
def test_bad_volumes_are_refused_before_training(
    network, mostly_hidden, monkeypatch, change, message
):
    monkeypatch.setattr("sksubtomo.base._estimator.make_net", not_called)
    with pytest.raises(ValueError, match=message):
        network.fit(*change(*mostly_hidden))


@pytest.mark.parametrize(("change", "message"), BAD_LABELS)
def test_bad_labels_are_refused_before_training(
    classifier, mostly_hidden, monkeypatch, change, message
):
    monkeypatch.setattr("sksubtomo.base._estimator.make_net", not_called)
    X, y = mostly_hidden
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, change(y))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"learning_rate": 0}, "'learning_rate' parameter"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"network__n_layers": 2}, "Invalid parameter 'n_layers' for estimator .*Valid parameters"),
        ({"network__n_filters": 0}, "'n_filters' parameter"),
        ({"network__n_blocks": 7}, "too small for n_blocks=7"),
        ({"training__standardize": "yes"}, "'standardize' parameter"),
        ({"training": Training(betas=(0.9,))}, "betas=.*of training must be two numbers"),
        ({"training": Training(betas=(1.9, 0.9))}, "betas=.*of training must be two"),
        ({"training": {"weight_decay": 0.1}}, "'training' parameter .* must be an instance of"),
        ({"volume_shape": 9}, r"volumes of shape \(8, 8, 8\), but volume_shape=9"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_bad_parameters_are_refused(network, mostly_hidden, params, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        network.set_params(**params).fit(*mostly_hidden)


def test_bad_shapes_later_on(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"shape \(8, 4, 16\), but .* shape \(8, 8, 8\)"):
        outputs(network, X.reshape(60, 8, 4, 16))
    with pytest.raises(ValueError, match="511 features"):
        outputs(network, X.reshape(60, -1)[:, 1:])


def test_flat_rows_that_do_not_multiply_out(network, mostly_hidden):
    X, y = mostly_hidden
    with pytest.raises(ValueError, match="means 729 voxels a volume, but X has 512 columns"):
        network.set_params(volume_shape=9).fit(X.reshape(60, -1), y)


def test_forgotten_volume_shape_is_warned_of(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=1)
    with pytest.warns(VolumeShapeWarning, match="pass volume_shape=8"):
        network.fit(X.reshape(60, -1), y)


def test_divergence_is_explained(network, mostly_hidden):
    with pytest.raises(ValueError, match="training diverged.*Lower learning_rate"):
        network.set_params(learning_rate=1e30).fit(*mostly_hidden)
