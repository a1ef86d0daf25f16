"""Figures of a report, each with a caption and a text for those who do not see it."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sksubtomo import plotting
from sksubtomo._utils._messages import plural, shorten
from sksubtomo._utils._rotations import rows_with_pose
from sksubtomo._utils._steps import last_step
from sksubtomo.reports._content import Content

_DPI = 160
# Of tomograms that particles are drawn on.
_MOST_TOMOGRAMS = 2
_LEARNED_FROM = (
    " The labels may be among those that the classifier has learned from; then this is too good."
)
_HELD_OUT = " Predictions are by classifiers that did not learn from the label."


class Figure(NamedTuple):
    """An image of a report.

    Parameters
    ----------
    title, caption : str
        Shown below.
    alt : str
        What the image tells, in words.
    png : str
        The image, in base64.
    width, height : int
        In pixels of the page.
    """

    title: str
    caption: str
    alt: str
    png: str
    width: int
    height: int


class NotApplicable(Exception):
    """Says why there is no such figure."""


def make_figures(content: Content) -> tuple[list[Figure], dict[str, str]]:
    """Return the figures that apply, and why others do not."""
    import matplotlib.pyplot as plt

    figures: list[Figure] = []
    left_out: dict[str, str] = {}
    # They are for the page, and not for a window.
    with plt.ioff():
        for title, make in _FIGURES.items():
            try:
                figures += make(title, content)
            except NotApplicable as reason:
                left_out[title] = str(reason)
    return figures, left_out


def _drawn(title: str, display: Any, caption: str, alt: str) -> Figure:
    """Turn what a display has drawn into an image, and close it."""
    import matplotlib.pyplot as plt

    figure = display.figure_
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # Of names in scripts that the font does not have.
            warnings.filterwarnings("ignore", message=r"Glyph \d+")
            figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
        # As wide on a page as a column in print, for 96 pixels an inch, and a little larger.
        width, height = (round(float(edge) * 120) for edge in figure.get_size_inches())
    finally:
        plt.close(figure)
    png = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Figure(title, caption, alt, png, width, height)


def _gallery(title: str, content: Content) -> Iterator[Figure]:
    display = plotting.GalleryDisplay.from_predictions(
        content.X,
        content.proba,
        content.labels,
        classes=content.classes,
        class_names=content.class_names,
        voxel_size_angstrom=content.voxel_size_angstrom,
    )
    each = ", ".join(
        f"{name}: {n} particles" for name, n in zip(content.names, display.counts, strict=True)
    )
    yield _drawn(
        *(title, display),
        "Central slices, filtered for the eye, of particles at evenly spaced ranks of probability, "
        "the most probable on the left. Numbers are probabilities; a red frame is a label of "
        "another class.",
        f"Gallery of {plural(len(display.rows), 'box', 'boxes')}, a row for each predicted class. "
        f"{each}.",
    )


def _averages(title: str, content: Content) -> Iterator[Figure]:
    references, names = content.fitted("references_"), content.class_names
    if references is None or np.ndim(references) != 4:
        raise NotApplicable("the classifier has no references that are volumes.")
    classes = content.fitted("reference_classes_")
    options = {"classes": classes, "voxel_size_angstrom": content.voxel_size_angstrom}
    if content.averages is not None:
        display = plotting.ClassAverageDisplay.from_averages(
            content.averages, class_names=names, **options
        )
        unit = "voxels" if content.voxel_size_angstrom is None else "Å"
        told = [
            f"{plural(int(n), 'particle')}, "
            + (f"{size:.3g} {unit}" if np.isfinite(size) else "no resolution")
            for n, size in zip(display.n_volumes, display.resolution, strict=True)
        ]
        caption = (
            "Central slices of class averages, filtered at their resolution, and the Fourier shell "
            "correlation of half maps. Halves were aligned to one reference: the resolution at "
            "0.143 is no gold standard, and rather too good."
        )
    else:
        display = plotting.ClassAverageDisplay(references, **options).plot(class_names=names)
        told = [""] * len(classes)
        caption = "Central slices of the references that particles are compared with."
    each = ". ".join(
        names[label] + (f": {one}" if one else "")
        for label, one in zip(classes.tolist(), told, strict=True)
    )
    alt = f"Slices across z, y and x of {plural(len(told), 'map')}. {each}."
    yield _drawn(title, display, caption, alt)


def _orientations(title: str, content: Content) -> Iterator[Figure]:
    poses, whose = content.poses, "these particles"
    if poses is None:
        poses, whose = content.fitted("poses_"), "the particles that it was fitted to"
    rows = np.empty(0, dtype=np.intp) if poses is None else rows_with_pose(poses)
    if not len(rows):
        raise NotApplicable("the classifier finds no orientations.")
    display = plotting.OrientationDisplay.from_rotations(
        poses["rotations"][rows],
        labels=np.asarray(poses["labels"])[rows],
        class_names=content.class_names,
    )
    caption = (
        f"Directions of the beam in the frame of each reference, of {whose}; the color is the "
        "number of particles over that of a uniform distribution."
    )
    n_particles = plural(len(rows), "particle")
    alt = f"Maps of rot and tilt, a panel for each class, of {n_particles}."
    yield _drawn(title, display, caption, alt)


def _latent_map(title: str, content: Content) -> Iterator[Figure]:
    last = last_step(content.estimator)
    if not (hasattr(last, "transform") or hasattr(last, "features")):
        raise NotApplicable("the classifier has no latent code.")
    display = plotting.LatentMapDisplay.from_estimator(
        content.estimator,
        content.X,
        content.labels,
        y_proba=content.proba,
        tomogram_names=content.tomogram_names,
        class_names=content.class_names,
    )
    told = {"class": "predicted class"}
    if (display.targets >= 0).any():
        told["label"] = "given label"
    told["probability"] = "probability of the predicted class"
    if len(np.unique(content.tomogram_names)) > 1:
        told["tomogram"] = "tomogram"
    for color in told:
        if color != "class":
            display.plot(color_by=color, class_names=content.class_names)
        yield _drawn(
            *(f"{title}, by {color}", display),
            f"Latent codes in two dimensions, colored by {told[color]}.",
            f"Scatter plot of {len(display.embedding)} latent codes, colored by {told[color]}. "
            f"Axes: {' and '.join(display.axis_labels)}.",
        )


def _history(title: str, content: Content) -> Iterator[Figure]:
    if not content.fitted("history_"):
        raise NotApplicable("the classifier has no history of its training.")
    display = plotting.TrainingHistoryDisplay.from_estimator(content.estimator)
    first, last = (display.curve(_main_figure(display))[place] for place in (0, -1))
    yield _drawn(
        *(title, display),
        "Figures of every epoch or iteration. A code is dead where no unit is live; agreement is "
        "that of references with labels left out of them.",
        f"Curves over {plural(len(display.history), 'step')} of {', '.join(display.panels)}. "
        f"{_main_figure(display)} goes from {first:.3g} to {last:.3g}.".replace("_", " "),
    )


def _main_figure(display: Any) -> str:
    return "log_likelihood" if "log_likelihood" in display.panels else "train_loss"


def _reliability(title: str, content: Content) -> Iterator[Figure]:
    _check_labeled(content)
    rows = content.labeled
    display = plotting.ReliabilityDisplay.from_predictions(
        content.labels[rows],
        content.judged[rows],
        labels=content.classes,
        n_bins=min(10, max(2, len(rows) // 10)),
    )
    yield _drawn(
        *(title, display),
        "Share of correct predictions against their probability, with 95 % intervals; calibrated "
        "probabilities lie on the diagonal." + _caution(content),
        f"Reliability diagram of {plural(len(rows), 'labeled particle')}: expected calibration "
        f"error {display.calibration_error:.3f}.",
    )


def _precision_recall(title: str, content: Content) -> Iterator[Figure]:
    _check_labeled(content)
    rows, positive = content.labeled, content.positive
    name = content.names[positive]
    truth = content.targets[rows] == positive
    if not truth.any():
        raise NotApplicable(f"no particle is labeled {name}.")
    scores = None if content.picker_scores is None else content.picker_scores[rows]
    known = scores is not None and np.isfinite(scores).all()
    display = plotting.PrecisionRecallDisplay(
        truth,
        content.judged[rows, positive],
        picker_scores=scores if known else None,
        threshold=content.threshold,
        name=name,
    ).plot()
    recall, precision = display.operating_point
    beside = " The score of the picker is beside." if known else ""
    yield _drawn(
        *(title, display),
        f"What thresholds of the probability keep, among the labeled candidates.{beside}"
        + _caution(content),
        f"Precision and recall of {name} over {plural(len(rows), 'labeled particle')}. At the "
        f"threshold of {content.threshold:g}, precision {precision:.2f} and recall {recall:.2f}.",
    )


def _confusion(title: str, content: Content) -> Iterator[Figure]:
    _check_labeled(content)
    rows = content.labeled
    predicted = content.judged[rows].argmax(axis=1)
    display = plotting.LabeledConfusionMatrixDisplay.from_predictions(
        content.labels[rows],
        content.classes[predicted],
        labels=content.classes,
        display_labels=content.names,
    )
    right = float((predicted == content.targets[rows]).mean())
    yield _drawn(
        *(title, display),
        f"Labeled particles by label and prediction.{_caution(content)}",
        f"Confusion matrix of {plural(len(rows), 'labeled particle')}, of which {right:.0%} are "
        "predicted to be of the class of their label.",
    )


def _check_labeled(content: Content) -> None:
    if not len(content.labeled):
        raise NotApplicable("no labels are given.")


def _caution(content: Content) -> str:
    return _LEARNED_FROM if content.held_out is None else _HELD_OUT


def _picks(title: str, content: Content) -> Iterator[Figure]:
    if content.coordinates is None or not len(content.tomograms):
        raise NotApplicable("no tomograms and coordinates are given.")
    names, counts = np.unique(content.tomogram_names, return_counts=True)
    order = [
        name for name in names[np.argsort(-counts, kind="stable")] if name in content.tomograms
    ]
    if not order:
        raise NotApplicable("none of the given tomograms holds a particle.")
    for name in order[:_MOST_TOMOGRAMS]:
        try:
            yield _in_tomogram(title, content, name)
        # The rest of the report does without; the reason is among its warnings.
        except (ValueError, OSError) as error:
            message = f"Particles are not drawn on {shorten(name, 80)}: {shorten(error)}"
            warnings.warn(message, stacklevel=2)


def _in_tomogram(title: str, content: Content, name: str) -> Figure:
    rows = np.flatnonzero(content.tomogram_names == name)
    assert content.coordinates is not None
    display = plotting.TomogramPicksDisplay.from_predictions(
        content.tomograms[name],
        content.coordinates[rows],
        content.classes[content.predicted[rows]],
        classes=content.classes,
        box_size=np.shape(content.X)[-1],
        n_slices=1,
        voxel_size_angstrom=content.voxel_size_angstrom,
        class_names=content.class_names,
    )
    (first, last), shown = display.planes[0], shorten(name, 80)
    return _drawn(
        *(f"{title}: {shown}", display),
        f"Predicted classes on the mean of the planes z = {first} to {last - 1}. Numbers are those "
        "of the whole tomogram.",
        f"Slice of the tomogram {shown} with {plural(len(rows), 'particle')} marked by class.",
    )


_FIGURES: dict[str, Callable[[str, Content], Iterator[Figure]]] = {
    "Particles by class and probability": _gallery,
    "Class averages": _averages,
    "Confusion matrix": _confusion,
    "Precision and recall": _precision_recall,
    "Reliability": _reliability,
    "Latent codes": _latent_map,
    "Orientations": _orientations,
    "Training": _history,
    "Particles in a tomogram": _picks,
}
