"""
From a tomogram and a few labels to classified particles
========================================================

Cuts a box around every particle of two tomograms, keeps a tenth of the labels of the first
tomogram, fits the autoencoding classifier to all boxes of the first, and classifies the particles
of the *other* tomogram: neighboring boxes overlap, so a test on the same tomogram would be a
test on the training data. The predicted classes are written back next to the coordinates.

    python docs/examples/plot_real_tomogram.py \
        --tomograms A.mrc B.mrc --particles particles.star

The STAR file needs ``rlnTomoName`` (the file name of a tomogram, with or without its ending),
``rlnCoordinateX``, ``rlnCoordinateY`` and ``rlnCoordinateZ`` in voxels, and ``rlnClassNumber``,
0 where the class is unknown.
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.pipeline import make_pipeline

from sksubtomo.io import extract_subtomograms, read_mrc, read_particles, write_particles
from sksubtomo.model_selection import mask_labels
from sksubtomo.plotting import ReconstructionDisplay
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier
from sksubtomo.training import Training


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Classify the particles of one tomogram by a few labels from another."
    )
    parser.add_argument("--tomograms", type=Path, nargs=2, required=True, metavar=("TRAIN", "TEST"))
    parser.add_argument("--particles", type=Path, required=True, help="STAR file of both tomograms")
    parser.add_argument("--box-size", type=int, default=28, help="edge of a box in voxels")
    parser.add_argument("--labeled-fraction", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    return parser.parse_args()


def load_boxes(paths, particles, box_size):
    """Cut a box around every particle of each tomogram; return them with their rows."""
    names = particles.tomogram_names
    if names is None:
        raise SystemExit("The STAR file has no rlnTomoName to tell the tomogram of a particle.")
    boxes = []
    for path in paths:
        rows = np.flatnonzero((names == path.name) | (names == path.stem))
        if not len(rows):
            raise SystemExit(f"No particle is in {path.stem}; the STAR file names {set(names)}.")
        X = extract_subtomograms(read_mrc(path).data, particles.coordinates[rows], box_size)
        boxes.append((X, rows))
    return boxes


def main():
    args = parse_arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    particles = read_particles(args.particles)
    if particles.class_numbers is None:
        raise SystemExit("The STAR file has no rlnClassNumber to learn from.")
    labels = np.where(particles.class_numbers > 0, particles.class_numbers, -1)
    (X_train, train_rows), (X_test, test_rows) = load_boxes(
        args.tomograms, particles, args.box_size
    )

    y_train = mask_labels(
        labels[train_rows],
        labeled_fraction=args.labeled_fraction,
        random_state=args.random_state,
    )
    classifier = make_pipeline(
        VolumeNormalizer(),
        AutoencodingClassifier(
            learning_rate=1e-3,
            max_epochs=args.epochs,
            batch_size=args.batch_size,
            early_stopping=False,
            class_weight="balanced",
            random_state=args.random_state,
            training=Training(verbose=1),
        ),
    )
    print(
        f"{args.tomograms[0].stem}: {len(X_train)} boxes of {args.box_size} voxels to train on, "
        f"{(y_train != -1).sum()} of them labeled"
    )
    classifier.fit(X_train, y_train)

    probabilities = classifier.predict_proba(X_test)
    predicted = classifier.classes_[probabilities.argmax(axis=1)]
    y_test = labels[test_rows]
    known = y_test != -1
    print(
        f"{args.tomograms[1].stem}: {len(X_test)} boxes to test on, accuracy "
        f"{classifier.score(X_test, y_test):.3f}, balanced accuracy "
        f"{balanced_accuracy_score(y_test[known], predicted[known]):.3f}"
    )
    print("true classes (rows) and predicted (columns), in the order", classifier.classes_)
    print(confusion_matrix(y_test[known], predicted[known], labels=classifier.classes_))

    star = args.output / "classified.star"
    write_particles(
        star,
        particles.subset(test_rows),
        class_numbers=predicted,
        probabilities=probabilities,
        overwrite=True,
    )
    normalizer, network = classifier
    shown = np.random.default_rng(args.random_state).permutation(len(X_test))[:8]
    display = ReconstructionDisplay.from_estimator(
        network, normalizer.transform(X_test[shown]), y_test[shown]
    )
    display.figure_.savefig(args.output / "real_slices.png", dpi=150)
    print(f"See {star} and {args.output / 'real_slices.png'}")


if __name__ == "__main__":
    main()
