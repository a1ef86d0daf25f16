"""Which classes a model file may hold, by name: a file chooses among these, and nothing else."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

#: Estimators and settings, by package. Objects are made by their constructor, which only stores
#: its arguments, and by what they were fitted to.
ESTIMATORS: dict[str, tuple[str, ...]] = {
    "sksubtomo.alignment": ("Annealing", "ClassPrior"),
    "sksubtomo.augmentation": ("Corruption", "WedgeAwareRotations"),
    "sksubtomo.calibration": ("RejectingClassifier", "TemperatureScaledClassifier"),
    "sksubtomo.model_selection": ("CheckpointedClassifier",),
    "sksubtomo.decomposition": ("Autoencoder", "ContrastiveEncoder", "VariationalAutoencoder"),
    "sksubtomo.networks": ("Liu2019", "MONAINet", "ResNet"),
    "sksubtomo.neural_network": ("CNNClassifier",),
    "sksubtomo.picking": ("DifferenceOfGaussiansPicker", "TemplateMatchingPicker"),
    "sksubtomo.preprocessing": (
        *("CenterCropper", "ContrastInverter", "FourierBinner", "GaussianLowPass"),
        *("VolumeFlattener", "VolumeNormalizer"),
    ),
    "sksubtomo.semi_supervised": (
        *("AutoencodingClassifier", "CandidateClassifier", "FineTunedClassifier"),
        *(
            "FixMatchClassifier",
            "MeanTeacherClassifier",
            "MultiReferenceClassifier",
            "PseudoLabelClassifier",
        ),
        *("SelfTrainingClassifier", "SemiSupervisedVAEClassifier", "WithUnlabeled"),
    ),
    "sksubtomo.training": (
        *("AutoencoderTraining", "Consistency", "ContrastiveTraining", "FineTuningTraining"),
        *("FixMatchTraining", "JointTraining", "PseudoLabelTraining", "Reconstruction"),
        *("Training", "VariationalTraining"),
    ),
    "sklearn.decomposition": ("PCA",),
    "sklearn.discriminant_analysis": (
        *("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    ),
    "sklearn.dummy": ("DummyClassifier",),
    "sklearn.feature_selection": ("VarianceThreshold",),
    "sklearn.frozen": ("FrozenEstimator",),
    "sklearn.linear_model": ("LogisticRegression", "RidgeClassifier"),
    "sklearn.mixture": ("GaussianMixture",),
    "sklearn.naive_bayes": ("BernoulliNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neighbors": ("KNeighborsClassifier", "NearestCentroid", "NearestNeighbors"),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": (
        *("LabelBinarizer", "LabelEncoder", "MaxAbsScaler", "MinMaxScaler", "Normalizer"),
        *("PowerTransformer", "QuantileTransformer", "RobustScaler", "StandardScaler"),
    ),
    "sklearn.semi_supervised": ("LabelPropagation", "LabelSpreading"),
    "sklearn.svm": ("LinearSVC", "NuSVC", "SVC"),
}
#: Objects inside of estimators, made of their state alone.
PARTS: dict[str, tuple[str, ...]] = {
    "sksubtomo.alignment": ("Gains", "IdentityPose", "PoseGrid"),
    "sksubtomo.fourier": ("Imaging",),
}
_PACKAGES = {
    f"{package}.{name}": package
    for group in (ESTIMATORS, PARTS)
    for package, names in group.items()
    for name in names
}


def is_part(name: str) -> bool:
    """Tell whether objects of a class are made of their state alone."""
    package, _, last = name.rpartition(".")
    return last in PARTS.get(package, ())


@cache
def allowed_class(name: str) -> type[Any]:
    """Return the class of a name.

    Raises
    ------
    ValueError
        If a model file may not hold it.
    """
    if name not in _PACKAGES:
        raise ValueError(f"it holds a {name[:80]!r}, which is no class that model files may hold")
    # A name of the table above, not of the file.
    return getattr(importlib.import_module(_PACKAGES[name]), name.rpartition(".")[2])


def name_of_class(kind: type) -> str | None:
    """Return the name of a class in model files, None if they may not hold it."""
    for name in _BY_LAST_NAME.get(kind.__name__, ()):
        if allowed_class(name) is kind:
            return name
    return None


_BY_LAST_NAME: dict[str, list[str]] = {}
for _name in _PACKAGES:
    _BY_LAST_NAME.setdefault(_name.rpartition(".")[2], []).append(_name)
