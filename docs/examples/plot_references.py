"""
Two labels a class: references in all poses
===========================================

Four complexes in all orientations, shifted, their missing wedge cut, in noise that has ten times
the variance of the signal: nobody sees in a volume which it is. Two volumes of every class are
labelled. A network learns from rotated copies of them; references learn from the unlabelled
volumes, too, and know what a rotation, a shift and a wedge are. Compared on the unlabelled volumes:
how many classes are right, and how honest the probabilities are. The figure shows a labelled
volume and the reference of every class.

    python docs/examples/plot_references.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sksubtomo.augmentation import WedgeAwareRotations
from sksubtomo.datasets import make_subtomograms
from sksubtomo.metrics import expected_calibration_error
from sksubtomo.model_selection import mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import FourierBinner, VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier
from sksubtomo.training import Training

CLASSES = ["glutamine_synthetase", "groel", "proteasome_20s", "ribosome_70s"]
# Shells, step between rotations in degrees, shifts along an axis, iterations: coarser than
# the defaults, to be quick.
STAGES = ((3.0, 45.0, 1, 2), (4.0, 36.0, 3, 8), (5.0, 28.5, 3, 2))


def make_methods(random_state):
    """Return the classifiers to compare."""
    network = CNNClassifier(
        network="resnet",
        augmentation=WedgeAwareRotations(n_test_rotations=8),
        learning_rate=4e-3,
        batch_size=16,
        max_epochs=10,
        early_stopping=False,
        training=Training(schedule="one_cycle", steps_per_epoch=30),
        random_state=random_state,
    )
    references = MultiReferenceClassifier(
        stages=STAGES, max_shift_voxels=1.0, random_state=random_state
    )
    # Boxes of 10 voxels hold the same 5 shells.
    binned = make_pipeline(FourierBinner(10), VolumeNormalizer(), network)
    return {"network on rotated copies": binned, "references": references}


def draw(X, y_masked, references, names, path):
    """Draw a labelled volume of every class above its reference, both seen along the beam."""
    seen = references.mean(axis=1)
    figure, axes = plt.subplots(
        2, len(names), figsize=(2.2 * len(names), 4.6), layout="constrained"
    )
    for column, name in enumerate(names):
        first = np.flatnonzero(y_masked == column)[0]
        axes[0, column].imshow(X[first].mean(axis=0), cmap="gray")
        limit = np.abs(seen[column]).max()
        axes[1, column].imshow(seen[column], cmap="gray", vmin=-limit, vmax=limit)
        axes[0, column].set_title(name, fontsize=8)
    for row, name in enumerate(("a labelled volume", "reference")):
        axes[row, 0].set_ylabel(name)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=150, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description="Fit references to volumes with few labels.")
    parser.add_argument("--volumes", type=int, default=300)
    parser.add_argument("--labels-per-class", type=int, default=2)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    data = make_subtomograms(
        args.volumes,
        classes=CLASSES,
        kind="single_particle",
        box_size=20,
        voxel_size_angstrom=16.0,
        snr=args.snr,
        random_state=args.random_state,
    )
    X = VolumeNormalizer().fit_transform(data.X)
    y_masked = mask_labels(
        data.y, n_per_class=args.labels_per_class, random_state=args.random_state
    )
    hidden = y_masked == -1
    print(f"{len(X)} volumes, {(~hidden).sum()} of them labelled")

    for name, clf in make_methods(args.random_state).items():
        start = time.perf_counter()
        clf.fit(X, y_masked)
        probabilities = clf.predict_proba(X[hidden])
        right = clf.classes_[probabilities.argmax(axis=1)] == data.y[hidden]
        error = expected_calibration_error(data.y[hidden], probabilities)
        print(
            f"{name}: accuracy on unlabelled volumes {right.mean():.3f}, expected calibration "
            f"error {error:.3f}, {time.perf_counter() - start:.0f} s"
        )
    path = args.output / "references.png"
    draw(X, y_masked, clf.references_, data.class_names, path)
    print(f"See {path}")


if __name__ == "__main__":
    main()
