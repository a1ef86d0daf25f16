"""All cases by name."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from _augmentation_case import AugmentationCase
from _extraction_case import ExtractionCase
from _memory_case import MemoryCase
from _paper_case import PaperCase
from _prediction_case import PredictionCase
from _profiles import PROFILES
from _reference_case import MultiReferenceCase
from _scaling_case import AXES, ScalingCase
from _simulation_case import SimulationCase
from _training_case import TrainingCase

from sksubtomo.decomposition import Autoencoder, ContrastiveEncoder, VariationalAutoencoder
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    FineTunedClassifier,
    FixMatchClassifier,
    MeanTeacherClassifier,
    PseudoLabelClassifier,
    SemiSupervisedVAEClassifier,
)
from sksubtomo.training import Training

ALL = ("smoke", "fast", "regular", "full")
LONGER = ("smoke", "regular", "full")
FULL = ("smoke", "full")


class Entry(NamedTuple):
    """Title in tables, how to make the case of a profile and a device, and when it runs unasked."""

    title: str
    make: Callable[..., Any]
    profiles: tuple[str, ...]


def train(estimator, edge, **more):
    return partial(TrainingCase, estimator=estimator, edge=edge, **more)


def predict(method, edge, **more):
    return partial(PredictionCase, method=method, edge=edge, **more)


JOINT = {"is_reference": True, "parts": {}}
SUPERVISED = {"labels": "all", "parts": {"code": False, "decoder": False}}
UNSUPERVISED = {"labels": "none", "parts": {"classifier": False}}
# No probability passes, so that all epochs have as many steps.
SELF_TRAINED = {"unit": "epoch", "threshold": 1.0}
# As many labelled volumes in a batch as there are, so that an epoch is one pass.
AS_GIVEN = {"training": Training(labeled_share=0.5)}

CASES = {
    "train_joint_28": Entry("joint, a step", train(AutoencodingClassifier, 28, **JOINT), ALL),
    "train_joint_32": Entry("joint, a step", train(AutoencodingClassifier, 32, **JOINT), LONGER),
    "train_joint_64": Entry("joint, a step", train(AutoencodingClassifier, 64, **JOINT), LONGER),
    "epoch_joint_28": Entry(
        "joint, an epoch", train(AutoencodingClassifier, 28, unit="epoch", **JOINT), LONGER
    ),
    "epoch_joint_32": Entry(
        "joint, an epoch", train(AutoencodingClassifier, 32, unit="epoch", **JOINT), FULL
    ),
    "epoch_joint_64": Entry(
        "joint, an epoch", train(AutoencodingClassifier, 64, unit="epoch", **JOINT), FULL
    ),
    "train_cnn": Entry("supervised, a step", train(CNNClassifier, 28, **SUPERVISED), LONGER),
    "train_autoencoder": Entry(
        "autoencoder, a step", train(Autoencoder, 28, **UNSUPERVISED), LONGER
    ),
    "train_vae": Entry(
        "variational autoencoder, a step",
        train(VariationalAutoencoder, 28, labels="none"),
        LONGER,
    ),
    "train_pseudo_label": Entry(
        "self-trained, an epoch", train(PseudoLabelClassifier, 28, **SELF_TRAINED), LONGER
    ),
    "train_fine_tuned": Entry(
        "pre-trained, an epoch of each stage",
        train(FineTunedClassifier, 28, unit="epoch"),
        LONGER,
    ),
    "train_semi_supervised_vae": Entry(
        "deep generative model, a step", train(SemiSupervisedVAEClassifier, 28), LONGER
    ),
    "train_fix_match": Entry("FixMatch, a step", train(FixMatchClassifier, 28, **AS_GIVEN), LONGER),
    "train_mean_teacher": Entry(
        "mean teacher, a step", train(MeanTeacherClassifier, 28, **AS_GIVEN), LONGER
    ),
    "train_contrastive": Entry(
        "contrastive, a step", train(ContrastiveEncoder, 28, labels="none"), LONGER
    ),
    "train_multi_reference": Entry("references, a short fit", MultiReferenceCase, LONGER),
    "predict_proba_28": Entry("probabilities", predict("predict_proba", 28), ALL),
    "predict_proba_64": Entry("probabilities", predict("predict_proba", 64), LONGER),
    "predict_proba_lazy": Entry(
        "probabilities, boxes in a file", predict("predict_proba", 28, lazy=True), LONGER
    ),
    "transform_28": Entry("codes", predict("transform", 28), LONGER),
    "transform_lazy": Entry("codes, boxes in a file", predict("transform", 28, lazy=True), FULL),
    "extract_round": Entry(
        "extraction, nearest voxel", partial(ExtractionCase, subvoxel="round"), ALL
    ),
    "extract_interpolate": Entry(
        "extraction, interpolated", partial(ExtractionCase, subvoxel="interpolate"), LONGER
    ),
    "simulate_blobs": Entry("simulation, blobs", partial(SimulationCase, kind="blobs"), LONGER),
    "simulate_single_particle": Entry(
        "simulation, single particles", partial(SimulationCase, kind="single_particle"), LONGER
    ),
    "augment": Entry("random copies", AugmentationCase, ALL),
    **{
        f"scaling_{axis}": Entry(f"an epoch by {axis}", partial(ScalingCase, axis=axis), LONGER)
        for axis in AXES
    },
    "memory_1e3": Entry("fit, 1000 in memory", partial(MemoryCase, n=1000), LONGER),
    "memory_1e4": Entry("fit, 10 000 in memory", partial(MemoryCase, n=10_000), LONGER),
    "memory_2e5": Entry(
        "fit, 200 000 in a file", partial(MemoryCase, n=200_000, lazy=True), LONGER
    ),
    "paper_real": Entry(
        "the paper's real set", partial(PaperCase, n=1400, edge=28), ("regular", "full")
    ),
    "paper_simulated": Entry(
        "the paper's simulated set", partial(PaperCase, n=3200, edge=64), ("regular", "full")
    ),
}


def make_case(name, profile, device, precision="auto"):
    """Make a case by the names of case and profile."""
    case = CASES[name].make(PROFILES[profile], device)
    case.precision = precision
    return case
