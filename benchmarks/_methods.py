"""The methods that ``compare.py`` knows: what to fit, and to which volumes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading
from sklearn.semi_supervised import SelfTrainingClassifier as RowSelfTraining
from sklearn.svm import SVC

from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeFlattener
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FineTunedClassifier,
    PseudoLabelClassifier,
    SelfTrainingClassifier,
    SemiSupervisedVAEClassifier,
)
from sksubtomo.training import Training


class Task(NamedTuple):
    """What a method is told: parameters of networks, and how much there is to learn from."""

    params: dict
    threshold: float
    n_volumes: int
    n_labels: int


class Method(NamedTuple):
    """Name in tables, how to make the estimator, and whether ``fit`` takes ``X_val, y_val``."""

    title: str
    make: Callable[[Task], Any]
    watches: bool


def on_codes(transformer, classifier):
    """Transform all volumes; fit the classifier to the labeled only, which is no iteration."""
    return make_pipeline(transformer, RowSelfTraining(classifier, max_iter=0))


def supervised(task):
    return CNNClassifier(**task.params)


def supervised_as_many_updates(task):
    """As many updates of the weights, and as much patience, as a network gets on all volumes."""
    batch_size = CNNClassifier().batch_size
    more = math.ceil(task.n_volumes / batch_size) / math.ceil(task.n_labels / batch_size)
    patience = Training(n_iter_no_change=round(10 * more))
    longer = {"max_epochs": round(task.params["max_epochs"] * more), "training": patience}
    return CNNClassifier(**{**task.params, **longer})


def self_trained(task):
    return PseudoLabelClassifier(threshold=task.threshold, **task.params)


def self_trained_rounds(task):
    return SelfTrainingClassifier(CNNClassifier(**task.params), threshold=task.threshold)


def pre_trained(task):
    return FineTunedClassifier(**task.params)


def deep_generative_m1(task):
    return on_codes(VariationalAutoencoder(**task.params), LogisticRegression(max_iter=1000))


def deep_generative_m2(task):
    return SemiSupervisedVAEClassifier(**task.params)


def deep_generative_m1_m2(task):
    return SemiSupervisedVAEClassifier(VariationalAutoencoder(**task.params), **task.params)


def joint(task):
    return AutoencodingClassifier(**task.params)


def autoencoder_svc(task):
    return on_codes(Autoencoder(**task.params), SVC())


def pca_label_spreading(task):
    components = PCA(20, random_state=task.params["random_state"])
    return make_pipeline(VolumeFlattener(), components, LabelSpreading("knn", n_neighbors=7))


#: What can be compared.
METHODS = {
    "supervised": Method("Supervised 3D-CNN", supervised, True),
    "supervised_updates": Method("Supervised, as many updates", supervised_as_many_updates, True),
    "self_trained": Method("Self-trained 3D-CNN", self_trained, True),
    "self_trained_rounds": Method("Self-trained, in rounds", self_trained_rounds, False),
    "pre_trained": Method("Pre-trained 3D-CNN", pre_trained, True),
    "m1": Method("Deep generative model, M1", deep_generative_m1, False),
    "m2": Method("Deep generative model, M2", deep_generative_m2, True),
    "m1_m2": Method("Deep generative model, M1+M2", deep_generative_m1_m2, True),
    "joint": Method("Autoencoding classifier", joint, True),
    "autoencoder_svc": Method("3D autoencoder, SVC on codes", autoencoder_svc, False),
    "pca_label_spreading": Method("PCA, label spreading", pca_label_spreading, False),
}
#: Table 2 of the paper, and what shows how much of it is the number of updates.
DEFAULT = ["supervised", "supervised_updates", "self_trained", "pre_trained", "m1_m2", "joint"]
