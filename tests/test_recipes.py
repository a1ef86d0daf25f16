"""Classifiers of scikit-learn on codes of volumes, with most labels hidden."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC

from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import VolumeFlattener
from sksubtomo.semi_supervised import AutoencodingClassifier

TRAINED = {
    "learning_rate": 3e-3,
    "max_epochs": 40,
    "batch_size": 20,
    "early_stopping": False,
    "network": Liu2019(n_filters=4, latent_dim=16),
    "random_state": 0,
}
CODES = {
    "autoencoder": Autoencoder(**TRAINED),
    "variational": VariationalAutoencoder(**TRAINED),
    "joint": AutoencodingClassifier(**TRAINED),
    "pca": make_pipeline(VolumeFlattener(), PCA(5, random_state=0)),
}
SUPERVISED = {
    "svc": SVC(),
    "forest": RandomForestClassifier(20, random_state=0),
    "boosting": HistGradientBoostingClassifier(min_samples_leaf=1, random_state=0),
}
GRAPH = LabelSpreading("knn", n_neighbors=5)


@pytest.fixture(scope="module", params=CODES)
def codes(request, mostly_hidden):
    """Codes of all volumes, without their labels having been used by a supervised step."""
    return clone(CODES[request.param]).fit(*mostly_hidden).transform(mostly_hidden[0])


@pytest.mark.parametrize("name", [*SUPERVISED, "spreading"])
def test_classifiers_on_codes(codes, easy_volumes, name):
    truth = easy_volumes[1]
    y = np.where(np.arange(60) < 30, truth, -1)
    # No iteration of self-training: fitted to the labeled rows, and to nothing else.
    classifier = (
        GRAPH if name == "spreading" else SelfTrainingClassifier(SUPERVISED[name], max_iter=0)
    )
    classifier = clone(classifier).fit(codes, y)
    assert np.array_equal(classifier.predict(codes), truth)


def test_no_iteration_of_self_training_is_the_classifier_on_the_labeled(codes, mostly_hidden):
    y = mostly_hidden[1]
    labeled = y != -1
    wrapped = SelfTrainingClassifier(SVC(), max_iter=0).fit(codes, y)
    alone = SVC().fit(codes[labeled], y[labeled])
    assert np.array_equal(wrapped.decision_function(codes), alone.decision_function(codes))


@pytest.mark.parametrize("name", ["autoencoder", "pca"])
def test_whole_recipe_in_cross_validation(mostly_hidden, name):
    pipeline = make_pipeline(clone(CODES[name]), SelfTrainingClassifier(SVC(), max_iter=0))
    scores = cross_val_score(
        pipeline, *mostly_hidden, cv=SemiSupervisedSplit(2), scoring="balanced_accuracy"
    )
    assert scores.tolist() == [1.0, 1.0]
