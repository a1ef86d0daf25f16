"""
Classify particles from one label per class
===========================================

At a signal-to-noise ratio of 0.1, one labeled subtomogram of each complex is enough if the
complexes are rigid. :class:`~sksubtomo.semi_supervised.MultiReferenceClassifier` fits one map
(*reference*) per class to all volumes, labeled or not, in all orientations. A supervised network
that sees the same four labels stays far behind.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import load_density, make_subtomograms
from sksubtomo.geometry import rotate_volume
from sksubtomo.model_selection import mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

# %%
# Data
# ----
#
# 300 simulated subtomograms of four complexes: random orientations, shifted by up to one voxel,
# with a missing wedge, and noise of ten times the variance of the signal. All labels but one per
# class are replaced by -1.

data = make_subtomograms(
    300,
    classes=["glutamine_synthetase", "groel", "proteasome_20s", "ribosome_70s"],
    kind="single_particle",
    box_size=20,
    voxel_size_angstrom=16.0,
    snr=0.1,
    random_state=0,
)
X = VolumeNormalizer().fit_transform(data.X)
y = mask_labels(data.y, n_per_class=1, random_state=0)
hidden = y == -1
print(f"{len(X)} volumes of {X.shape[1:]} voxels, {(~hidden).sum()} of them labeled")

# %%
# Fit
# ---
#
# Both classifiers take the same arrays. They are scored on the volumes whose labels were hidden.

clf = MultiReferenceClassifier(max_shift_voxels=1.0, random_state=0).fit(X, y)
network = CNNClassifier(learning_rate=1e-3, max_epochs=30, early_stopping=False, random_state=0)
network.fit(X, y)
for name, fitted in {"references": clf, "supervised network": network}.items():
    print(
        f"{name}: accuracy {fitted.score(X[hidden], data.y[hidden]):.3f} on the unlabeled volumes"
    )
print(f"agreement of the references with the labels: {clf.label_agreement_:.2f}")

# %%
# Class averages
# --------------
#
# The figure compares a labeled volume of each class, the reference, and the true map in the
# orientation of the reference. A fit may find a map in any orientation, so the true map is aligned
# to it first.


def true_map(name, box_size):
    """Return the density of a complex, dark as in the data, in the center of a box."""
    density = load_density(name, voxel_size_angstrom=data.voxel_size_angstrom)
    half = min(len(density), box_size) // 2
    around = (slice(box_size // 2 - half, box_size // 2 + half),) * 3
    inside = (slice(len(density) // 2 - half, len(density) // 2 + half),) * 3
    box = np.zeros((box_size,) * 3, dtype=np.float32)
    box[around] = -density[inside]
    return box


maps = np.stack([true_map(name, X.shape[-1]) for name in data.class_names])
poses = clf.align(VolumeNormalizer().fit_transform(maps))
aligned = [
    rotate_volume(volume, rotation.inv())
    for volume, rotation in zip(maps, poses.rotations, strict=True)
]
rows = {
    "labeled volume": [X[y == target][0] for target in clf.classes_],
    "reference": clf.references_,
    "true map": aligned,
}
found = clf.transduction_ == data.y

figure, axes = plt.subplots(3, 4, figsize=(8, 6.4), layout="constrained")
for row, (title, volumes) in zip(axes, rows.items(), strict=True):
    row[0].set_ylabel(title)
    for ax, volume in zip(row, volumes, strict=True):
        ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
        ax.set(xticks=[], yticks=[])
for ax, name, target in zip(axes[0], data.class_names, clf.classes_, strict=True):
    recall = found[hidden & (data.y == target)].mean()
    ax.set_title(f"{name.replace('_', ' ')}\n{recall:.0%} recognized", fontsize=10)
add_scale_bar(axes[1, 0], data.voxel_size_angstrom, 100)

# %%
# Run as a script, the example saves the figure with ``--output FOLDER``.

parser = argparse.ArgumentParser(description="Classify particles from one label per class.")
parser.add_argument("--output", type=Path, help="folder for the figure")
output = parser.parse_known_args()[0].output
if output:
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "references.png", dpi=150)
    print(f"See {output / 'references.png'}")
