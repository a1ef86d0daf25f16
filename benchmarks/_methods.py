"""The methods that ``compare.py`` knows: what to fit, and to which volumes."""

import math

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


def on_codes(transformer, classifier):
    """Transform all volumes; fit the classifier to the labelled only, which is no iteration."""
    return make_pipeline(transformer, RowSelfTraining(classifier, max_iter=0))


def supervised(options, params, n_labels):
    return CNNClassifier(**params)


def supervised_as_many_updates(options, params, n_labels):
    """As many updates of the weights, and as much patience, as a network gets on all volumes."""
    batch_size = CNNClassifier().batch_size
    more = math.ceil(options.n_train / batch_size) / math.ceil(n_labels / batch_size)
    patience = {"n_iter_no_change": round(10 * more)}
    longer = {"max_epochs": round(params["max_epochs"] * more), "training_params": patience}
    return CNNClassifier(**{**params, **longer})


def self_trained(options, params, n_labels):
    return PseudoLabelClassifier(threshold=options.threshold, **params)


def self_trained_rounds(options, params, n_labels):
    return SelfTrainingClassifier(CNNClassifier(**params), threshold=options.threshold)


def pre_trained(options, params, n_labels):
    return FineTunedClassifier(**params)


def deep_generative_m1(options, params, n_labels):
    return on_codes(VariationalAutoencoder(**params), LogisticRegression(max_iter=1000))


def deep_generative_m2(options, params, n_labels):
    return SemiSupervisedVAEClassifier(**params)


def deep_generative_m1_m2(options, params, n_labels):
    return SemiSupervisedVAEClassifier(VariationalAutoencoder(**params), **params)


def joint(options, params, n_labels):
    return AutoencodingClassifier(**params)


def autoencoder_svc(options, params, n_labels):
    return on_codes(Autoencoder(**params), SVC())


def pca_label_spreading(options, params, n_labels):
    components = PCA(20, random_state=params["random_state"])
    return make_pipeline(VolumeFlattener(), components, LabelSpreading("knn", n_neighbors=7))


#: Name in tables, how to make it, and whether ``fit`` takes ``X_val`` and ``y_val``.
METHODS = {
    "supervised": ("Supervised 3D-CNN", supervised, True),
    "supervised_updates": ("Supervised, as many updates", supervised_as_many_updates, True),
    "self_trained": ("Self-trained 3D-CNN", self_trained, True),
    "self_trained_rounds": ("Self-trained, in rounds", self_trained_rounds, False),
    "pre_trained": ("Pre-trained 3D-CNN", pre_trained, True),
    "m1": ("Deep generative model, M1", deep_generative_m1, False),
    "m2": ("Deep generative model, M2", deep_generative_m2, True),
    "m1_m2": ("Deep generative model, M1+M2", deep_generative_m1_m2, True),
    "joint": ("Autoencoding classifier", joint, True),
    "autoencoder_svc": ("3D autoencoder, SVC on codes", autoencoder_svc, False),
    "pca_label_spreading": ("PCA, label spreading", pca_label_spreading, False),
}
#: Table 2 of the paper, and what shows how much of it is the number of updates.
DEFAULT = ["supervised", "supervised_updates", "self_trained", "pre_trained", "m1_m2", "joint"]
