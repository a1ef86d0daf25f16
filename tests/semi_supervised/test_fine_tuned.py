import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sksubtomo.decomposition import Autoencoder
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import FineTunedClassifier
from sksubtomo.training import FineTuningTraining

COMMON = {
    "learning_rate": 3e-3,
    "max_epochs": 5,
    "batch_size": 10,
    "early_stopping": False,
    "random_state": 0,
}
SIZES = {"network": Liu2019(n_filters=4, latent_dim=6)}


def quick(autoencoder=None, **params):
    sizes = SIZES if autoencoder is None else {}
    return FineTunedClassifier(autoencoder, **{**COMMON, **sizes, **params})


@pytest.fixture(scope="module")
def fitted_autoencoder(easy_volumes):
    return Autoencoder(**COMMON, **SIZES).fit(easy_volumes[0])


def blocks(estimator):
    return list(estimator.net_.module_.encoder.blocks.parameters())


def same(first, second):
    return all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_without_pretraining_is_the_supervised_network(mostly_hidden, early_stopping):
    X, y = mostly_hidden
    params = {"early_stopping": early_stopping, "network": Liu2019(n_filters=4)}
    clf = quick(training=FineTuningTraining(pretrain_epochs=0), **params).fit(X, y)
    cnn = CNNClassifier(**{**COMMON, **params}).fit(X, y)
    assert np.array_equal(clf.predict_proba(X), cnn.predict_proba(X))
    assert clf.autoencoder_ is None


def test_pretrains_on_all_volumes(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(training=FineTuningTraining(pretrain_epochs=3)).fit(X, y)
    alone = Autoencoder(**{**COMMON, **SIZES, "max_epochs": 3}).fit(X)
    assert same(blocks(clf.autoencoder_), blocks(alone))
    assert (clf.offset_, clf.scale_) == (alone.offset_, alone.scale_)
    assert clf.autoencoder_.n_iter_ == 3
    assert clf.n_iter_ == 5


def test_frozen_encoder_stays(mostly_hidden, fitted_autoencoder):
    X, y = mostly_hidden
    frozen = quick(fitted_autoencoder, freeze_encoder=True).fit(X, y)
    tuned = quick(fitted_autoencoder).fit(X, y)
    assert same(blocks(frozen), blocks(fitted_autoencoder))
    assert not same(blocks(tuned), blocks(fitted_autoencoder))


def test_another_first_stage_is_refused_when_a_fit_goes_on(mostly_hidden):
    X, y = mostly_hidden
    clf = quick(Autoencoder(**COMMON, **SIZES), warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="autoencoder__network__n_filters=4, not 8"):
        clf.set_params(autoencoder__network__n_filters=8).fit(X, y)
    assert clf.set_params(autoencoder__network=SIZES["network"]).fit(X, y)


def test_thawing_by_warm_start(mostly_hidden, fitted_autoencoder):
    X, y = mostly_hidden
    clf = quick(fitted_autoencoder, freeze_encoder=True, warm_start=True).fit(X, y)
    clf.set_params(freeze_encoder=False).fit(X, y)
    assert not same(blocks(clf), blocks(fitted_autoencoder))


def test_all_ways_of_giving_the_first_stage_agree(mostly_hidden, easy_volumes, fitted_autoencoder):
    X, y = mostly_hidden
    before = [weight.clone() for weight in blocks(fitted_autoencoder)]
    given = quick(fitted_autoencoder).fit(X, y)
    assert given.autoencoder_ is fitted_autoencoder
    for other in (
        quick(),
        quick(clone(fitted_autoencoder)),
        quick(FrozenEstimator(given.autoencoder_)),
    ):
        assert np.array_equal(other.fit(X, y).predict_proba(X), given.predict_proba(X))
    assert same(blocks(fitted_autoencoder), before)


def test_search_over_the_second_stage_does_not_repeat_the_first(
    mostly_hidden, fitted_autoencoder, monkeypatch
):
    def refuse(self, X, y=None):
        raise AssertionError("the first stage was repeated")

    monkeypatch.setattr(Autoencoder, "fit", refuse)
    grid = {"freeze_encoder": [False, True], "learning_rate": [1e-3, 3e-3]}
    clf = quick(FrozenEstimator(fitted_autoencoder))
    search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(2), error_score="raise")
    search.fit(*mostly_hidden)
    assert search.best_estimator_.autoencoder_ is fitted_autoencoder


def test_template_is_not_fitted(mostly_hidden):
    template = Autoencoder(**COMMON, **SIZES)
    clf = quick(template).fit(*mostly_hidden)
    assert not hasattr(template, "net_")
    assert clf.autoencoder_ is not template


@pytest.mark.parametrize(
    "params",
    [
        {"training": FineTuningTraining(pretrain_epochs=3)},
        {"training": FineTuningTraining(standardize=False)},
        {"network": "resnet"},
        {"network": Liu2019(n_filters=8)},
    ],
)
def test_parameters_that_contradict_the_autoencoder(mostly_hidden, fitted_autoencoder, params):
    with pytest.raises(ValueError, match="are those of the default autoencoder"):
        quick(fitted_autoencoder, **params).fit(*mostly_hidden)


def test_the_network_of_the_autoencoder_may_be_named_again(mostly_hidden, fitted_autoencoder):
    X, y = mostly_hidden
    named = quick(fitted_autoencoder, **SIZES).fit(X, y)
    expected = quick(fitted_autoencoder).fit(X, y).predict_proba(X)
    assert np.array_equal(named.predict_proba(X), expected)


def test_autoencoder_of_another_box(mostly_hidden, fitted_autoencoder):
    X, y = mostly_hidden
    with pytest.raises(ValueError, match=r"shape \(7, 8, 8\), but the autoencoder .* \(8, 8, 8\)"):
        quick(fitted_autoencoder).fit(X[:, 1:], y)


def test_frozen_things_that_will_not_do(mostly_hidden):
    with pytest.raises(ValueError, match="FrozenEstimator of LogisticRegression"):
        quick(FrozenEstimator(LogisticRegression())).fit(*mostly_hidden)
    with pytest.raises(ValueError, match="not fitted"):
        quick(FrozenEstimator(Autoencoder())).fit(*mostly_hidden)


@pytest.mark.parametrize("given", [{"x": 1.0}, {0: "heavy"}])
def test_class_weights_are_checked_before_the_first_stage(mostly_hidden, monkeypatch, given):
    def refuse(self, X, y=None):
        raise AssertionError("the first stage was begun")

    monkeypatch.setattr(Autoencoder, "fit", refuse)
    with pytest.raises(ValueError, match=r"class_weight weighs \['x'\]|'heavy'"):
        quick(class_weight=given).fit(*mostly_hidden)
