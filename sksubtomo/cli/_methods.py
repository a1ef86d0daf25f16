"""Classifiers that ``fit`` can train, and their options."""

from __future__ import annotations

import argparse
from typing import Any

from sksubtomo._utils._messages import plural
from sksubtomo.cli._options import logger
from sksubtomo.cli._reference_options import reference_parameters

METHODS = {
    "references": ("sksubtomo.semi_supervised", "MultiReferenceClassifier"),
    "candidates": ("sksubtomo.semi_supervised", "CandidateClassifier"),
    "joint": ("sksubtomo.semi_supervised", "AutoencodingClassifier"),
    "supervised": ("sksubtomo.neural_network", "CNNClassifier"),
    "pseudo-label": ("sksubtomo.semi_supervised", "PseudoLabelClassifier"),
    "fix-match": ("sksubtomo.semi_supervised", "FixMatchClassifier"),
    "mean-teacher": ("sksubtomo.semi_supervised", "MeanTeacherClassifier"),
    "fine-tuned": ("sksubtomo.semi_supervised", "FineTunedClassifier"),
    "vae": ("sksubtomo.semi_supervised", "SemiSupervisedVAEClassifier"),
}
# Settings that go together.
PRESETS = ("few-labels", "paper")
# Methods that reconstruct volumes as they are; and those that need views.
RECONSTRUCTING = ("joint", "fine-tuned", "vae")
VIEWS_BY_DEFAULT = ("fix-match", "mean-teacher")
_SCHEDULE = ("epochs", "learning_rate", "batch_size")
#: Options of methods that train a network.
OF_NETWORKS = (*_SCHEDULE, "no_early_stopping", "equal_weights")
_PAPER = {"max_epochs": 100, "learning_rate": 1e-4, "batch_size": 64}
# Of `benchmarks/label_efficiency.py`, and for reconstructing networks of `docs/user_guide`.
_FEW_LABELS = {"max_epochs": 10, "learning_rate": 4e-3, "batch_size": 32, "network": "resnet"}
_FEW_LABELS_RECONSTRUCTING = {"max_epochs": 20, "learning_rate": 1e-3, "batch_size": 16}
_FEW_LABELS_TRAINING: dict[str, Any] = {
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "schedule": "one_cycle",
    "average_decay": 0.99,
    "steps_per_epoch": 70,
}
_N_TEST_ROTATIONS = 8
# Larger boxes are binned for networks of few labels.
_LARGEST_BOX = 16
# A tenth of fewer labels says little about when to stop.
LEAST_LABELS_TO_STOP_BY = 200


def method_class(options: argparse.Namespace) -> Any:
    """Return the class of the classifier."""
    import importlib

    package, name = METHODS[options.method]
    return getattr(importlib.import_module(package), name)


def make_classifier(options: argparse.Namespace, n_labels: int) -> Any:
    """Return the unfitted classifier that the options of ``fit`` ask for."""
    from sklearn.pipeline import make_pipeline

    from sksubtomo.preprocessing import FourierBinner, VolumeNormalizer

    kind = method_class(options)
    if options.method == "references":
        return make_pipeline(VolumeNormalizer(), _references(kind, options, n_labels))
    if options.method == "candidates":
        return make_pipeline(VolumeNormalizer(), _candidates(kind, options))
    steps: list[Any] = [VolumeNormalizer(), _network(kind, options, n_labels)]
    if _is_of_views(options, n_labels) and options.box_size > _LARGEST_BOX:
        steps.insert(0, FourierBinner(_LARGEST_BOX))
    return make_pipeline(*steps)


def _references(kind: Any, options: argparse.Namespace, n_labels: int) -> Any:
    return kind(
        tilt_range_deg=60.0 if options.tilt_range is None else options.tilt_range,
        **reference_parameters(options),
        n_init=3 if _preset(options, n_labels) == "few-labels" else 1,
        device=options.device,
        random_state=options.random_state,
        verbose=0 if options.quiet else 1,
    )


def _candidates(kind: Any, options: argparse.Namespace) -> Any:
    return kind(
        background=options.background,
        tilt_range_deg=60.0 if options.tilt_range is None else options.tilt_range,
        device=options.device,
        random_state=options.random_state,
    )


def _preset(options: argparse.Namespace, n_labels: int) -> str:
    """Return the preset that is given, or that of few labels where there is no schedule."""
    if options.preset is not None:
        return options.preset
    scheduled = any(getattr(options, name) is not None for name in _SCHEDULE)
    return "paper" if scheduled or n_labels >= LEAST_LABELS_TO_STOP_BY else "few-labels"


def _is_of_views(options: argparse.Namespace, n_labels: int) -> bool:
    """Tell whether the network is the one that learns from rotated views."""
    return _preset(options, n_labels) == "few-labels" and options.method not in RECONSTRUCTING


def _network(kind: Any, options: argparse.Namespace, n_labels: int) -> Any:
    from sksubtomo.training import Training

    preset, of_views = _preset(options, n_labels), _is_of_views(options, n_labels)
    if options.preset is None:
        logger.info("Preset %s for %s.", preset, plural(n_labels, "label"))
    settings: dict[str, Any] = dict(_PAPER)
    if preset == "few-labels":
        settings = dict(_FEW_LABELS if of_views else _FEW_LABELS_RECONSTRUCTING)
    for name, parameter in zip(_SCHEDULE, _PAPER, strict=True):
        given = getattr(options, name)
        if given is not None:
            settings[parameter] = given
    stops = not options.no_early_stopping
    if stops and n_labels < LEAST_LABELS_TO_STOP_BY:
        logger.info(
            "No early stopping: a tenth of %s is too few to stop by.", plural(n_labels, "label")
        )
        stops = False
    return kind(
        **settings,
        **_augmentation(options, of_views=of_views),
        early_stopping=stops,
        class_weight=None if options.equal_weights else "balanced",
        device=options.device,
        random_state=options.random_state,
        training=Training(
            verbose=0 if options.quiet else 1, **(_FEW_LABELS_TRAINING if of_views else {})
        ),
    )


def makes_views(options: argparse.Namespace, n_labels: int) -> bool:
    """Tell whether the network learns from views, whose missing wedge is cut."""
    if options.augmentation is not None:
        return options.augmentation != "none"
    return options.method in VIEWS_BY_DEFAULT or _is_of_views(options, n_labels)


def _augmentation(options: argparse.Namespace, *, of_views: bool) -> dict[str, Any]:
    """Return the augmentation as a parameter, where it is not that of the method."""
    from sksubtomo.augmentation import WedgeAwareRotations

    if options.augmentation == "none":
        return {"augmentation": "none"}
    tilts = 60.0 if options.tilt_range is None else options.tilt_range
    wanted = options.augmentation == "rotations" or of_views
    if not wanted and (options.tilt_range is None or options.method not in VIEWS_BY_DEFAULT):
        return {}
    return {
        "augmentation": WedgeAwareRotations(
            tilt_range_deg=tilts, n_test_rotations=_N_TEST_ROTATIONS
        )
    }
