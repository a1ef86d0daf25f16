"""
One label a class: references in all poses
==========================================

Four complexes in all orientations, shifted, their missing wedge cut, in noise that has ten times
the variance of the signal. One volume of every class is labeled.
:class:`~sksubtomo.semi_supervised.MultiReferenceClassifier` learns one map a class from labeled and
unlabeled volumes together, in all poses. A supervised network
(:class:`~sksubtomo.neural_network.CNNClassifier`) gets the same labels. Both are scored on the
unlabeled volumes, whose labels they never saw.

The figure shows a labeled volume of every class, the class average, and the true map, turned to the
orientation of the average.

    python docs/examples/plot_references.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import load_density, make_subtomograms
from sksubtomo.geometry import rotate_volume
from sksubtomo.metrics import expected_calibration_error
from sksubtomo.model_selection import mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

CLASSES = ["glutamine_synthetase", "groel", "proteasome_20s", "ribosome_70s"]


def make_data(n_volumes, snr, n_labels_per_class, random_state):
    """Return simulated subtomograms, normalized, with all but a few labels hidden."""
    data = make_subtomograms(
        n_volumes,
        classes=CLASSES,
        kind="single_particle",
        box_size=20,
        voxel_size_angstrom=16.0,
        snr=snr,
        random_state=random_state,
    )
    data.X = VolumeNormalizer().fit_transform(data.X)
    data.y_masked = mask_labels(data.y, n_per_class=n_labels_per_class, random_state=random_state)
    return data


def make_classifiers(random_state):
    """Return the classifiers to compare, with their defaults but for a faster schedule."""
    return {
        "references": MultiReferenceClassifier(max_shift_voxels=1.0, random_state=random_state),
        "supervised network": CNNClassifier(
            learning_rate=1e-3, max_epochs=30, early_stopping=False, random_state=random_state
        ),
    }


def compare(data, random_state):
    """Fit all classifiers; return them, and a row of figures for each."""
    hidden = data.y_masked == -1
    fitted, rows = {}, []
    for name, clf in make_classifiers(random_state).items():
        start = time.perf_counter()
        clf.fit(data.X, data.y_masked)
        probabilities = clf.predict_proba(data.X[hidden])
        predicted = clf.classes_[probabilities.argmax(axis=1)]
        rows.append(
            {
                "method": name,
                "accuracy": float((predicted == data.y[hidden]).mean()),
                "calibration error": expected_calibration_error(data.y[hidden], probabilities),
                "seconds": time.perf_counter() - start,
            }
        )
        fitted[name] = clf
    return fitted, rows


def true_maps(clf, data):
    """Return the maps of the classes as dark as the data, in the poses of the references."""
    box = data.X.shape[-1]
    maps = np.zeros((len(data.class_names), box, box, box), dtype=np.float32)
    for target, name in enumerate(data.class_names):
        density = load_density(name, voxel_size_angstrom=data.voxel_size_angstrom)
        half = min(len(density) // 2, box // 2)
        inside, middle = box // 2 - half, len(density) // 2 - half
        cut = density[(slice(middle, middle + 2 * half),) * 3]
        maps[(target, *(slice(inside, inside + 2 * half),) * 3)] = -cut
    poses = clf.align(VolumeNormalizer().fit_transform(maps))
    return np.stack(
        [rotate_volume(one, pose.inv()) for one, pose in zip(maps, poses.rotations, strict=True)]
    )


def draw(data, references, truth, accuracies, path):
    """Draw a labeled volume, the class average and the truth of every class, central slices."""
    names = data.class_names
    labeled = np.stack([data.X[data.y_masked == target][0] for target in range(len(names))])
    rows = {"a labeled volume": labeled, "class average": references, "true map": truth}
    figure, axes = plt.subplots(
        len(rows), len(names), figsize=(1.9 * len(names) + 0.4, 6.2), layout="constrained"
    )
    for row, volumes in zip(axes, rows.values(), strict=True):
        for ax, volume in zip(row, volumes, strict=True):
            ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
            ax.set(xticks=[], yticks=[])
    for ax, name, accuracy in zip(axes[0], names, accuracies, strict=True):
        ax.set_title(f"{name.replace('_', ' ')}\n{accuracy:.0%} recognized", fontsize=9)
    for ax, name in zip(axes[:, 0], rows, strict=True):
        ax.set_ylabel(name)
    add_scale_bar(axes[-1, 0], data.voxel_size_angstrom, 100)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description="Classify volumes from one label a class.")
    parser.add_argument("--volumes", type=int, default=300)
    parser.add_argument("--labels-per-class", type=int, default=1)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    data = make_data(args.volumes, args.snr, args.labels_per_class, args.random_state)
    hidden = data.y_masked == -1
    print(
        f"{len(data.X)} volumes of {data.X.shape[1:]} voxels at a signal-to-noise ratio of "
        f"{args.snr:g}, {(~hidden).sum()} of them labeled"
    )
    fitted, rows = compare(data, args.random_state)
    print(f"\n{'method':20s} accuracy  calibration error  seconds")
    for row in rows:
        print(
            f"{row['method']:20s} {row['accuracy']:8.3f} {row['calibration error']:18.3f} "
            f"{row['seconds']:8.0f}"
        )
    clf = fitted["references"]
    right = clf.transduction_ == data.y
    accuracies = [right[hidden & (data.y == target)].mean() for target in clf.classes_]
    path = args.output / "references.png"
    draw(data, clf.references_, true_maps(clf, data), accuracies, path)
    print(f"\nSee {path}")


if __name__ == "__main__":
    main()
