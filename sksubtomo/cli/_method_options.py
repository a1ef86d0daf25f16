"""Options of the methods of ``fit``: which there are, what suits what, and defaults."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.cli._candidates import check_candidate_options
from sksubtomo.cli._methods import (
    LEAST_LABELS_TO_STOP_BY,
    METHODS,
    OF_NETWORKS,
    PRESETS,
    makes_views,
)
from sksubtomo.cli._options import logger, positive_float, positive_int
from sksubtomo.cli._reference_options import (
    OF_REFERENCES,
    add_reference_options,
    check_reference_options,
)
from sksubtomo.exceptions import LabelAgreementWarning

if TYPE_CHECKING:
    from sksubtomo.cli._sanity import Sanity

_AUGMENTATIONS = ("none", "rotations")
# Beyond so many particles times classes, references take hours.
_MOST_COMPARISONS = 1_000_000
# References that agree with fewer of the labels left out of them are given up for a network, which
# needs so many labels.
LEAST_AGREEMENT = 0.9
_LEAST_LABELS_OF_NETWORKS = 20
# Smaller boxes show nothing that is worth turning.
_LEAST_BOX = 8


def add_methods(group: argparse._ActionsContainer) -> None:
    """Add the options of methods."""
    group.add_argument(
        "--method",
        choices=METHODS,
        help="references: one map a class in all orientations, the best with few labels of rigid "
        "complexes; candidates: the picker's score, image statistics of the boxes and references "
        "together, for particles among false positives; the others train networks. By default, "
        "what suits the particles and the other options, which is told with its reason",
    )
    group.add_argument(
        "--preset",
        choices=PRESETS,
        help="settings that go together. few-labels: of networks, a ResNet on rotated views with a "
        "one-cycle schedule (joint, fine-tuned, vae: a short schedule); of references, the best of "
        "three initializations. paper: networks as published. Default: few-labels with fewer than "
        f"{LEAST_LABELS_TO_STOP_BY} labels, where no schedule is given, else paper",
    )
    group.add_argument(
        "--augmentation",
        choices=_AUGMENTATIONS,
        help="of networks: rotations lets them learn from rotated views, whose missing wedge is "
        "cut afterwards; by default, what method and preset say",
    )
    group.add_argument(
        "--tilt-range",
        type=positive_float,
        metavar="DEG",
        help="of references and augmentation: tilts went from minus to plus this; default: 60",
    )
    add_reference_options(group)
    _add_network_options(group)


def _add_network_options(group: argparse._ActionsContainer) -> None:
    group.add_argument("--epochs", type=positive_int, help="of networks; default: by the preset")
    group.add_argument(
        "--learning-rate", type=positive_float, help="of networks; default: by the preset"
    )
    group.add_argument(
        "--batch-size", type=positive_int, help="of networks; default: by the preset"
    )
    group.add_argument(
        "--no-early-stopping",
        action="store_true",
        default=None,
        help="train networks for all epochs, on all labels, as is done with fewer than "
        f"{LEAST_LABELS_TO_STOP_BY} labels; without it, a tenth of more labels is held out",
    )
    group.add_argument(
        "--equal-weights",
        action="store_true",
        default=None,
        help="of networks: let labels count the same; without it, classes do",
    )


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return ["--" + name.replace("_", "-") for name in names if getattr(options, name) is not None]


def _be(options: list[str]) -> str:
    return "is" if len(options) == 1 else "are"


def check_method_options(options: argparse.Namespace) -> None:
    """Refuse options that the method has no use for, before anything is read.

    Raises
    ------
    ValueError
        If there are any, or values are out of range.
    """
    of_networks = _given(options, (*OF_NETWORKS, "augmentation"))
    of_references = _given(options, OF_REFERENCES)
    # Candidates may be of a background, too.
    of_maps = [name for name in of_references if name != "--background"]
    method = options.method
    if method == "references":
        unused = of_networks
        if options.preset == "paper":
            unused = [*unused, "--preset paper"]
    elif method is not None:
        unused = of_references
        if method == "candidates":
            unused = [*of_networks, *of_maps, *_given(options, ("preset",))]
    else:
        unused = []
        paper = ["--preset paper"] if options.preset == "paper" else []
        preset = [] if options.preset is None else [f"--preset {options.preset}"]
        of_candidates = _given(options, ("positive_only", "score_column", "by_tomogram"))
        of_clicks = _given(options, ("positive_only",))
        for given, what, others, what_others in (
            ([*of_networks, *paper], "networks", of_references, "references"),
            (of_clicks, "--method candidates", of_references, "references"),
            (of_candidates, "--method candidates", of_maps, "references"),
            (of_candidates, "--method candidates", [*of_networks, *preset], "networks"),
        ):
            if given and others:
                raise ValueError(
                    f"{', '.join(given)} {_be(given)} for {what}, "
                    f"{', '.join(others)} for {what_others}. Leave out one, or give --method."
                )
    if unused:
        raise ValueError(f"--method {method} has no use for {', '.join(unused)}; leave it out.")
    if options.tilt_range is not None and options.tilt_range > 90:
        raise ValueError(f"--tilt-range {options.tilt_range:g} must be at most 90 degrees.")
    check_reference_options(options)
    check_candidate_options(options)


def choose_method(
    options: argparse.Namespace,
    n_particles: int,
    counts: NDArray[np.int64],
    scores: Sequence[str] = (),
    *,
    has_background: bool = False,
) -> bool:
    """Set the method where it is not given, by what there is, and say why.

    Parameters
    ----------
    options : Namespace
        Gets the ``method``.
    n_particles : int
        How many boxes there are, labeled or not.
    counts : ndarray of shape (n_classes,)
        Labels of each class.
    scores : sequence of str, optional
        Columns with a picker's score in the table of particles.
    has_background : bool, default=False
        Whether one of the classes is named as the background.

    Returns
    -------
    may_change : bool
        Whether a network may take the place of references that do not agree with the labels: where
        nothing asks for references, and labels may do for a network.
    """
    if options.method is not None:
        return False
    n_labels, n_classes = int(counts.sum()), len(counts)
    labels = f"{plural(n_labels, 'label')} of {plural(n_classes, 'class', 'classes')}"
    of_networks = _given(options, (*OF_NETWORKS, "augmentation"))
    of_references = _given(options, OF_REFERENCES)
    are_candidates = options.preset is None and _are_candidates(
        options, n_classes == 2 or has_background, scores
    )
    if are_candidates and (has_background or _given(options, ("score_column", "by_tomogram"))):
        of_references = [name for name in of_references if name != "--background"]
    if of_networks:
        method, reason = "joint", f"{', '.join(of_networks)} {_be(of_networks)} for networks"
        if options.augmentation == "rotations":
            method = "supervised"
    # Labels of particles only give the background a number, without --background.
    elif of_references and not options.positive_only:
        method, reason = "references", f"{', '.join(of_references)} {_be(of_references)} for them"
    elif are_candidates:
        method = "candidates"
        reason = f"{labels} tell particles from false positives of a picker"
        if scores:
            reason += f", whose score is {', '.join(scores)}"
    elif options.preset == "paper":
        method, reason = "joint", "--preset paper is the autoencoding classifier's"
    elif options.box_size < _LEAST_BOX:
        method = "supervised"
        reason = f"boxes of {options.box_size} voxels are too small to tell orientations"
    elif n_particles * n_classes > _MOST_COMPARISONS and n_labels >= LEAST_LABELS_TO_STOP_BY:
        method = "supervised"
        reason = (
            f"{n_particles} boxes and {plural(n_classes, 'class', 'classes')} would take "
            f"references hours, and {labels} do for a network"
        )
    else:
        method = "references"
        reason = f"of rigid complexes, it needs the fewest labels; there are {labels}"
    options.method = method
    logger.info("Method %s: %s. Others are chosen by --method.", method, reason)
    asked = _given(options, (*OF_REFERENCES, "averages"))
    return method == "references" and not asked and n_labels >= _LEAST_LABELS_OF_NETWORKS


def _are_candidates(options: argparse.Namespace, has_false: bool, scores: Sequence[str]) -> bool:
    """Tell whether particles look like the candidates of a picker, some of which are false.

    ``has_false``: whether labels seem to have a class of false positives.
    """
    if _given(options, ("score_column", "positive_only", "by_tomogram")):
        return True
    return bool(scores) and has_false and not _given(options, ("averages",))


def change_method(
    sanity: Sanity, options: argparse.Namespace, of_labels: Sequence[Warning]
) -> None:
    """Set the method to a network where references do not agree with labels, and say so.

    Parameters
    ----------
    sanity : Sanity
        Gets the warning.
    options : Namespace
        Gets method and preset.
    of_labels : sequence of Warning
        What the fit of references said of the labels.
    """
    options.method, options.preset = "supervised", "few-labels"
    said = [str(one) for one in of_labels if isinstance(one, LabelAgreementWarning)]
    sanity.warn(
        "Method supervised instead, a network on rotated views; --method references keeps the "
        "references. %s Or a class has no structure of its own, such as everything else: then name "
        "it by --background.",
        " ".join(said),
    )


def check_views(options: argparse.Namespace, n_labels: int) -> None:
    """Refuse ``--tilt-range`` where the method that was chosen has no use for it.

    Raises
    ------
    ValueError
        If a network does not learn from views, whose missing wedge it would be.
    """
    if options.tilt_range is None or options.method in ("references", "candidates"):
        return
    if not makes_views(options, n_labels):
        raise ValueError(
            f"--method {options.method} has no use for --tilt-range: with these options, it does "
            "not learn from rotated views. Leave it out, or add --augmentation rotations."
        )
