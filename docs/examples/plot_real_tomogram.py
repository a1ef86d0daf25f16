"""
From tomogram files to a classified table
=========================================

Cut a box around every particle of two tomograms, learn from a few labels in the first, and classify
the particles of the *second*. Boxes of neighboring particles overlap, so an accuracy on particles
of the tomogram that was learned from would be that on training data.

The files are simulated here. With tomograms of your own, skip the first step and write your paths
into the second: the STAR file needs ``rlnTomoName``, ``rlnCoordinateX`` (``Y``, ``Z``) in voxels
and ``rlnClassNumber``, 0 where the class is unknown.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline

from sksubtomo.datasets import make_tomogram, save_tomogram
from sksubtomo.io import (
    SubtomogramStack,
    read_mrc,
    read_particles,
    read_voxel_size,
    write_particles,
)
from sksubtomo.model_selection import mask_labels
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

# %%
# Two simulated tomograms
# -----------------------

folder = Path(tempfile.mkdtemp())
for name, seed in {"TS_001": 1, "TS_002": 2}.items():
    simulated = make_tomogram(
        ["groel", "proteasome_20s", "ribosome_70s"],
        n_particles=60,
        shape=(48, 176, 176),
        box_size=20,
        voxel_size_angstrom=16.0,
        snr=0.1,
        random_state=seed,
    )
    save_tomogram(folder / name, simulated, name=name)

# %%
# Read
# ----
#
# :class:`~sksubtomo.io.SubtomogramStack` reads boxes from the files when they are needed, so that
# hundreds of tomograms need not fit into memory.

tomograms = [folder / "TS_001/TS_001.mrc", folder / "TS_002/TS_002.mrc"]
tables = [read_particles(path.parent / "particles.star") for path in tomograms]
voxel_size_angstrom = read_voxel_size(tomograms[0])[-1]

boxes = [
    SubtomogramStack([path], table.coordinates, np.zeros(len(table), dtype=int), box_size=20)
    for path, table in zip(tomograms, tables, strict=True)
]
labels = [np.where(table.class_numbers > 0, table.class_numbers, -1) for table in tables]
y = mask_labels(labels[0], n_per_class=3, random_state=0)
print(f"{len(boxes[0])} particles to learn from, {(y != -1).sum()} of them labeled")

# %%
# Fit on the first tomogram, predict on the second
# ------------------------------------------------
#
# If references disagree with labels that were left out of them, the fit warns and names the rows:
# look at these particles first.

clf = make_pipeline(
    VolumeNormalizer(), MultiReferenceClassifier(max_shift_voxels=1.0, n_init=2, random_state=0)
)
clf.fit(boxes[0], y)
probabilities = clf.predict_proba(boxes[1])
predicted = clf.classes_[probabilities.argmax(axis=1)]
print(f"accuracy {np.mean(predicted == labels[1]):.3f} on the second tomogram")
print(confusion_matrix(labels[1], predicted, labels=clf.classes_))

# %%
# The table of the second tomogram, with the predicted classes and their probabilities, keeps all of
# its columns.

write_particles(
    folder / "classified.star",
    tables[1],
    class_numbers=predicted,
    probabilities=probabilities,
)
print(read_particles(folder / "classified.star").table.columns.tolist())

# %%
# A slab of the second tomogram, with its particles in the colors of their predicted classes.

names = {1: "GroEL", 2: "20S proteasome", 3: "70S ribosome"}
tomogram = read_mrc(tomograms[1]).data
middle = len(tomogram) // 2
slab = slice(middle - 4, middle + 5)
image = gaussian_filter(tomogram[slab].mean(axis=0), 1)  # low-pass for the eye
figure, ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
low, high = np.percentile(image, [0.5, 99.5])
ax.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
coordinates = tables[1].coordinates
near = np.abs(coordinates[:, 0] - middle) < 10
for number, color in zip(names, ("tab:orange", "deepskyblue", "limegreen"), strict=True):
    of_class = coordinates[near & (predicted == number)]
    ax.scatter(
        of_class[:, 2],
        of_class[:, 1],
        s=260,
        facecolors="none",
        edgecolors=color,
        linewidths=1.8,
        label=names[number],
    )
ax.set(xticks=[], yticks=[], title="Predicted classes, particles near the central slice")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=0.5)
add_scale_bar(ax, voxel_size_angstrom, 500)
