"""
Grouping particles whose classes nobody knows
=============================================

An autoencoder learns from volumes without a label, and k-means groups their codes: the
unsupervised clustering of Zeng et al. (J. Struct. Biol. 202, 2018), as a scikit-learn pipeline.
Beside it: k-means on principal components. The adjusted Rand index compares the groups with the
true classes, which neither has seen; 0 is chance, 1 is perfect.

Particles are centered here. Try ``--max-shift 1``: codes and components then tell where in its
box a particle lies before they tell which it is, and no grouping finds the classes.

    python docs/examples/plot_clustering.py
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from sksubtomo.datasets import make_subtomograms
from sksubtomo.decomposition import Autoencoder
from sksubtomo.preprocessing import VolumeFlattener, VolumeNormalizer
from sksubtomo.training import Training

CLASSES = ["apoferritin", "groel", "ribosome_70s"]


def make_pipelines(epochs, random_state):
    """Return a pipeline of codes and k-means for each kind of code."""
    clusters = KMeans(len(CLASSES), n_init=20, random_state=random_state)
    autoencoder = Autoencoder(
        learning_rate=1e-3,
        batch_size=16,
        max_epochs=epochs,
        early_stopping=False,
        random_state=random_state,
        training=Training(verbose=1),
    )
    components = make_pipeline(VolumeFlattener(), PCA(20, random_state=random_state))
    return {
        "autoencoder": make_pipeline(VolumeNormalizer(), autoencoder, clusters),
        "principal components": make_pipeline(VolumeNormalizer(), components, clusters),
    }


def draw(data, groups, path):
    """Draw the mean volume of each group, central slice, under the first of its members."""
    labels = np.unique(groups)
    middle = data.X.shape[1] // 2
    figure, axes = plt.subplots(2, len(labels), figsize=(2.2 * len(labels), 4.6))
    for column, label in enumerate(labels):
        members = np.flatnonzero(groups == label)
        common = np.bincount(data.y[members]).argmax()
        axes[0, column].imshow(data.X[members[0], middle], cmap="gray")
        axes[1, column].imshow(data.X[members].mean(axis=0)[middle], cmap="gray")
        axes[0, column].set_title(
            f"group {label}: {len(members)}\nmostly {data.class_names[common]}", fontsize=7
        )
    for row, name in enumerate(("a member", "mean")):
        axes[row, 0].set_ylabel(name)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=150, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description="Cluster made subtomograms without labels.")
    parser.add_argument("--volumes", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--max-shift", type=float, default=0.0, help="in voxels")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    data = make_subtomograms(
        args.volumes,
        classes=CLASSES,
        box_size=12,
        voxel_size_angstrom=27.0,
        snr=4.0,
        max_shift_voxels=args.max_shift,
        random_state=args.random_state,
    )
    for name, pipeline in make_pipelines(args.epochs, args.random_state).items():
        groups = pipeline.fit_predict(data.X)
        print(f"{name}: adjusted Rand index {adjusted_rand_score(data.y, groups):.2f}")
        path = args.output / f"clusters_{name.replace(' ', '_')}.png"
        draw(data, groups, path)
        print(f"See {path}")


if __name__ == "__main__":
    main()
