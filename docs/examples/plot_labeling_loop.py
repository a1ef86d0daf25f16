"""
Label candidates in a loop with a model
=======================================

Label a few candidates, fit, and let the model say which to look at next. ``sksubtomo label`` does
so on a page in the browser; :class:`~sksubtomo.labeling.LabelingSession` is the same from Python,
for a notebook, another viewer or a test. Here the simulation takes the place of the expert.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import KDTree
from sklearn.metrics import average_precision_score

from sksubtomo.datasets import Distractors, load_density, make_tomogram
from sksubtomo.io import extract_subtomograms, make_particle_table, read_particles
from sksubtomo.labeling import LabelingSession
from sksubtomo.picking import TemplateMatchingPicker
from sksubtomo.plotting import add_scale_bar

# %%
# Candidates
# ----------
#
# GroEL among two other complexes and gold beads in two tomograms. Its template finds all of them.
# The first tomogram is labeled; the second one tells how good the model is.

voxel_size_angstrom, box_size = 16.0, 20
template = -load_density("groel", voxel_size_angstrom=voxel_size_angstrom)  # particles are dark
picker = TemplateMatchingPicker(template, angular_step_deg=40.0, symmetry="D7", max_picks=90)
parts = []
for seed in (0, 1):
    data = make_tomogram(
        ["groel", "proteasome_20s", "glutamine_synthetase"],
        n_particles=80,
        shape=(40, 170, 170),
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=0.08,
        distractors=Distractors(n_fiducials=3),
        random_state=seed,
    )
    places = picker.pick(data.tomogram).coordinates
    distances, _ = KDTree(data.coordinates[data.y == 0]).query(places)
    boxes = extract_subtomograms(data.tomogram, places, box_size, border="noise")
    parts.append((places, boxes, distances <= 4, np.full(len(places), f"TS_00{seed + 1}")))
places, boxes, is_groel, tomogram_names = (
    np.concatenate(part) for part in zip(*parts, strict=True)
)
held_out = tomogram_names == "TS_002"
print(f"{len(boxes)} candidates, {is_groel.mean():.0%} of them are GroEL")

# %%
# The loop
# --------
#
# ``query`` returns rows to look at, ``label`` stores a label on the disk, and ``fit`` takes a
# moment. Before the first fit, "informative" means candidates that are unlike each other;
# afterwards, uncertain ones that are unlike each other.

folder = Path(tempfile.mkdtemp())
particles = make_particle_table(places, tomogram_names=tomogram_names)
session = LabelingSession(folder / "session", particles, boxes, class_names=["GroEL", "other"])

rows, n_labels, reached = [], [], []
for _ in range(10):
    for row in session.query(4, "informative", tomogram="TS_001"):
        session.label(row, 1 if is_groel[row] else 2)
        rows.append(row)
    if min(session.counts.values()) >= 2:  # a model needs two of each
        probability = session.fit().scores.probabilities[:, 0]
        n_labels.append(len(rows))
        reached.append(average_precision_score(is_groel[held_out], probability[held_out]))

# %%
# Labels are in ``journal.jsonl`` of the folder, so that the same session goes on tomorrow, or on
# the page. As a table, they are the ``--labels`` of ``sksubtomo fit``; ``session.y`` is the ``y``
# of any classifier.

session.export("star")
labels = read_particles(session.folder / "labels.star")
print(f"{len(labels)} labels, classes {np.bincount(labels.class_numbers)[1:].tolist()}")

# %%
# Queried candidates and ranking
# ------------------------------
#
# Left: the first candidates of the queue, in its order, and the most probable ones of the *other*
# tomogram at the end; GroEL has a blue frame. Right: how well the model ranks the other tomogram.
#
# A queue does not always save labels: on data as easy as these, labels in random order lead as far.
# They are also a fair sample, which those of a queue are not. :ref:`labeling` has what was
# measured.

best = np.flatnonzero(held_out)[np.argsort(-probability[held_out])][:12]
figure = plt.figure(figsize=(10, 4.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1))
axes = left.subplots(4, 6)
for ax, row in zip(axes.flat, [*rows[:12], *best], strict=True):
    image = boxes[row][box_size // 2 - 1 : box_size // 2 + 2].mean(axis=0)
    ax.imshow(image, cmap="gray", interpolation="bicubic")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color="tab:blue" if is_groel[row] else "tab:orange", linewidth=3)
axes[0, 0].set_ylabel("asked for")
axes[2, 0].set_ylabel("most probable")
add_scale_bar(axes[0, 0], voxel_size_angstrom, 100)
left.suptitle("GroEL (blue), something else (orange)", fontsize=10)
ax = right.subplots()
ax.plot(n_labels, reached, color="tab:blue", marker="o", label="model")
ax.axhline(is_groel[held_out].mean(), color="black", linestyle=":", label="chance")
ax.set(xlabel="labels", ylabel="average precision, other tomogram", ylim=(0, 1.02))
ax.legend(loc="lower right")
