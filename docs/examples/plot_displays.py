"""
Look at candidates, predictions and averages
============================================

Two simulated tomograms, candidates by template matching, sixty of which have a label: GroEL,
ribosome, or neither. Two classifiers are fitted to the same labels,
:class:`~sksubtomo.semi_supervised.MultiReferenceClassifier` and
:class:`~sksubtomo.semi_supervised.AutoencodingClassifier`, and every display of
:mod:`sksubtomo.plotting` is drawn at the width of a column: ``gallery.png``, ``averages.png`` and
so on. They are the pictures of the guide's page on reports.

    python docs/examples/plot_displays.py --output docs/images/displays
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import KDTree
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from sksubtomo import plotting
from sksubtomo.alignment import Annealing
from sksubtomo.datasets import load_density, make_tomogram
from sksubtomo.io import extract_subtomograms
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict
from sksubtomo.networks import ResNet
from sksubtomo.picking import TemplateMatchingPicker
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, MultiReferenceClassifier

VOXEL, BOX = 16.0, 20
NAMES = {1: "GroEL", 2: "ribosome", 3: "neither"}
DPI = 200


def make_candidates(n_labels, snr, random_state):
    """Return candidates of two tomograms: boxes, places, scores, truth and a few labels."""
    template = -load_density("groel", voxel_size_angstrom=VOXEL)
    picker = TemplateMatchingPicker(template, angular_step_deg=60.0, symmetry="D7", max_picks=60)
    parts, tomograms = [], []
    for name, seed in (("TS_001", random_state), ("TS_002", random_state + 1)):
        data = make_tomogram(
            ["groel", "ribosome_70s"],
            n_particles=44,
            shape=(40, 150, 150),
            box_size=BOX,
            voxel_size_angstrom=VOXEL,
            snr=snr,
            random_state=seed,
        )
        picks = picker.pick(data.tomogram)
        distances, nearest = KDTree(data.coordinates).query(picks.coordinates)
        parts.append(
            {
                "X": extract_subtomograms(data.tomogram, picks.coordinates, BOX, border="noise"),
                "coordinates": picks.coordinates,
                "scores": picks.scores,
                "truth": np.where(distances < 4, data.y[nearest] + 1, 3),
                "names": np.full(len(picks.coordinates), name),
            }
        )
        tomograms.append(data.tomogram)
    merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    y = merged["truth"].copy()
    hidden = np.random.default_rng(random_state).permutation(len(y))[n_labels:]
    y[hidden] = -1
    return Bunch(**merged, y=y, tomogram=tomograms[0])


def make_classifiers(n_epochs, random_state):
    """Return classifiers by references, and by an autoencoding network."""
    stages = [(3, 60, 1, 4), (5, 40, 2, 4), (6, 30, 2, 4)]
    references = MultiReferenceClassifier(
        annealing=Annealing(stages=stages), random_state=random_state
    )
    network = AutoencodingClassifier(
        network=ResNet(n_filters=8),
        learning_rate=2e-3,
        max_epochs=n_epochs,
        batch_size=32,
        random_state=random_state,
    )
    return [make_pipeline(VolumeNormalizer(), one) for one in (references, network)]


def draw(data, references, network):
    """Yield the name of every picture and its display."""
    X, y, options = data.X, data.y, {"class_names": NAMES}
    classes = references.classes_
    proba = references.predict_proba(X)
    predicted = classes[proba.argmax(axis=1)]
    out_of_fold = cross_val_predict(
        network, X, y, cv=SemiSupervisedSplit(3), method="predict_proba"
    )
    said = classes[np.nan_to_num(out_of_fold).argmax(axis=1)]
    yield (
        "gallery",
        plotting.GalleryDisplay.from_predictions(
            X, proba, y, classes=classes, voxel_size_angstrom=VOXEL, **options
        ),
    )
    yield (
        "averages",
        plotting.ClassAverageDisplay.from_estimator(
            references,
            X,
            poses=references[-1].poses_,
            refine=False,
            voxel_size_angstrom=VOXEL,
            **options,
        ),
    )
    yield "orientations", plotting.OrientationDisplay.from_estimator(references, **options)
    latents = plotting.LatentMapDisplay.from_estimator(
        network, X, y, tomogram_names=data.names, **options
    )
    yield "latent_class", latents
    for color in ("label", "probability", "tomogram"):
        yield f"latent_{color}", latents.plot(color_by=color, **options)
    yield "history_references", plotting.TrainingHistoryDisplay.from_estimator(references)
    yield "history_network", plotting.TrainingHistoryDisplay.from_estimator(network)
    yield (
        "reliability",
        plotting.ReliabilityDisplay.from_predictions(y, out_of_fold, labels=classes, n_bins=6),
    )
    yield (
        "precision_recall",
        plotting.PrecisionRecallDisplay.from_predictions(
            y, out_of_fold[:, 0], pos_label=1, picker_scores=data.scores, name=NAMES[1]
        ),
    )
    yield (
        "confusion_matrix",
        plotting.LabeledConfusionMatrixDisplay.from_predictions(
            y, said, display_labels=[NAMES[k] for k in classes]
        ),
    )
    of_first = data.names == "TS_001"
    yield (
        "picks",
        plotting.TomogramPicksDisplay.from_predictions(
            data.tomogram,
            data.coordinates[of_first],
            predicted[of_first],
            classes=classes,
            box_size=BOX,
            n_slices=1,
            voxel_size_angstrom=VOXEL,
            **options,
        ),
    )


def main():
    parser = argparse.ArgumentParser(description="Draw every display.")
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--snr", type=float, default=0.2)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    data = make_candidates(args.labels, args.snr, args.random_state)
    print(f"{len(data.X)} candidates, labels {np.unique(data.y, return_counts=True)}")
    references, network = make_classifiers(args.epochs, args.random_state)
    hidden = data.y == -1
    for name, clf in (("references", references), ("network", network)):
        clf.fit(data.X, data.y)
        accuracy = clf.score(data.X[hidden], data.truth[hidden])
        print(f"{name}: accuracy {accuracy:.3f} on candidates without a label")
    for name, display in draw(data, references, network):
        display.figure_.savefig(args.output / f"{name}.png", dpi=DPI)
        plt.close(display.figure_)
    print(f"See {args.output}")


if __name__ == "__main__":
    main()
