"""Settings objects: shortcuts, nested parameters, copies, and what estimators make of them."""

import pickle
import re

import numpy as np
import pytest
from estimators import NETWORKS
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sksubtomo import training as training_package
from sksubtomo.alignment import Annealing
from sksubtomo.augmentation import Corruption, WedgeAwareRotations
from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019, MONAINet, ResNet
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    SemiSupervisedVAEClassifier,
)
from sksubtomo.training import (
    Consistency,
    FixMatchTraining,
    JointTraining,
    Reconstruction,
    Training,
    training_settings,
)

TRAININGS = [
    getattr(training_package, name)
    for name in training_package.__all__
    if name.endswith("Training")
]
OBJECTS = [
    *(Liu2019(), ResNet(n_filters=16), MONAINet("densenet121")),
    *(WedgeAwareRotations(tilt_range_deg=(-40, 60)), Corruption(noise_std=0.3)),
    *(Reconstruction(corruption=Corruption()), Consistency(weight=1.0)),
    *(kind(weight_decay=0.1) for kind in TRAININGS),
    Annealing(stages=((3.0, 60.0, 1, 3),), n_frozen_iter=2),
]


@pytest.fixture(params=NETWORKS)
def network(request):
    return clone(NETWORKS[request.param])


def outputs(estimator, X):
    return estimator.predict_proba(X) if is_classifier(estimator) else estimator.transform(X)


def stated(estimator):
    """All parameters, those of settings by their nested names."""
    return {
        name: value
        for name, value in estimator.get_params().items()
        if not hasattr(value, "get_params")
    }


# --- The objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", OBJECTS, ids=lambda s: type(s).__name__)
def test_an_object_is_an_estimator_without_fit(settings):
    again = type(settings)(**settings.get_params(deep=False))
    assert again.get_params() == settings.get_params()
    for copy in (clone(settings), pickle.loads(pickle.dumps(settings))):
        assert copy is not settings
        assert repr(copy) == repr(settings)
        assert type(settings).__name__ in copy._repr_html_()
    assert not hasattr(settings, "fit")


@pytest.mark.parametrize("settings", OBJECTS, ids=lambda s: type(s).__name__)
def test_parameters_are_documented_and_constrained(settings):
    names = settings._get_param_names()
    assert set(settings._parameter_constraints) == set(names)
    assert len(names) <= 16
    assert "%(" not in type(settings).__doc__
    for name in names:
        described = re.search(rf"^ +{name} : (.*)$", type(settings).__doc__, re.MULTILINE)
        assert "default=" in described[1] or "optional" in described[1]


# --- One by one ----------------------------------------------------------------------------------


def test_shortcuts_become_objects(network):
    network.set_params(network="liu2019", augmentation="rotations", training=None)
    network.set_params(
        network__n_filters=3, augmentation__noise_std=0.2, training__weight_decay=0.1
    )
    assert isinstance(network.network, Liu2019)
    assert network.network.n_filters == 3
    assert network.augmentation.noise_std == 0.2
    assert type(network.training) is network.uses.training
    assert network.training.weight_decay == 0.1
    network.set_params(network="resnet", network__latent_dim=3)
    assert repr(network.network) == "ResNet(latent_dim=3)"


def test_one_setting_is_changed_and_the_others_stay(network):
    network.set_params(training=Training(betas=(0.5, 0.6)), network=Liu2019(n_blocks=1))
    before = network.training
    network.set_params(training__weight_decay=0.1, network__n_filters=3)
    assert repr(network.training) == "Training(betas=(0.5, 0.6), weight_decay=0.1)"
    assert repr(network.network) == "Liu2019(n_blocks=1, n_filters=3)"
    assert before.weight_decay == 0.0  # may be shared with other estimators


def test_a_plain_training_makes_room_for_settings_of_the_method():
    clf = AutoencodingClassifier(training=Training(weight_decay=0.1))
    clf.set_params(training__reconstruction__corruption__noise_std=0.5)
    assert clf.training.reconstruction.corruption.noise_std == 0.5
    assert clf.training.weight_decay == 0.1
    clf = FixMatchClassifier().set_params(training__strong_augmentation__contrast=0.1)
    assert repr(clf.training.strong_augmentation) == "Corruption(contrast=0.1, noise_std=0.3)"


