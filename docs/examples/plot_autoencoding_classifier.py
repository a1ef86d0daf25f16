"""
Few labels, many volumes: the autoencoding classifier
=====================================================

Makes subtomograms of several complexes, hides 95 % of their labels, and fits the autoencoding
classifier to all of them. Beside it: the supervised network, which sees the labeled volumes only,
for as many epochs, and for as many updates of the weights.

Run it with ``make demo``, or ``python docs/examples/plot_autoencoding_classifier.py``. It
leaves the predictions (CSV) and a figure of central slices in ``demo_output/``.
"""

import argparse
import csv
import math
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.training import Training

CLASSES = ["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"]
EPOCHS = 10
VOXEL_SIZE_ANGSTROM = 20.0


def simulate(random_state, snr=2.0):
    """Return simulated subtomograms; the same particles at every signal-to-noise ratio."""
    return make_subtomograms(
        880,
        classes=CLASSES,
        box_size=16,
        voxel_size_angstrom=VOXEL_SIZE_ANGSTROM,
        snr=snr,
        random_state=random_state,
    )


def make_data(random_state):
    """Return volumes and labels to train on, 5 % of them labeled, and those to test on."""
    data = simulate(random_state)
    X = VolumeNormalizer().fit_transform(data.X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, data.y, train_size=480, stratify=data.y, random_state=random_state
    )
    y_masked = mask_labels(y_train, labeled_fraction=0.05, random_state=random_state)
    return X_train, y_masked, X_test, y_test, data.class_names


def clean_test_volumes(random_state):
    """Return the test volumes without noise."""
    data = simulate(random_state, snr=1e6)
    _, X_test = train_test_split(data.X, train_size=480, stratify=data.y, random_state=random_state)
    return X_test


def make_networks(n_volumes, n_labels, random_state, verbose):
    """Return the networks to compare, each with whether it gets the unlabeled volumes.

    The supervised one is the joint one without its reconstruction branch. It is trained for
    as many epochs, as the paper does, and once more for as many updates of its weights: an epoch
    over few volumes has few updates.
    """
    params = {
        "learning_rate": 1e-3,
        "batch_size": 16,
        "early_stopping": False,
        "random_state": random_state,
        "training": Training(verbose=verbose),
    }
    joint = AutoencodingClassifier(max_epochs=EPOCHS, **params)
    batches = math.ceil(n_volumes / joint.batch_size), math.ceil(n_labels / joint.batch_size)
    longer = EPOCHS * batches[0] // batches[1]
    return {
        "joint": (joint, True),
        "supervised": (CNNClassifier(max_epochs=EPOCHS, **params), False),
        "supervised, as many updates": (CNNClassifier(max_epochs=longer, **params), False),
    }


def compare(X_train, y_train, X_test, y_test, random_state=0, verbose=0):
    """Fit all networks; return them, and a row of figures for each."""
    labeled = y_train != -1
    networks = make_networks(len(X_train), labeled.sum(), random_state, verbose)
    rows = []
    for name, (classifier, takes_unlabeled) in networks.items():
        used = np.full(len(X_train), True) if takes_unlabeled else labeled
        start = time.perf_counter()
        classifier.fit(X_train[used], y_train[used])
        rows.append(
            {
                "network": name,
                "labels": int(labeled.sum()),
                "volumes": int(used.sum()),
                "epochs": classifier.n_iter_,
                "accuracy": classifier.score(X_test, y_test),
                "reconstruction_error": classifier.reconstruction_error(X_test).mean()
                if takes_unlabeled
                else float("nan"),
                "seconds": time.perf_counter() - start,
            }
        )
    return {name: classifier for name, (classifier, _) in networks.items()}, rows


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


def draw(path, classifier, X, y, clean, class_names):
    """Draw central slices of volumes, of their reconstructions, and of the truth."""
    predicted = classifier.predict(X)
    rows = {"input": X, "reconstruction": classifier.reconstruct(X), "without noise": clean}
    figure, axes = plt.subplots(
        len(rows), len(X), figsize=(1.5 * len(X) + 0.4, 5.2), layout="constrained"
    )
    for row, (name, volumes) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(name)
        for ax, volume in zip(row, volumes, strict=True):
            ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
            ax.set(xticks=[], yticks=[])
    for ax, true, found in zip(axes[0], y, predicted, strict=True):
        title = class_names[true].replace("_", " ")
        wrong = "" if true == found else f"\n(not {class_names[found].replace('_', ' ')})"
        ax.set_title(title + wrong, fontsize=8, color="black" if true == found else "firebrick")
    add_scale_bar(axes[-1, 0], VOXEL_SIZE_ANGSTROM, 100)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    X_train, y_train, X_test, y_test, class_names = make_data(args.random_state)
    print(
        f"{len(X_train)} volumes of {X_train.shape[1:]} voxels to train on, "
        f"{(y_train != -1).sum()} of them labeled; {len(X_test)} to test on"
    )
    networks, rows = compare(
        X_train, y_train, X_test, y_test, args.random_state, verbose=not args.quiet
    )
    print(
        f"\n{'network':28s} labels  volumes  epochs  test accuracy  reconstruction error  seconds"
    )
    for row in rows:
        error = row["reconstruction_error"]
        print(
            f"{row['network']:28s} {row['labels']:6d} {row['volumes']:8d} {row['epochs']:7d} "
            f"{row['accuracy']:14.3f} {'-' if np.isnan(error) else f'{error:.3f}':>21s} "
            f"{row['seconds']:8.0f}"
        )

    joint = networks["joint"]
    write_predictions(args.output / "predictions.csv", joint, X_test, y_test, class_names)
    shown = [row for label in range(4) for row in np.flatnonzero(y_test == label)[:2]]
    clean = clean_test_volumes(args.random_state)
    draw(args.output / "slices.png", joint, X_test[shown], y_test[shown], clean[shown], class_names)
    print(f"\nSee {args.output / 'predictions.csv'} and {args.output / 'slices.png'}")


if __name__ == "__main__":
    main()
