"""Classifiers that ``fit`` can train, and their options."""

from __future__ import annotations

import argparse
from typing import Any

from sksubtomo._utils._messages import plural
from sksubtomo.cli._options import logger

METHODS = {
    "references": ("sksubtomo.semi_supervised", "MultiReferenceClassifier"),
    "joint": ("sksubtomo.semi_supervised", "AutoencodingClassifier"),
    "supervised": ("sksubtomo.neural_network", "CNNClassifier"),
    "pseudo-label": ("sksubtomo.semi_supervised", "PseudoLabelClassifier"),
    "fix-match": ("sksubtomo.semi_supervised", "FixMatchClassifier"),
    "mean-teacher": ("sksubtomo.semi_supervised", "MeanTeacherClassifier"),
    "fine-tuned": ("sksubtomo.semi_supervised", "FineTunedClassifier"),
    "vae": ("sksubtomo.semi_supervised", "SemiSupervisedVAEClassifier"),
}
# Options of methods that train a network, with their defaults.
_OF_NETWORKS = {
    "epochs": 100,
    "learning_rate": 1e-4,
    "batch_size": 64,
    "no_early_stopping": False,
    "equal_weights": False,
}
# A tenth of fewer labels says little about when to stop.
LEAST_LABELS_TO_STOP_BY = 200


def check_method_options(options: argparse.Namespace) -> None:
    """Refuse options that the method has no use for, before anything is read."""
    if options.method == "references":
        unused = [name for name in _OF_NETWORKS if getattr(options, name) is not None]
    else:
        unused = ["tilt_range"] if options.tilt_range is not None else []
    if unused:
        names = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise ValueError(f"--method {options.method} has no use for {names}; leave it out.")
    if options.tilt_range is not None and options.tilt_range > 90:
        raise ValueError(f"--tilt-range {options.tilt_range:g} must be at most 90 degrees.")


def make_classifier(options: argparse.Namespace, n_labels: int) -> Any:
    """Return the unfitted classifier that the options of ``fit`` ask for."""
    import importlib

    from sklearn.pipeline import make_pipeline

    from sksubtomo.preprocessing import VolumeNormalizer

    package, name = METHODS[options.method]
    kind = getattr(importlib.import_module(package), name)
    if options.method == "references":
        classifier = _references(kind, options)
    else:
        classifier = _network(kind, options, n_labels)
    return make_pipeline(VolumeNormalizer(), classifier)


def _references(kind: Any, options: argparse.Namespace) -> Any:
    return kind(
        tilt_range_deg=60.0 if options.tilt_range is None else options.tilt_range,
        device=options.device,
        random_state=options.random_state,
        verbose=0 if options.quiet else 1,
    )


def _network(kind: Any, options: argparse.Namespace, n_labels: int) -> Any:
    from sksubtomo.training import Training

    chosen = {
        name: default if getattr(options, name) is None else getattr(options, name)
        for name, default in _OF_NETWORKS.items()
    }
    stops = not chosen["no_early_stopping"]
    if stops and n_labels < LEAST_LABELS_TO_STOP_BY:
        logger.info(
            "No early stopping: a tenth of %s is too few to stop by.", plural(n_labels, "label")
        )
        stops = False
    return kind(
        max_epochs=chosen["epochs"],
        learning_rate=chosen["learning_rate"],
        batch_size=chosen["batch_size"],
        early_stopping=stops,
        class_weight=None if chosen["equal_weights"] else "balanced",
        device=options.device,
        random_state=options.random_state,
        training=Training(verbose=0 if options.quiet else 1),
    )