def test_bad_settings(network):
    network.set_params(augmentation="none")
    with pytest.raises(ValueError, match="Invalid parameter 'sparsty' for estimator"):
        network.set_params(training__sparsty=0.0)
    with pytest.raises(ValueError, match="augmentation='none' has no settings. Set"):
        network.set_params(augmentation__noise_std=0.2)
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        network.set_params(nothing=1)
    with pytest.raises(ValueError, match="network='vgg' is not known"):
        network.set_params(network="vgg", network__n_filters=1)
    with pytest.raises(ValueError, match=r"training=\{'weight_decay': 0.1\} must be a "):
        network.set_params(training={"weight_decay": 0.1}, training__betas=(0, 0))


# --- Fits ----------------------------------------------------------------------------------------


def test_every_way_of_setting_gives_the_same_bits(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=1, network="liu2019")
    nested = clone(network).set_params(network__n_filters=3, training__weight_decay=0.1)
    given = clone(network).set_params(network=Liu2019(n_filters=3))
    training = {**(given.training or Training()).get_params(deep=False), "weight_decay": 0.1}
    given.set_params(training=type(given.training or Training())(**training))
    assert np.array_equal(outputs(nested.fit(X, y), X), outputs(given.fit(X, y), X))
    shortcut = clone(network).fit(X, y)
    assert np.array_equal(
        outputs(shortcut, X), outputs(clone(network).set_params(network=Liu2019()).fit(X, y), X)
    )


def test_settings_are_not_changed_by_a_fit(network, mostly_hidden):
    shared = {"network": Liu2019(n_filters=3), "training": Training(weight_decay=0.1)}
    network.set_params(max_epochs=1, **shared)
    before = stated(network)
    network.fit(*mostly_hidden)
    assert stated(network) == before
    assert network.network is shared["network"]
    assert network.training is shared["training"]


def test_estimators_that_share_settings_leave_each_other_alone(network, mostly_hidden):
    X, y = mostly_hidden
    settings = Liu2019(n_filters=3)
    network.set_params(max_epochs=1, network=settings, warm_start=True).fit(X, y)
    other = CNNClassifier(network=settings, max_epochs=1)
    other.set_params(network__n_filters=5).fit(X, y)
    assert settings.n_filters == 3
    # Whoever changes the object itself changes the next fits, not what was fitted.
    expected = outputs(network, X)
    settings.n_filters = 4
    assert np.array_equal(outputs(network, X), expected)
    with pytest.raises(ValueError, match="n_filters=3, not 4"):
        network.fit(X, y)


def test_fitted_estimators_go_through_pickle_and_clone(network, mostly_hidden):
    X, y = mostly_hidden
    network.set_params(max_epochs=1, training__weight_decay=0.1).fit(X, y)
    again = pickle.loads(pickle.dumps(network))
    assert np.array_equal(outputs(again, X), outputs(network, X))
    assert stated(again) == stated(network) == stated(clone(network))
    assert "weight_decay" in network._repr_html_()


# --- Searches ------------------------------------------------------------------------------------


def grid_of(network):
    """Two values of a setting in each settings object of an estimator."""
    grid = {
        "network__n_filters": [2, 3],
        "training__weight_decay": [0.0, 0.1],
        "augmentation__noise_std": [0.1, 0.2],
    }
    own = {*network.uses.training._get_param_names()} - {*Training._get_param_names()}
    values = {
        "reconstruction": ("__sparsity", [0.0, 1e-3]),
        "consistency": ("__threshold", [0.5, 0.9]),
        "strong_augmentation": ("__noise_std", [0.1, 0.2]),
        "distribution_alignment": ("", [True, False]),
    }
    for name in own:
        path, choices = values.get(name, ("", [1, 2]))
        grid[f"training__{name}{path}"] = choices
    return grid


def test_search_over_each_setting(network, mostly_hidden):
    X, y = mostly_hidden
    copies = WedgeAwareRotations(rotate=False, tilt_range_deg=None, max_shift_voxels=0)
    network.set_params(
        max_epochs=1, batch_size=60, network="liu2019", augmentation=copies, training=None
    )
    cv = SemiSupervisedSplit(2) if is_classifier(network) else 2
    scoring = None if hasattr(network, "score") else lambda estimator, X, y=None: 0.0
    for name, values in grid_of(network).items():
        search = GridSearchCV(network, {name: values}, cv=cv, scoring=scoring, error_score="raise")
        search.fit(X, y if is_classifier(network) else None)
        found = search.best_estimator_.get_params()[name]
        assert found == search.best_params_[name] in values
    assert (network.network, network.training) == ("liu2019", None)
    assert copies.noise_std == 0.0


