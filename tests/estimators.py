"""One table of all estimators, for the tests that all of them must pass."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.augmentation import WedgeAwareRotations
from sksubtomo.base import BaseVolumeEstimator
from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder, VariationalAutoencoder
from sksubtomo.networks import Liu2019, ResNet
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import (
    CenterCropper,
    ContrastInverter,
    FourierBinner,
    GaussianLowPass,
    VolumeFlattener,
    VolumeNormalizer,
)
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    CandidateClassifier,
    FineTunedClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    MultiReferenceClassifier,
    PseudoLabelClassifier,
    SelfTrainingClassifier,
    SemiSupervisedVAEClassifier,
    WithUnlabeled,
)
from sksubtomo.training import FineTuningTraining

# Packages that are not for users: what estimators are made of.
INTERNAL = {"base"}

QUICK = {
    "learning_rate": 3e-3,
    "max_epochs": 15,
    "batch_size": 16,
    "early_stopping": False,
    "network": Liu2019(n_filters=4, latent_dim=6),
    "random_state": 0,
}
CONVOLUTIONS = {"network": Liu2019(n_filters=4)}
# scikit-learn checks with rows of few numbers, which cannot be rotated.
NO_COPIES = {"augmentation": "none"}
ONLY_NOISE = {
    "augmentation": WedgeAwareRotations(
        rotate=False, tilt_range_deg=None, max_shift_voxels=0.0, noise_std=0.1
    )
}

# Every exported estimator, with parameters that make it quick. Those around another one are below.
ESTIMATORS = {
    "Autoencoder": Autoencoder(**QUICK),
    "AutoencodingClassifier": AutoencodingClassifier(**QUICK),
    "CNNClassifier": CNNClassifier(**{**QUICK, **CONVOLUTIONS}),
    "CenterCropper": CenterCropper(),
    "ContrastInverter": ContrastInverter(),
    "ContrastiveEncoder": ContrastiveEncoder(
        **{**QUICK, "network": ResNet(n_filters=4, latent_dim=6)}, **ONLY_NOISE
    ),
    "FineTunedClassifier": FineTunedClassifier(
        **QUICK, training=FineTuningTraining(pretrain_epochs=3)
    ),
    "FixMatchClassifier": FixMatchClassifier(**{**QUICK, **CONVOLUTIONS, **NO_COPIES}),
    "FourierBinner": FourierBinner(),
    "GaussianLowPass": GaussianLowPass(),
    "MeanTeacherClassifier": MeanTeacherClassifier(**{**QUICK, **CONVOLUTIONS, **NO_COPIES}),
    "PseudoLabelClassifier": PseudoLabelClassifier(**{**QUICK, **CONVOLUTIONS}),
    "SemiSupervisedVAEClassifier": SemiSupervisedVAEClassifier(**QUICK, alpha=300),
    "VariationalAutoencoder": VariationalAutoencoder(**QUICK),
    "VolumeFlattener": VolumeFlattener(),
    "VolumeNormalizer": VolumeNormalizer(),
}
META_ESTIMATORS = {
    "CandidateClassifier",
    "MultiReferenceClassifier",
    "RejectingClassifier",
    "SelfTrainingClassifier",
    "TemperatureScaledClassifier",
    "WithUnlabeled",
}
# It has columns of its own, and hands no metadata on.
ROUTING_META_ESTIMATORS = META_ESTIMATORS - {"CandidateClassifier"}
VOLUME_CLASSIFIERS = {name: e for name, e in ESTIMATORS.items() if is_classifier(e)}
NETWORKS = {name: e for name, e in ESTIMATORS.items() if isinstance(e, BaseVolumeEstimator)}

ONLY_FOR_SCIKIT_LEARN = (
    "fits y in {-1, 1} and wants -1 among the classes; scikit-learn exempts its own "
    "semi-supervised classifiers by name. Replaced by test_labels_one_and_two_with_hidden_ones."
)
EXPECTED_FAILURES = {
    name: {"check_classifiers_classes": ONLY_FOR_SCIKIT_LEARN} for name in VOLUME_CLASSIFIERS
}


# --- Around another estimator --------------------------------------------------------------------


def never(fitted, X):
    """Score by which no volume is rejected."""
    return np.zeros(len(fitted.predict(X)))


FLOAT32 = {**QUICK, "precision": "float32"}
# By the class, and by what is inside.
METAS = {
    ("CandidateClassifier", "statistics"): CandidateClassifier(references=None, random_state=0),
    ("CandidateClassifier", "references"): CandidateClassifier(
        MultiReferenceClassifier(random_state=0), statistics=False, random_state=0
    ),
    ("CandidateClassifier", "logistic"): CandidateClassifier(
        None,
        SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression())),
        random_state=0,
    ),
    ("MultiReferenceClassifier", "nothing"): MultiReferenceClassifier(random_state=0),
    ("MultiReferenceClassifier", "spreading"): MultiReferenceClassifier(
        LabelSpreading(gamma=0.01), random_state=0
    ),
    ("RejectingClassifier", "logistic"): RejectingClassifier(LogisticRegression(), method=never),
    ("RejectingClassifier", "transformer"): RejectingClassifier(
        LinearDiscriminantAnalysis(), method=never
    ),
    ("SelfTrainingClassifier", "logistic"): SelfTrainingClassifier(LogisticRegression()),
    ("SelfTrainingClassifier", "network"): SelfTrainingClassifier(
        CNNClassifier(**{**FLOAT32, **CONVOLUTIONS})
    ),
    ("TemperatureScaledClassifier", "logistic"): TemperatureScaledClassifier(LogisticRegression()),
    ("TemperatureScaledClassifier", "spreading"): TemperatureScaledClassifier(
        LabelSpreading(gamma=0.01)
    ),
    ("WithUnlabeled", "spreading"): WithUnlabeled(LabelSpreading(gamma=0.01)),
    ("WithUnlabeled", "logistic"): WithUnlabeled(LogisticRegression()),
    ("WithUnlabeled", "transformer"): WithUnlabeled(LinearDiscriminantAnalysis()),
    ("WithUnlabeled", "network"): WithUnlabeled(AutoencodingClassifier(**FLOAT32)),
}
WITHOUT_ITERATIONS = (
    "fits without unlabeled samples, where there is no iteration to count; scikit-learn's own "
    "SelfTrainingClassifier fails it, too."
)
SELF_TRAINING_FAILURES = {"check_non_transformer_estimators_n_iter": WITHOUT_ITERATIONS}
META_EXPECTED_FAILURES = {
    key: SELF_TRAINING_FAILURES
    # scikit-learn knows this name, and exempts it from the other check.
    if key[0] == "SelfTrainingClassifier"
    else {"check_classifiers_classes": ONLY_FOR_SCIKIT_LEARN}
    for key in METAS
}


def outputs(estimator, X):
    """What an estimator says of volumes."""
    return estimator.predict_proba(X) if is_classifier(estimator) else estimator.transform(X)
