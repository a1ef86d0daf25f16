"""
Label candidates in a loop with a model
=======================================

Label a few candidates, fit, and let the model say which to look at next. ``sksubtomo label`` does
so on a page in the browser; :class:`~sksubtomo.labeling.LabelingSession` is the same from Python.
Here the simulation takes the place of the expert, so that the queue of the model can be compared
with labeling in random order.
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
picker = TemplateMatchingPicker(template, angular_step_deg=40.0, symmetry="D7", max_picks=160)
parts = []
for seed in (0, 1):
    data = make_tomogram(
        ["groel", "proteasome_20s", "glutamine_synthetase"],
        n_particles=90,
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
# moment. Before the first fit, "informative" means candidates that are unlike each other.

folder = Path(tempfile.mkdtemp())
particles = make_particle_table(places, tomogram_names=tomogram_names)


def label_in_a_loop(strategy, expert, n_rounds=10, n_each=4):
    """Label, fit and ask again; return the session, the rows asked for and what it reached."""
    session = LabelingSession(
        folder / f"{strategy}{expert}",
        particles,
        boxes,
        class_names=["GroEL", "something else"],
        random_state=expert,
    )
    rows, reached = [], np.full(n_rounds, is_groel[held_out].mean())
    for number in range(n_rounds):
        for row in session.query(n_each, strategy, tomogram="TS_001"):
            session.label(row, 1 if is_groel[row] else 2)
            rows.append(row)
        if min(session.counts.values()) >= 2:  # a model needs two of each
            probability = session.fit().scores.probabilities[held_out, 0]
            reached[number] = average_precision_score(is_groel[held_out], probability)
    return session, rows, reached


sessions = {
    strategy: [label_in_a_loop(strategy, expert) for expert in range(5)]
    for strategy in ("informative", "random")
}
session, rows, _ = sessions["informative"][0]

# %%
# Labels are in ``journal.jsonl`` of the folder, so that the same session goes on tomorrow, or on
# the page. As a table, they are the ``--labels`` of ``sksubtomo fit``; ``session.y`` is the ``y``
# of any classifier.

session.export("star")
labels = read_particles(session.folder / "labels.star")
print(f"{len(labels)} labels, classes {np.bincount(labels.class_numbers)[1:].tolist()}")

# %%
# What was asked for
# ------------------
#
# Left: the first candidates of the queue, in its order; particles have a blue frame. Right: how
# well candidates of the *other* tomogram are ranked, as mean and range of five experts who differ
# in what they are shown first. This is one pair of tomograms: the number of clicks that a queue
# saves differs between data, see :ref:`labeling` for what was measured.

figure = plt.figure(figsize=(10, 4.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
axes = left.subplots(3, 6)
for ax, row in zip(axes.flat, rows, strict=False):
    image = boxes[row][box_size // 2 - 1 : box_size // 2 + 2].mean(axis=0)
    ax.imshow(image, cmap="gray", interpolation="bicubic")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(color="tab:blue" if is_groel[row] else "tab:orange", linewidth=3)
add_scale_bar(axes[0, 0], voxel_size_angstrom, 100)
left.suptitle("First of the queue: GroEL (blue), something else (orange)", fontsize=10)
ax = right.subplots()
n_labels = 4 * np.arange(1, 11)
for strategy, label, color in (
    ("informative", "queue of the model", "tab:blue"),
    ("random", "random order", "tab:gray"),
):
    curves = np.array([reached for *_, reached in sessions[strategy]])
    ax.plot(n_labels, curves.mean(axis=0), color=color, marker="o", label=label)
    ax.fill_between(n_labels, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2)
ax.axhline(is_groel[held_out].mean(), color="black", linestyle=":", label="chance")
ax.set(xlabel="labels", ylabel="average precision, other tomogram", ylim=(0, 1.02))
ax.legend(loc="lower right")
