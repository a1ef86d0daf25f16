import numpy as np
import pytest
import torch

from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import AutoencodingClassifier

QUICK = {
    "learning_rate": 1e-3,
    "max_epochs": 4,
    "batch_size": 5,
    "early_stopping": False,
    "network": Liu2019(n_filters=4),
    "random_state": 0,
}


def quick(**params):
    return CNNClassifier(**{**QUICK, **params})


def test_is_the_joint_network_without_reconstruction(easy_volumes):
    X, y = easy_volumes
    joint = AutoencodingClassifier(alpha=0, **QUICK).fit(X, y)
    assert np.array_equal(quick().fit(X, y).predict_proba(X), joint.predict_proba(X))


def test_has_neither_code_nor_decoder(easy_volumes):
    module = quick(max_epochs=1).fit(*easy_volumes).net_.module_
    assert module.decoder is None
    assert module.encoder.to_code is None


@pytest.mark.parametrize("early_stopping", [False, True])
def test_unlabeled_volumes_are_left_out(mostly_hidden, early_stopping):
    X, y = mostly_hidden
    with_them = quick(early_stopping=early_stopping).fit(X, y)
    without = quick(early_stopping=early_stopping).fit(X[:12], y[:12])
    assert np.array_equal(with_them.predict_proba(X), without.predict_proba(X))
    assert with_them.scale_ == without.scale_
    for ours, theirs in zip(with_them.history_, without.history_, strict=True):
        assert ours["train_loss"] == theirs["train_loss"]


def test_class_weights_reach_the_loss(mostly_hidden):
    clf = quick(class_weight={0: 1.0, 1: 2.0, 2: 4.0}).fit(*mostly_hidden)
    assert torch.equal(clf.net_.criterion_.class_weight, torch.tensor([1.0, 2.0, 4.0]))


def test_partial_fit_needs_a_label(mostly_hidden):
    X, y = mostly_hidden
    with pytest.raises(ValueError, match="CNNClassifier needs labeled volumes"):
        quick().partial_fit(X[12:], y[12:], classes=[0, 1, 2])


def test_length_of_a_code_has_no_use(mostly_hidden):
    with pytest.raises(ValueError, match="CNNClassifier has no use for latent_dim=5 of network"):
        quick(network=Liu2019(latent_dim=5)).fit(*mostly_hidden)
