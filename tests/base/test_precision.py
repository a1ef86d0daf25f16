"""Fits in bfloat16 say what fits in float32 say, in float32."""

import numpy as np
import pytest

from sksubtomo.decomposition import Autoencoder
from sksubtomo.semi_supervised import AutoencodingClassifier, FixMatchClassifier

SMALL = {"n_blocks": 1, "n_filters": 4, "latent_dim": 8}


def fitted(estimator, precision, X, y, seed=0, sizes=SMALL):
    return estimator.set_params(
        precision=precision,
        network_params=sizes,
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
    assert {str(value.dtype) for value in weights} == {"torch.float32"}


def test_a_teacher_computes_in_the_same_precision(mostly_hidden):
    model = FixMatchClassifier(network="paper", max_epochs=1, augmentation={"oversampling": 1})
    X, y = mostly_hidden
    sizes = {"n_blocks": 1, "n_filters": 4}
    probabilities = fitted(model, "bfloat16", X, y, sizes=sizes).predict_proba(X)
    assert np.isfinite(probabilities).all()


def test_precision_can_change_between_fits(mostly_hidden):
    X, y = mostly_hidden
    model = fitted(Autoencoder(max_epochs=1, warm_start=True), "float32", X, y)
    model.set_params(precision="bfloat16").fit(X, y)
    assert model.net_.precision == "bfloat16"
    assert model.n_iter_ == 2


def test_unknown_precision_is_refused(mostly_hidden):
    with pytest.raises(ValueError, match="'precision' parameter"):
        fitted(Autoencoder(), "half", *mostly_hidden)
