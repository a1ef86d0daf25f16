"""How to train, of methods that have settings of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

from sksubtomo._utils._docs import documented
from sksubtomo._utils._params import NumberInterval
from sksubtomo._utils._settings import Settings
from sksubtomo._utils._sklearn import StrOptions
from sksubtomo.augmentation import Corruption
from sksubtomo.training._settings import Training

_WEIGHT = NumberInterval(Real, 0, None, closed="left")
_COUNT = NumberInterval(Integral, 1, None, closed="left")
_THRESHOLD = [StrOptions({"adaptive"}), NumberInterval(Real, 0, 1, closed="both")]


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderTraining(Training):
    """How to train an :class:`~sksubtomo.decomposition.Autoencoder`.

    Parameters
    ----------
    %(sparsity)s
    %(training_settings)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "sparsity": [_WEIGHT, StrOptions({"relative"})],
    }

    sparsity: float | str = "relative"


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class Reconstruction(Settings):
    """How the reconstruction branch of the joint network is trained; see :class:`JointTraining`.

    Parameters
    ----------
    unlabeled_weight : float, default=None
        Weight of the reconstruction error of unlabeled volumes. None is 1, as in Algorithm 1 of
        Liu et al. (2019), or 0 if ``alpha`` is 0.
    %(sparsity)s
    measured_region : bool, default=False
        Whether the reconstruction error counts only what the tilts of ``augmentation`` measure.
    corruption : Corruption, default=None
        What is done to views that are to be reconstructed as they were before. None does nothing.
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "unlabeled_weight": [_WEIGHT, None],
        "sparsity": [_WEIGHT, StrOptions({"relative"})],
        "measured_region": ["boolean"],
        "corruption": [Corruption, None],
    }
    _defaults: ClassVar[Mapping[str, type[Settings]]] = {"corruption": Corruption}

    unlabeled_weight: float | None = None
    sparsity: float | str = "relative"
    measured_region: bool = False
    corruption: Corruption | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class Consistency(Settings):
    """How much views of an unlabeled volume are to be put into one class; see `JointTraining`.

    Parameters
    ----------
    weight : float, default=0.0
        Weight of the cross-entropy of unlabeled volumes with the class that the network, its
        weights averaged if ``average_decay`` says so, gives to another view of them, where it is
        confident; as in :class:`~sksubtomo.semi_supervised.FixMatchClassifier`. Needs
        ``augmentation``.
    threshold : float or "adaptive", default="adaptive"
        Probability from which a view has a say. "adaptive" follows the network's confidence, class
        by class.
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "weight": [_WEIGHT],
        "threshold": _THRESHOLD,
    }

    weight: float = 0.0
    threshold: float | str = "adaptive"


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class JointTraining(Training):
    """How to train an :class:`~sksubtomo.semi_supervised.AutoencodingClassifier`.

    Parameters
    ----------
    reconstruction : Reconstruction, default=None
        How the reconstruction branch is trained. None is an object with its defaults.
    consistency : Consistency, default=None
        How much views of an unlabeled volume are to be put into one class. None is an object with
        its defaults, whose weight is 0.
    %(training_settings)s

    Examples
    --------
    >>> from sksubtomo.semi_supervised import AutoencodingClassifier
    >>> from sksubtomo.training import JointTraining, Reconstruction
    >>> training = JointTraining(reconstruction=Reconstruction(unlabeled_weight=0.5))
    >>> clf = AutoencodingClassifier(training=training)
    >>> clf = clf.set_params(training__consistency__weight=1.0, augmentation="rotations")
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "reconstruction": [Reconstruction, None],
        "consistency": [Consistency, None],
    }
    _defaults: ClassVar[Mapping[str, type[Settings]]] = {
        "reconstruction": Reconstruction,
        "consistency": Consistency,
    }

    reconstruction: Reconstruction | None = None
    consistency: Consistency | None = None


def default_strong_augmentation() -> Corruption:
    """Return what ``strong_augmentation=None`` stands for: noise of 0.3."""
    return Corruption(noise_std=0.3)


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class FixMatchTraining(Training):
    """How to train a :class:`~sksubtomo.semi_supervised.FixMatchClassifier`.

    Parameters
    ----------
    distribution_alignment : bool, default=True
        Whether the probabilities of the first view are multiplied by the share of each class among
        the labels over its running mean, so that frequent classes do not swallow the others.
    strong_augmentation : Corruption, default=None
        What is done to the second views, and to the labeled ones. None is noise of 0.3.
    %(training_settings)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "distribution_alignment": ["boolean"],
        "strong_augmentation": [Corruption, None],
    }
    _defaults: ClassVar[Mapping[str, Any]] = {"strong_augmentation": default_strong_augmentation}

    distribution_alignment: bool = True
    strong_augmentation: Corruption | None = None


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class PseudoLabelTraining(Training):
    """How to train a :class:`~sksubtomo.semi_supervised.PseudoLabelClassifier`.

    Parameters
    ----------
    warm_up_epochs : int, default=1
        Epochs on the given labels alone, before the first prediction of the unlabeled volumes.
    refresh_interval : int, default=1
        Epochs between predictions of the unlabeled volumes.
    %(training_settings)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "warm_up_epochs": [_COUNT],
        "refresh_interval": [_COUNT],
    }

    warm_up_epochs: int = 1
    refresh_interval: int = 1


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class FineTuningTraining(Training):
    """How to train a :class:`~sksubtomo.semi_supervised.FineTunedClassifier`.

    Parameters
    ----------
    pretrain_epochs : int, default=None
        Epochs of the default autoencoder; None is ``max_epochs``. 0 leaves pre-training out, which
        is :class:`~sksubtomo.neural_network.CNNClassifier`.
    %(training_settings)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "pretrain_epochs": [NumberInterval(Integral, 0, None, closed="left"), None],
    }
    fixed = (*Training.fixed, "pretrain_epochs")

    pretrain_epochs: int | None = None


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class VariationalTraining(Training):
    """How to train variational autoencoders, with a classifier or without.

    Parameters
    ----------
    n_hidden : int, default=128
        Width of the dense layers.
    noise_std : float, default=1.0
        Standard deviation of a voxel around its mean, of standardized volumes: the smaller, the
        more a code tells. Of latent codes instead of volumes, where the learning of it begins.
    %(training_settings)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "n_hidden": [_COUNT],
        "noise_std": [NumberInterval(Real, 0, None, closed="neither")],
    }
    fixed = (*Training.fixed, "n_hidden", "noise_std")

    n_hidden: int = 128
    noise_std: float = 1.0


@documented
@dataclass(kw_only=True, eq=False, repr=False)
class ContrastiveTraining(Training):
    """How to train a :class:`~sksubtomo.decomposition.ContrastiveEncoder`.

    Parameters
    ----------
    temperature : float, default=0.2
        Temperature of the loss.
    n_projections : int, default=64
        Dimensions of the space in which views are compared.
    %(training_settings)s
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        **Training._parameter_constraints,
        "temperature": [NumberInterval(Real, 0, None, closed="neither")],
        "n_projections": [_COUNT],
    }
    fixed = (*Training.fixed, "n_projections")

    temperature: float = 0.2
    n_projections: int = 64
