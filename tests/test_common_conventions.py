"""Labels, layouts, randomness and errors: the same for every estimator with a network."""

import pickle

import numpy as np
import pytest
import torch
from estimators import NETWORKS, VOLUME_CLASSIFIERS, outputs
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning

from sksubtomo.augmentation import WedgeAwareRotations
from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder

NAMES = np.array(["apoferritin", "groel", "ribosome", "unlabeled"])


@pytest.fixture(params=VOLUME_CLASSIFIERS)
def classifier(request):
    return clone(VOLUME_CLASSIFIERS[request.param])


@pytest.fixture(params=NETWORKS)
def network(request):
    return clone(NETWORKS[request.param])


# What is set after a fit, and has no part in its predictions.
LATER = {"alpha": 7.0, "consistency": 1.0, "network": "resnet", "training": None}


# --- Labels --------------------------------------------------------------------------------------


def test_string_labels_equal_integer_labels(classifier, mostly_hidden):
    X, y = mostly_hidden
    classifier.set_params(max_epochs=2, early_stopping=True)
    ints, strings = clone(classifier).fit(X, y), clone(classifier).fit(X, NAMES[y])
    as_none = np.array([None if name == "unlabeled" else name for name in NAMES[y]], object)
    for other in (strings, clone(classifier).fit(X, as_none)):
        assert np.array_equal(other.predict_proba(X), ints.predict_proba(X))
    assert strings.classes_.tolist() == NAMES[:3].tolist()
    assert np.array_equal(strings.predict(X), NAMES[ints.predict(X)])
    assert strings.score(X, NAMES[y]) == ints.score(X, y)


def test_labels_one_and_two_with_hidden_ones(classifier, easy_volumes):
    # What check_classifiers_classes checks with {-1, 1}, where -1 here means unlabeled.
    X, y = easy_volumes
    X, y = X[y < 2], y[y < 2] + 1
    hidden = np.where(np.arange(40) % 3, -1, y)
    classifier.set_params(max_epochs=30)
    numbered = clone(classifier).fit(X, hidden)
    assert numbered.classes_.tolist() == [1, 2]
    assert np.array_equal(numbered.predict(X), y)
    names = np.array([None, "one", "two"], object)
    named = clone(classifier).fit(X, names[np.maximum(hidden, 0)])
    assert named.classes_.tolist() == ["one", "two"]
    assert np.array_equal(named.predict(X), names[y])


def test_classes_fix_the_columns(classifier, mostly_hidden):
    X, y = mostly_hidden
    classifier.set_params(classes=[0, 1, 2, 9], max_epochs=1).fit(X, np.where(y == 2, -1, y))
    assert classifier.classes_.tolist() == [0, 1, 2, 9]
    assert classifier.predict_proba(X).shape == (60, 4)


def test_probabilities_sum_to_one(classifier, mostly_hidden):
    X, y = mostly_hidden
    probabilities = classifier.set_params(max_epochs=1).fit(X, y).predict_proba(X)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_log_probabilities(classifier, mostly_hidden):
    X, y = mostly_hidden
    classifier.set_params(max_epochs=2).fit(X, y)
    found = classifier.predict_log_proba(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found), classifier.predict_proba(X), rtol=1e-5, atol=1e-7)


def test_log_probabilities_stay_finite(classifier, mostly_hidden):
    X, y = mostly_hidden
    classifier.set_params(max_epochs=2).fit(X, y)
    assert np.isfinite(classifier.predict_log_proba(1e4 * X)).all()


@pytest.mark.parametrize("names", [np.array([0, 1, 2, -1]), NAMES])
def test_transduction_is_what_is_known_of_the_volumes_of_the_fit(classifier, mostly_hidden, names):
    X, y = mostly_hidden
    classifier.set_params(max_epochs=15, early_stopping=False).fit(X, names[y])
    if type(classifier).__name__ == "CNNClassifier":  # learns from labeled volumes only
        assert not hasattr(classifier, "transduction_")
        return
    labels = classifier.transduction_
    assert np.array_equal(labels[y >= 0], names[y[y >= 0]])
    if type(classifier).__name__ == "PseudoLabelClassifier":  # keeps what it is not sure of hidden
        assert set(np.unique(labels)) <= set(names.tolist())
        return
    assert labels.dtype == classifier.classes_.dtype
    assert np.array_equal(labels[y < 0], classifier.predict(X[y < 0]))
    assert not hasattr(classifier.partial_fit(X, names[y]), "transduction_")


