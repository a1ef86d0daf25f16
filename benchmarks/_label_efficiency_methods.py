"""The methods that ``label_efficiency.py`` knows, made from a seed."""

from collections.abc import Callable
from typing import Any, NamedTuple

from _oracle import TrueMaps
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.alignment import Annealing
from sksubtomo.augmentation import WedgeAwareRotations
from sksubtomo.decomposition import ContrastiveEncoder
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import FourierBinner, VolumeNormalizer
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    MultiReferenceClassifier,
)
from sksubtomo.training import Training

# One thread a fit; as many steps for every network on augmented views.
STEPS = {"max_epochs": 10, "batch_size": 32, "early_stopping": False, "learning_rate": 4e-3}
TRAINING = {
    "training__optimizer": "adamw",
    "training__weight_decay": 0.05,
    "training__schedule": "one_cycle",
    "training__average_decay": 0.99,
    "training__steps_per_epoch": 70,
}
VIEWS = {
    "network": "resnet",
    "augmentation": "rotations",
    "augmentation__n_test_rotations": 8,
}


class OnLabeled(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Fit a classifier to the labeled volumes only."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator_ = clone(self.estimator).fit(X[y != -1], y[y != -1])
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X):
        return self.estimator_.predict_proba(X)


class Method(NamedTuple):
    """Name in tables, and how to make the estimator."""

    title: str
    make: Callable[..., Any]


def binned(estimator):
    """Put the estimator behind a binning to 16 voxels and a normalization."""
    return make_pipeline(FourierBinner(16), VolumeNormalizer(), estimator)


def recommended(seed):
    references = MultiReferenceClassifier(n_init=3, random_state=seed)
    return make_pipeline(VolumeNormalizer(), references)


def one_start(seed):
    return make_pipeline(VolumeNormalizer(), MultiReferenceClassifier(random_state=seed))


def seeded(seed):
    """References that begin with the classes that a network says."""
    references = MultiReferenceClassifier(network_on_copies(seed), random_state=seed)
    return make_pipeline(VolumeNormalizer(), references)


def not_annealed(seed):
    """References that believe the evidence of classes at once."""
    references = MultiReferenceClassifier(
        annealing=Annealing(class_perplexity=1.0), random_state=seed
    )
    return make_pipeline(VolumeNormalizer(), references)


def free_shares(seed):
    """References that are not told that classes are equally frequent."""
    references = MultiReferenceClassifier(class_prior=None, random_state=seed)
    return make_pipeline(VolumeNormalizer(), references)


def labeled_only(seed):
    """References of the labeled volumes alone."""
    return make_pipeline(VolumeNormalizer(), OnLabeled(MultiReferenceClassifier(random_state=seed)))


def on_views(estimator, seed, **params):
    """Let a network learn from augmented views of volumes of 16 voxels."""
    return binned(estimator.set_params(**VIEWS, **STEPS, **TRAINING, **params, random_state=seed))


def network_on_copies(seed):
    return on_views(CNNClassifier(), seed)


def fix_match(seed):
    return on_views(FixMatchClassifier(), seed, training__labeled_share=0.5)


def mean_teacher(seed):
    return on_views(MeanTeacherClassifier(), seed, training__labeled_share=0.5)


def joint_on_copies(seed):
    """Every term of the flagship switched on."""
    return on_views(
        AutoencodingClassifier(),
        seed,
        training__labeled_share=0.5,
        training__reconstruction__measured_region=True,
        training__reconstruction__corruption__noise_std=0.3,
        training__consistency__weight=1.0,
    )


def contrastive(seed):
    encoder = ContrastiveEncoder(
        **{**STEPS, "batch_size": 64, "max_epochs": 30, "learning_rate": 2e-3},
        augmentation=WedgeAwareRotations(noise_std=0.3, n_test_rotations=8),
        training=Training(optimizer="adamw", schedule="one_cycle", average_decay=0.99),
        random_state=seed,
    )
    return binned(make_pipeline(encoder, LabelSpreading("knn", n_neighbors=10)))


def joint(seed):
    """The paper's network and loss, with its defaults but for the number of epochs."""
    clf = AutoencodingClassifier(max_epochs=50, random_state=seed)
    return make_pipeline(VolumeNormalizer(), clf)


def joint_binned(seed):
    """The paper's network and loss on volumes binned to 16 voxels."""
    return binned(AutoencodingClassifier(max_epochs=50, random_state=seed))


def supervised(seed):
    return binned(CNNClassifier(max_epochs=50, random_state=seed))


#: What can be compared.
METHODS = {
    "recommended": Method("References, best of three initializations (recommended)", recommended),
    "one_start": Method("References, one initialization", one_start),
    "seeded": Method("References, one initialization, from the network on views", seeded),
    "not_annealed": Method("References, one initialization, annealing disabled", not_annealed),
    "free_shares": Method("References, one initialization, class proportions free", free_shares),
    "labeled_only": Method("References, labeled volumes only", labeled_only),
    "network_on_copies": Method(
        "Network on augmented views, 16 voxels, labeled only", network_on_copies
    ),
    "fix_match": Method("FixMatch, same network and views", fix_match),
    "mean_teacher": Method("Mean Teacher, same network and views", mean_teacher),
    "joint_on_copies": Method("Joint, same network and views, all terms", joint_on_copies),
    "contrastive": Method("Contrastive codes, label spreading", contrastive),
    "joint": Method("The paper's joint network", joint),
    "joint_binned": Method("The paper's joint network, 16 voxels", joint_binned),
    "supervised": Method("The paper's supervised network, 16 voxels", supervised),
    "oracle": Method("Oracle: the true maps", TrueMaps),
}
