"""
Few labels, many volumes: the autoencoding classifier
=====================================================

Makes subtomograms of several complexes, hides 95 % of their labels, and fits the autoencoding
classifier to all of them. Beside it: the supervised network, which sees the labelled volumes only.

Run it with ``make demo``, or ``python docs/examples/plot_autoencoding_classifier.py``. It
leaves the predictions (CSV) and a figure of central slices in ``demo_output/``.
"""

import argparse
import csv
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from sklearn.model_selection import train_test_split

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.plotting import ReconstructionDisplay
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

CLASSES = ["apoferritin", "glutamine_synthetase", "proteasome_20s", "ribosome_70s"]


def make_data(random_state):
    """Return volumes and labels to train on, 5 % of them labelled, and those to test on."""
    data = make_subtomograms(
        1000,
        classes=CLASSES,
        box_size=16,
        voxel_size_angstrom=20.0,
        snr=0.5,
        random_state=random_state,
    )
    X = VolumeNormalizer().fit_transform(data.X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, data.y, train_size=600, stratify=data.y, random_state=random_state
    )
    y_masked = mask_labels(y_train, labeled_fraction=0.05, random_state=random_state)
    return X_train, y_masked, X_test, y_test, data.class_names


def make_classifiers(random_state, verbose):
    """Return the joint network, and the same network without its reconstruction branch."""
    params = {
        "learning_rate": 1e-3,
        "max_epochs": 40,
        "early_stopping": False,
        "random_state": random_state,
        "verbose": verbose,
    }
    return AutoencodingClassifier(**params), AutoencodingClassifier(alpha=0, **params)


def write_predictions(path, classifier, X, y, class_names):
    """Write one row a volume: true and predicted class, and all probabilities."""
    probabilities = classifier.predict_proba(X)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["volume", "true_class", "predicted_class", *class_names])
        for row, (label, values) in enumerate(zip(y, probabilities, strict=True)):
            writer.writerow(
                [row, class_names[label], class_names[values.argmax()], *values.round(4)]
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    X_train, y_train, X_test, y_test, class_names = make_data(args.random_state)
    joint, supervised = make_classifiers(args.random_state, verbose=not args.quiet)
    labeled = y_train != -1
    print(f"{len(X_train)} volumes of {X_train.shape[1:]} voxels to train on, {labeled.sum()} labelled")

    rows = []
    for name, classifier, rows_used in (
        ("joint", joint, np.full(len(X_train), True)),
        ("supervised", supervised, labeled),
    ):
        start = time.perf_counter()
        classifier.fit(X_train[rows_used], y_train[rows_used])
        seconds = time.perf_counter() - start
        error = f"{joint.reconstruction_error(X_test).mean():.3f}" if name == "joint" else "-"
        rows.append((name, labeled.sum(), rows_used.sum(), classifier.score(X_test, y_test), error, seconds))

    print("\nnetwork     labels  volumes  test accuracy  reconstruction error  seconds")
    for name, n_labels, n_volumes, accuracy, error, seconds in rows:
        print(f"{name:11s} {n_labels:6d} {n_volumes:8d} {accuracy:14.3f} {error:>21s} {seconds:8.0f}")

    write_predictions(args.output / "predictions.csv", joint, X_test, y_test, class_names)
    display = ReconstructionDisplay.from_estimator(joint, X_test[:8], y_test[:8], class_names=class_names)
    display.figure_.savefig(args.output / "slices.png", dpi=150)
    print(f"\nSee {args.output / 'predictions.csv'} and {args.output / 'slices.png'}")


if __name__ == "__main__":
    main()
