"""
Find a microtubule in a real tomogram from fifty labels
=======================================================

Two crops of real tomograms with one microtubule each, of 14 and of 13 protofilaments, and 380
places on and beside them. Fifty places of the first tomogram are labeled; all places of the second
one are classified, from which no label was seen.

The tomograms are not part of the package, so this page shows a stored picture instead of running
the code. They are test data of `cylindra <https://github.com/hanjinliu/cylindra>`_ (BSD-3), with
positions that were added for this project. ``python docs/examples/real_microtubules.py FOLDER``
draws the picture again, from a folder with ``14pf_MT.mrc``, ``13pf_MT.mrc`` and ``particles.star``.

.. image:: ../images/microtubules.png
   :alt: A slice of each tomogram with places on and beside the microtubule by their probability
   :width: 640px
   :align: center
"""

# sphinx_gallery_thumbnail_path = 'images/microtubules.png'

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from sksubtomo.io import extract_subtomograms, read_mrc, read_particles
from sksubtomo.model_selection import mask_labels
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import CandidateClassifier

# %%
# Data
# ----
#
# Class 1 is on the tubule, class 2 beside it. Boxes of neighboring places overlap, so the two
# tomograms are kept apart: one is learned from, the other is tested on.

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("microtubules")
particles = read_particles(folder / "particles.star")
names = ["14pf_MT", "13pf_MT"]
tomograms = {name: read_mrc(folder / f"{name}.mrc") for name in names}
tables = {name: particles.subset(particles.tomogram_names == name) for name in names}
boxes = {name: extract_subtomograms(tomograms[name], tables[name], 28) for name in names}

# %%
# Fit and predict
# ---------------
#
# The places were drawn and not picked, so there is no score. A tubule has no single structure in
# its boxes, which cut it anywhere: references are left out, and image statistics of the boxes
# decide.

y = mask_labels(tables[names[0]].class_numbers, n_per_class=25, random_state=0)
clf = make_pipeline(VolumeNormalizer(), CandidateClassifier(references=None, random_state=0))
clf.fit(boxes[names[0]], y)
probabilities = {name: clf.predict_proba(boxes[name])[:, 0] for name in names}
is_tubule = {name: tables[name].class_numbers == 1 for name in names}

# %%
# Plot
# ----
#
# Slices near the middle of the tubules, and places within four voxels of them by their
# probability. A ring is a place that was labeled.

figure, axes = plt.subplots(1, 2, figsize=(8.4, 6), layout="constrained")
titles = ("learned from", "no label seen")
for ax, name, title in zip(axes, names, titles, strict=True):
    tomogram = tomograms[name]
    centers = tables[name].coordinates
    middle = int(np.median(centers[is_tubule[name], 0]))
    image = tomogram.data[middle - 3 : middle + 4].mean(axis=0)
    low, high = np.percentile(image, [0.5, 99.5])
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
    near = np.abs(centers[:, 0] - middle) <= 4
    places = ax.scatter(
        *(centers[near, 2], centers[near, 1]),
        c=probabilities[name][near],
        cmap="coolwarm",
        vmin=0,
        vmax=1,
        s=26,
    )
    if name == names[0]:
        labeled = near & (y != -1)
        ring = {"s": 70, "facecolors": "none", "edgecolors": "yellow", "linewidths": 1.2}
        ax.scatter(centers[labeled, 2], centers[labeled, 1], **ring, label="labeled")
        ax.legend(loc="lower right")
    precision = average_precision_score(is_tubule[name], probabilities[name])
    told = "" if name == names[0] else f"\naverage precision {precision:.3f}"
    ax.set(title=f"{name}, {title}{told}", xticks=[], yticks=[])
    add_scale_bar(ax, tomogram.voxel_size_angstrom[-1], 250)
figure.colorbar(places, ax=axes, label="probability of the tubule", shrink=0.6)
if len(sys.argv) > 2:
    figure.savefig(sys.argv[2], dpi=110)