def test_search_over_all_settings_at_once(mostly_hidden):
    classifier = AutoencodingClassifier(
        learning_rate=3e-3,
        max_epochs=10,
        batch_size=16,
        early_stopping=False,
        augmentation="rotations",
        random_state=0,
    )
    grid = {
        "network__n_filters": [2, 4],
        "training__weight_decay": [0, 0.05],
        "augmentation__noise_std": [0, 0.2],
    }
    search = GridSearchCV(classifier, grid, cv=SemiSupervisedSplit(2), error_score="raise")
    search.fit(*mostly_hidden)
    assert len(search.cv_results_["params"]) == 8
    best = search.best_estimator_
    assert best.network.n_filters == search.best_params_["network__n_filters"]
    assert (classifier.network, classifier.augmentation) == ("liu2019", "rotations")
    assert classifier.training is None


def test_search_in_a_pipeline(mostly_hidden):
    pipeline = make_pipeline(VolumeNormalizer(), CNNClassifier(max_epochs=1, random_state=0))
    grid = {"cnnclassifier__network": ["liu2019", ResNet(n_filters=2)]}
    search = GridSearchCV(pipeline, grid, cv=SemiSupervisedSplit(2), error_score="raise")
    search.fit(*mostly_hidden)
    pipeline.set_params(cnnclassifier__network__n_filters=2)
    assert pipeline[-1].network.n_filters == 2


# --- Without a use -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            CNNClassifier(network=Liu2019(latent_dim=3)),
            "no use for latent_dim=3 of network=Liu2019",
        ),
        (
            Autoencoder(network=Liu2019(batch_norm_rows="labeled")),
            "Autoencoder has no use for batch_norm_rows='labeled'",
        ),
        (
            CNNClassifier(training=Training(labeled_share=0.5)),
            "no use for labeled_share=0.5 of training=Training.*its default, None",
        ),
        (
            CNNClassifier(training=JointTraining()),
            r"training=JointTraining\(...\) has settings without a use here, \['consistency', 'rec",
        ),
        (
            FixMatchClassifier(training=JointTraining()),
            "Pass a sksubtomo.training.FixMatchTraining, or a plain Training",
        ),
        (
            MeanTeacherClassifier(training=Training(average_decay=0)),
            "set average_decay of training above 0",
        ),
        (
            SemiSupervisedVAEClassifier(VariationalAutoencoder(), augmentation="rotations"),
            "no use for augmentation with a vae",
        ),
        (
            SemiSupervisedVAEClassifier(VariationalAutoencoder(), network=Liu2019(n_filters=3)),
            "no use for n_filters=3",
        ),
        (
            SemiSupervisedVAEClassifier(VariationalAutoencoder(), network="resnet"),
            r"no use for network=ResNet\(...\) with a vae",
        ),
    ],
)
def test_settings_without_a_use_are_refused_by_name(estimator, message, mostly_hidden):
    with pytest.raises(ValueError, match=message):
        estimator.fit(*mostly_hidden)


def test_sizes_of_a_decoder_that_is_not_there_are_refused(mostly_hidden):
    pytest.importorskip("monai")
    network = MONAINet("resnet10", n_filters=8)
    with pytest.raises(ValueError, match="CNNClassifier has no use for n_filters=8"):
        CNNClassifier(network=network).fit(*mostly_hidden)


def test_a_plain_training_is_taken_everywhere(network, mostly_hidden):
    network.set_params(max_epochs=1, training=Training(weight_decay=0.1)).fit(*mostly_hidden)
    assert network.net_.optimizer_.param_groups[0]["weight_decay"] == 0.1


def test_teachers_have_defaults_of_their_own(mostly_hidden):
    small = {"network": Liu2019(n_filters=2), "augmentation": "none", "max_epochs": 1}
    for kind in (FixMatchClassifier, MeanTeacherClassifier):
        net = kind(**small).fit(*mostly_hidden).net_
        assert (net.average_decay, net.iterator_train__labeled_share) == (0.99, 0.25)
    training = Training(average_decay=0.5, labeled_share=0)
    net = FixMatchClassifier(**small, training=training).fit(*mostly_hidden).net_
    assert (net.average_decay, net.iterator_train__labeled_share) == (0.5, None)


def test_training_settings_resolve_once():
    assert type(training_settings(None, JointTraining)) is JointTraining
    plain = training_settings(Training(weight_decay=np.float32(0.5)), FixMatchTraining)
    assert type(plain) is FixMatchTraining
    assert type(plain.weight_decay) is float
