"""
From a tomogram and a few labels to classified particles
========================================================

Cuts a box around every particle of two tomograms, keeps a tenth of the labels of the first
tomogram, fits the autoencoding classifier to all boxes of the first, and classifies the particles
of the *other* tomogram: neighbouring boxes overlap, so a test on the same tomogram would be a
test on the training data. The predicted classes are written back next to the coordinates.

    python docs/examples/plot_real_tomogram.py \
        --tomograms A.mrc B.mrc --particles particles.star

The STAR file needs ``rlnTomoName`` (the file name of a tomogram, with or without its ending),
``rlnCoordinateX``, ``rlnCoordinateY`` and ``rlnCoordinateZ`` in voxels, and ``rlnClassNumber`` where
known (0 or absent: unknown).
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


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Classify the particles of one tomogram by a few labels from another."
    )
    parser.add_argument("--tomograms", type=Path, nargs=2, required=True, metavar=("TRAIN", "TEST"))
    parser.add_argument("--particles", type=Path, required=True, help="STAR file of both tomograms")
    parser.add_argument("--box-size", type=int, default=28, help="edge of a box in voxels")
    parser.add_argument("--labeled-fraction", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    return parser.parse_args()