@pytest.mark.parametrize("names", [np.array([0, 1, 2, -1]), NAMES])
def test_all_labels_of_y_as_classes_of_a_partial_fit(classifier, mostly_hidden, names):
    X, y = mostly_hidden
    twin = clone(classifier).partial_fit(X, names[y], classes=names[:3])
    classifier.partial_fit(X, names[y], classes=np.unique(names[y]))
    assert classifier.classes_.tolist() == names[:3].tolist()
    assert np.array_equal(classifier.predict_proba(X), twin.predict_proba(X))
    classifier.partial_fit(X, names[y], classes=np.unique(names[y]))


def test_score_without_any_label(classifier, mostly_hidden):
    X, y = mostly_hidden
    classifier.set_params(max_epochs=1).fit(X, y)
    with pytest.warns(UndefinedMetricWarning, match="every label in y is hidden"):
        assert np.isnan(classifier.score(X, np.full(60, -1)))


# --- Layout and randomness -----------------------------------------------------------------------


def test_flat_rows_equal_volumes(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=2)
    volumes = clone(network).fit(X, y)
    flat = clone(network).set_params(volume_shape=8).fit(X.reshape(60, -1), y)
    assert np.array_equal(outputs(volumes, X), outputs(flat, X))
    assert np.array_equal(outputs(volumes, X), outputs(volumes, X.reshape(60, -1)))
    assert volumes.n_features_in_ == 512
    assert volumes.volume_shape_ == flat.volume_shape_ == (8, 8, 8)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_same_seed_same_bits_whatever_the_global_seeds(network, mostly_hidden, early_stopping):
    X, y = mostly_hidden
    network.set_params(max_epochs=3, early_stopping=early_stopping)
    results = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        numpy_state = np.random.get_state()  # noqa: NPY002
        torch_state = torch.random.get_rng_state()
        results.append(outputs(clone(network).fit(X, y), X))
        assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
        assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(*results)
    other = clone(network).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(results[0], outputs(other, X))


def test_results_do_not_depend_on_their_neighbors(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=1).fit(X, y)
    np.testing.assert_allclose(outputs(network, X)[7:9], outputs(network, X[7:9]), rtol=1e-6)
    np.testing.assert_allclose(outputs(network, X)[::-1], outputs(network, X[::-1]), rtol=1e-6)


def test_warm_start_goes_on(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=2, warm_start=True).fit(X, y).fit(X, y)
    assert network.n_iter_ == len(network.history_) == 4


def outer(name):
    """Return the parameter that a nested name begins with."""
    return name.partition("__")[0]


def test_what_a_net_was_made_with_cannot_change_when_it_goes_on(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=1, warm_start=True, early_stopping=False).fit(X, y)
    changed = [
        ({"early_stopping": True}, "early_stopping=False, not True"),
        ({"training__optimizer": "adamw"}, "optimizer='adam', not 'adamw'"),
        ({"training__n_iter_no_change": 3}, "n_iter_no_change=10, not 3"),
        ({"network__n_filters": 5}, "n_filters=4, not 5"),
    ]
    for params, message in changed:
        before = network.get_params()
        with pytest.raises(ValueError, match=message):
            network.set_params(**params).fit(X, y)
        network.set_params(**{name: before[name] for name in map(outer, params)})
    assert network.fit(X, y).n_iter_ == 2
    with pytest.raises(ValueError, match="n_filters=4, not 5"):
        network.set_params(network__n_filters=5).partial_fit(X, y)
    assert network.set_params(warm_start=False).fit(X, y).n_iter_ == 1


def test_predictions_are_those_of_the_fit_whatever_is_set_later(network, mostly_hidden):
    X, y = mostly_hidden
    expected = outputs(network.set_params(max_epochs=2).fit(X, y), X)
    rotations = WedgeAwareRotations(n_test_rotations=3)
    network.set_params(augmentation=rotations, precision="bfloat16")
    network.set_params(**{n: v for n, v in LATER.items() if n in network.get_params(deep=False)})
    assert np.array_equal(outputs(network, X), expected)


