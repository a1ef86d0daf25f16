"""Settings in mappings, set and searched one by one."""

import pytest
from estimators import NETWORKS
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.semi_supervised import AutoencodingClassifier


@pytest.fixture(params=NETWORKS)
def network(request):
    return clone(NETWORKS[request.param])


def test_one_setting_is_changed_and_the_others_stay(network):
    network.set_params(training_params={"betas": (0.5, 0.6)}, network_params={"n_blocks": 1})
    before = network.training_params
    network.set_params(training_params__weight_decay=0.1, network_params__n_filters=3)
    assert network.training_params == {"betas": (0.5, 0.6), "weight_decay": 0.1}
    assert network.network_params == {"n_blocks": 1, "n_filters": 3}
    assert before == {"betas": (0.5, 0.6)}  # may be shared with other estimators


def test_settings_follow_the_mapping_that_is_set_with_them(network):
    network.set_params(augmentation__noise_std=0.2, augmentation="rotations")
    assert network.augmentation == {"noise_std": 0.2}
    network.set_params(training_params=None).set_params(training_params__standardize=False)
    assert network.training_params == {"standardize": False}


def test_bad_settings(network):
    network.set_params(augmentation="none")
    with pytest.raises(ValueError, match="'sparsty' is no setting of training_params of .*there"):
        network.set_params(training_params__sparsty=0.0)
    with pytest.raises(ValueError, match="augmentation='none' has no settings. Set"):
        network.set_params(augmentation__noise_std=0.2)
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        network.set_params(nothing=1)


def test_search_over_settings(mostly_hidden):
    classifier = AutoencodingClassifier(
        learning_rate=3e-3, max_epochs=10, batch_size=16, early_stopping=False, random_state=0
    )
    grid = {"network_params__n_filters": [2, 4], "training_params__weight_decay": [0.0, 0.1]}
    search = GridSearchCV(classifier, grid, cv=SemiSupervisedSplit(2)).fit(*mostly_hidden)
    assert search.best_score_ == 1.0
    best = search.best_estimator_
    assert best.network_params == {"n_filters": search.best_params_["network_params__n_filters"]}
    assert classifier.network_params is None
