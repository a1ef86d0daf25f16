"""One table of all estimators, for the tests that all of them must pass."""

from sklearn.base import is_classifier

from sksubtomo.base import BaseVolumeEstimator
from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder, VariationalAutoencoder
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
    FineTunedClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    SemiSupervisedVAEClassifier,
)

# Packages that are not for users: what estimators are made of.
INTERNAL = {"base", "training"}

QUICK = {
    "learning_rate": 3e-3,
    "max_epochs": 15,
    "batch_size": 16,
    "early_stopping": False,
    "network_params": {"n_filters": 4, "latent_dim": 6},
    "random_state": 0,
}
CONVOLUTIONS = {"network_params": {"n_filters": 4}}
# scikit-learn checks with rows of few numbers, which cannot be rotated.
NO_COPIES = {"augmentation": "none"}
ONLY_NOISE = {
    "augmentation": {
        "rotate": False,
        "tilt_range_deg": None,
        "max_shift_voxels": 0.0,
        "noise_std": 0.1,
    }
}

# Every exported estimator, with parameters that make it quick. Meta-estimators, which have no
# default for what they wrap, are checked in their own files.
ESTIMATORS = {
    "Autoencoder": Autoencoder(**QUICK),
    "AutoencodingClassifier": AutoencodingClassifier(**QUICK),
    "CNNClassifier": CNNClassifier(**{**QUICK, **CONVOLUTIONS}),
    "CenterCropper": CenterCropper(),
    "ContrastInverter": ContrastInverter(),
    "ContrastiveEncoder": ContrastiveEncoder(**QUICK, **ONLY_NOISE),
    "FineTunedClassifier": FineTunedClassifier(**QUICK, pretrain_epochs=3),
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
    "MultiReferenceClassifier",
    "RejectingClassifier",
    "SelfTrainingClassifier",
    "TemperatureScaledClassifier",
    "WithUnlabeled",
}
VOLUME_CLASSIFIERS = {name: e for name, e in ESTIMATORS.items() if is_classifier(e)}
NETWORKS = {name: e for name, e in ESTIMATORS.items() if isinstance(e, BaseVolumeEstimator)}

ONLY_FOR_SCIKIT_LEARN = (
    "fits y in {-1, 1} and wants -1 among the classes; scikit-learn exempts its own "
    "semi-supervised classifiers by name. Replaced by test_labels_one_and_two_with_hidden_ones."
)
EXPECTED_FAILURES = {
    name: {"check_classifiers_classes": ONLY_FOR_SCIKIT_LEARN} for name in VOLUME_CLASSIFIERS
}