def test_a_fit_that_is_refused_leaves_the_last_one(network, mostly_hidden):
    X, y = mostly_hidden
    expected = outputs(network.set_params(max_epochs=2).fit(X, y), X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        network.fit(np.concatenate([X, X], axis=1), y[:-1])
    assert np.array_equal(outputs(network, X), expected)


def test_a_training_that_fails_leaves_the_last_fit(network, mostly_hidden):
    X, y = mostly_hidden
    expected = outputs(network.set_params(max_epochs=2).fit(X, y), X)
    rate = network.learning_rate
    with pytest.raises(ValueError, match="training diverged"):
        network.set_params(learning_rate=1e30).fit(X[:, :6, :6, :6], y)
    assert np.array_equal(outputs(network, X), expected)
    # One that went on from it has changed its weights.
    with pytest.raises(ValueError, match="training diverged"):
        network.set_params(warm_start=True).fit(X, y)
    with pytest.raises(NotFittedError):
        outputs(network, X)
    again = network.set_params(learning_rate=rate).fit(X, y)
    assert np.array_equal(outputs(again, X), expected)


def test_a_first_fit_that_diverges_is_no_fit(network, mostly_hidden):
    with pytest.raises(ValueError, match="training diverged"):
        network.set_params(learning_rate=1e30, max_epochs=3).fit(*mostly_hidden)
    with pytest.raises(NotFittedError):
        outputs(network, mostly_hidden[0])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_modes_of_pytorch_around_have_no_effect(network, mostly_hidden, precision):
    X, y = mostly_hidden
    network.set_params(max_epochs=2, precision=precision)
    expected = outputs(network.fit(X, y), X)
    for mode in (
        torch.autocast("cpu", dtype=torch.bfloat16),
        torch.inference_mode(),
        torch.no_grad(),
    ):
        with mode:
            assert np.array_equal(outputs(clone(network).fit(X, y), X), expected)


def test_what_does_not_fit_the_net_is_refused_when_it_goes_on(classifier, mostly_hidden):
    X, y = mostly_hidden
    X = X.reshape(60, -1)
    classifier.set_params(max_epochs=1, warm_start=True, volume_shape=8, device="cpu").fit(X, y)
    changed = [
        ({"classes": [0, 1, 2, 3]}, r"classes=\[0, 1, 2, 3\] differs"),
        ({"volume_shape": (4, 8, 16)}, r"volume_shape=\(4, 8, 16\) differs"),
        ({"training__standardize": False}, "standardize=True, not False"),
    ]
    for first_stage in {"vae", "autoencoder"} & set(classifier.get_params(deep=False)):
        kind = {"vae": VariationalAutoencoder, "autoencoder": Autoencoder}[first_stage]
        changed.append(({first_stage: kind()}, f"{first_stage}=None, not "))
    changed.append(({"training__betas": (0.5, 0.9)}, r"betas=\(0.9, 0.99\), not"))
    for params, message in changed:
        before = classifier.get_params()
        with pytest.raises(ValueError, match=message):
            classifier.set_params(**params).fit(X, y)
        classifier.set_params(**{name: before[name] for name in map(outer, params)})
    assert classifier.set_params(classes=[0, 1, 2]).fit(X, y).n_iter_ == 2


def test_another_device_is_refused_when_a_fit_goes_on(network, mostly_hidden, monkeypatch):
    network.set_params(max_epochs=1, warm_start=True, device="cpu").fit(*mostly_hidden)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="device='cpu', not 'cuda'"):
        network.set_params(device="cuda").fit(*mostly_hidden)


def test_verbose_is_followed_when_a_fit_goes_on(network, mostly_hidden, capsys):
    network.set_params(max_epochs=1, warm_start=True).fit(*mostly_hidden)
    assert capsys.readouterr() == ("", "")
    network.set_params(training__verbose=1).fit(*mostly_hidden)
    assert "Training: 100%" in capsys.readouterr().err


def test_bar_is_shown_and_not_pickled(network, mostly_hidden, capsys):
    network.set_params(max_epochs=1, training__verbose=1).fit(*mostly_hidden)
    assert "Training: 100%" in capsys.readouterr().err
    network.set_params(training__verbose=0).fit(*mostly_hidden)
    assert capsys.readouterr() == ("", "")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_agrees_with_cpu(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=3, precision="float32")
    cpu, gpu = (clone(network).set_params(device=device).fit(X, y) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(outputs(gpu, X), outputs(cpu, X), atol=1e-2)
    state = torch.cuda.get_rng_state()
    twin = pickle.loads(pickle.dumps(gpu.fit(X, y)))
    assert torch.equal(state, torch.cuda.get_rng_state())
    np.testing.assert_allclose(outputs(twin, X), outputs(gpu, X), atol=1e-6)
