import numpy as np
import pytest

from sksubtomo.decomposition import ContrastiveEncoder
from sksubtomo.networks import ResNet
from sksubtomo.training import Training

QUICK = {
    "learning_rate": 3e-3,
    "max_epochs": 3,
    "network": ResNet(n_filters=2, n_blocks=1, latent_dim=4),
    "random_state": 0,
}


def quick(**params):
    return ContrastiveEncoder(**{**QUICK, **params})


def losses(encoder, part="train"):
    return [epoch[f"{part}_loss"] for epoch in encoder.history_]


@pytest.mark.parametrize("n", [6, 14])
def test_a_single_volume_is_not_held_out(easy_volumes, n):
    X = easy_volumes[0][:n]
    encoder = quick(max_epochs=13).fit(X)
    assert "valid_loss" not in encoder.history_[0]
    assert encoder.n_iter_ == 13
    alone = quick(max_epochs=13, early_stopping=False).fit(X)
    assert np.array_equal(encoder.transform(X), alone.transform(X))


@pytest.mark.parametrize(("n", "fraction"), [(2, 0.9), (3, 0.5), (4, 0.9), (15, 0.1)])
def test_both_parts_have_volumes_to_compare(easy_volumes, n, fraction):
    encoder = quick(training=Training(validation_fraction=fraction)).fit(easy_volumes[0][:n])
    assert min(losses(encoder)) > 0
    held_out = "valid_loss" in encoder.history_[0]
    assert held_out == (n >= 4)
    assert not held_out or min(losses(encoder, "valid")) > 0


def steps(encoder):
    return {int(state["step"]) for state in encoder.net_.optimizer_.state.values()}


def test_no_step_for_a_volume_that_is_alone_in_its_batch(easy_volumes):
    encoder = quick(batch_size=4, early_stopping=False).fit(easy_volumes[0][:9])
    assert steps(encoder) == {2 * 3}
    assert min(losses(encoder)) > 0


def test_validation_leaves_out_a_volume_that_is_alone_in_its_batch(easy_volumes):
    X, _ = easy_volumes
    params = {"batch_size": 4, "max_epochs": 1}
    nine, eight = (quick(**params).fit(X[:20], X_val=X[20:n]) for n in (29, 28))
    assert losses(nine, "valid") == losses(eight, "valid")


def test_batches_of_one_volume_are_refused(easy_volumes):
    with pytest.raises(ValueError, match=r"'batch_size' parameter .* range \[2, inf\)"):
        quick(batch_size=1).fit(easy_volumes[0])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_volume_is_refused(easy_volumes, method):
    with pytest.raises(ValueError, match="X needs at least 2 of them, but has n_samples=1"):
        getattr(quick(), method)(easy_volumes[0][:1])
