"""Fits in bfloat16 say what fits in float32 say, in float32."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sksubtomo._torch._float32 import read_flags, write_flags
from sksubtomo.augmentation import WedgeAwareRotations
from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier, FixMatchClassifier

SMALL = Liu2019(n_blocks=1, n_filters=4, latent_dim=8)


def fitted(estimator, precision, X, y, seed=0, network=SMALL):
    return estimator.set_params(
        precision=precision,
        network=network,
        learning_rate=3e-3,
        batch_size=16,
        early_stopping=False,
        random_state=seed,
    ).fit(X, y)


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_is_that_of_float32(mostly_hidden, easy_volumes, seed):
    X, y = easy_volumes
    scores = [
        fitted(AutoencodingClassifier(max_epochs=8), p, X, mostly_hidden[1], seed).score(X, y)
        for p in ("float32", "bfloat16")
    ]
    assert min(scores) > 0.9
    assert abs(scores[0] - scores[1]) <= 0.05


def test_results_are_float32_and_close(mostly_hidden):
    X, y = mostly_hidden
    model = fitted(Autoencoder(max_epochs=2), "float32", X, y)
    exact = model.transform(X)
    model.net_.precision = "bfloat16"
    rounded = model.transform(X)
    assert rounded.dtype == np.float32
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=0.02 * exact.max())


def test_weights_stay_float32(mostly_hidden):
    model = fitted(Autoencoder(max_epochs=1), "bfloat16", *mostly_hidden)
    weights = model.net_.module_.state_dict().values()
    # A counter of batches aside.
    assert {str(value.dtype) for value in weights if value.ndim} == {"torch.float32"}


def test_a_teacher_computes_in_the_same_precision(mostly_hidden):
    model = FixMatchClassifier(max_epochs=1, augmentation=WedgeAwareRotations(oversampling=1))
    X, y = mostly_hidden
    network = Liu2019(n_blocks=1, n_filters=4)
    probabilities = fitted(model, "bfloat16", X, y, network=network).predict_proba(X)
    assert np.isfinite(probabilities).all()


def test_precision_can_change_between_fits(mostly_hidden):
    X, y = mostly_hidden
    model = fitted(Autoencoder(max_epochs=1, warm_start=True), "float32", X, y)
    model.set_params(precision="bfloat16").fit(X, y)
    assert model.net_.precision == "bfloat16"
    assert model.n_iter_ == 2


@pytest.mark.parametrize("precision", ["auto", "float32", "tf32"])
def test_float32_on_a_cpu_unless_bfloat16_is_asked_for(mostly_hidden, precision):
    X, y = mostly_hidden
    model, exact = (fitted(Autoencoder(max_epochs=2), p, X, y) for p in (precision, "float32"))
    assert model.precision_ == "float32"
    assert np.array_equal(model.transform(X), exact.transform(X))


@pytest.mark.parametrize(
    ("shape", "n_blocks", "expected"),
    [
        ((1, 1, 512), 1, "float32"),
        ((1, 16, 32), 1, "float32"),
        ((2, 16, 16), 1, "float32"),
        ((8, 8, 8), 2, "float32"),  # the decoder convolves maps of 2 voxels
        ((8, 8, 8), 1, "bfloat16"),
    ],
)
def test_short_edges_are_never_reduced(mostly_hidden, shape, n_blocks, expected):
    X, y = mostly_hidden
    network = clone(SMALL).set_params(n_blocks=n_blocks)
    reshaped = X.reshape(len(X), *shape)
    model = fitted(AutoencodingClassifier(max_epochs=2), "bfloat16", reshaped, y, network=network)
    assert model.precision_ == expected
    assert np.isfinite(model.reconstruct(reshaped)).all()


def test_the_flags_of_the_user_are_left_alone(mostly_hidden):
    before = read_flags()
    torch.set_float32_matmul_precision("medium")
    chosen = read_flags()
    try:
        model = fitted(Autoencoder(max_epochs=2), "float32", *mostly_hidden)
        rounded = model.transform(mostly_hidden[0])
        assert read_flags() == chosen
    finally:
        write_flags(before)
    exact = fitted(Autoencoder(max_epochs=2), "float32", *mostly_hidden)
    assert np.array_equal(exact.transform(mostly_hidden[0]), rounded)


def test_draws_do_not_depend_on_precision(mostly_hidden):
    # Standard normal draws in bfloat16 would be others than in float32.
    X, y = mostly_hidden
    errors = [
        fitted(VariationalAutoencoder(max_epochs=1), precision, X, y).history_[0]["train_loss"]
        for precision in ("float32", "bfloat16")
    ]
    assert errors[1] == pytest.approx(errors[0], rel=2e-3)  # a bfloat16 has 8 bits, 4e-3


def test_unknown_precision_is_refused(mostly_hidden):
    with pytest.raises(ValueError, match="'precision' parameter"):
        fitted(Autoencoder(), "half", *mostly_hidden)
