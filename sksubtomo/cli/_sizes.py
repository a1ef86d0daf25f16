"""About how many bytes outputs will take, so that a full disk is noticed before the work."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo.cli._methods import make_classifier
from sksubtomo.cli._options import logger

_HEADER_BYTES = 1024
_VOXEL_BYTES = 4
# Weights, and the two moments of the optimizer.
_COPIES_OF_WEIGHTS = 3
# Of methods with a decoder, in encoders with a classifier; measured.
_PARTS = {"joint": 3.0, "fine-tuned": 3.0, "vae": 2.5}
# Of scores, histories and orientations beside the arrays that depend on the box.
_REST, _REST_OF_REFERENCES = 10**5, 5 * 10**5
_POSE_BYTES = 100
# Of a number in a table.
_FIELD_BYTES = 9


def volume_bytes(box_size: int, n_boxes: int = 1) -> int:
    """Return the size of boxes in files of their own."""
    return n_boxes * (_HEADER_BYTES + _VOXEL_BYTES * box_size**3)


def averages_bytes(box_size: int, n_classes: int) -> int:
    """Return the size of a folder of class averages, each with two half maps."""
    return volume_bytes(box_size, 3 * n_classes)


def table_bytes(options: argparse.Namespace, n_particles: int, n_new_columns: int) -> int:
    """Return the size of the table of ``predict``; little of a part that is still unknown."""
    if options.keep is not None:
        return 0
    return options.particles.stat().st_size + _FIELD_BYTES * n_particles * n_new_columns


def tomograms_bytes(shape: tuple[int, int, int], n_tilts: int, n_tomograms: int) -> int:
    """Return the size of simulated tomograms, each with one without noise and its tilt series."""
    depth, height, width = shape
    return n_tomograms * _VOXEL_BYTES * (2 * depth + n_tilts) * height * width


def model_bytes(options: argparse.Namespace, n_boxes: int, counts: NDArray[np.int64]) -> int:
    """Return the size of the file of a model that is still to be fitted.

    Parameters
    ----------
    options : Namespace
        Of ``fit``.
    n_boxes : int
        That it will be fitted to.
    counts : ndarray of shape (n_classes,)
        Labels of each class.
    """
    # Without its messages, which come when it is fitted.
    logger.disabled = True
    try:
        classifier = make_classifier(options, int(counts.sum()))
    finally:
        logger.disabled = False
    n_classes = len(counts)
    last = classifier[-1]
    if options.method == "candidates":
        return last.cv * (_REST_OF_REFERENCES + 2 * n_classes * _VOXEL_BYTES * options.box_size**3)
    if not hasattr(last, "network"):
        n_references = n_classes * last.n_references
        maps = 2 * n_references * _VOXEL_BYTES * options.box_size**3
        return _REST_OF_REFERENCES + maps + _POSE_BYTES * n_boxes
    edge = getattr(classifier[0], "box_size", options.box_size)
    has_average = last.training.average_decay is not None or options.method == "mean-teacher"
    n_copies = (_COPIES_OF_WEIGHTS + has_average) * _PARTS.get(options.method, 1.0)
    return _REST + int(4 * n_copies * _n_weights(last.network, edge, n_classes))


def _n_weights(network: Any, edge: int, n_classes: int) -> int:
    import torch

    from sksubtomo.networks import network_settings

    settings = network_settings(network)
    # Without memory.
    with torch.device("meta"):
        encoder = settings.encoder((edge,) * 3, None)
        parts = (encoder, settings.classifier(encoder.feature_shape, n_classes))
    return sum(one.numel() for part in parts for one in part.parameters())
