"""
Clean the candidates of a picker
================================

A picker finds particles and much else. Label some of its candidates as particle or not, and let a
classifier decide on the others. The figure compares the candidates in a tomogram before and after.
:ref:`cleaning` does the same with files and the command line.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import KDTree
from sklearn.pipeline import make_pipeline

from sksubtomo.datasets import Distractors, load_density, make_tomogram
from sksubtomo.io import extract_subtomograms
from sksubtomo.picking import TemplateMatchingPicker
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

# %%
# Candidates
# ----------
#
# A simulated tomogram of three complexes, of which only one, GroEL, is wanted. Its template finds
# the others, too, and gold beads.

voxel_size_angstrom, box_size = 16.0, 20
data = make_tomogram(
    ["groel", "glutamine_synthetase", "proteasome_20s"],
    n_particles=90,
    shape=(44, 180, 180),
    box_size=box_size,
    voxel_size_angstrom=voxel_size_angstrom,
    snr=0.3,
    distractors=Distractors(n_fiducials=2),
    random_state=0,
)
template = -load_density("groel", voxel_size_angstrom=voxel_size_angstrom)  # particles are dark
picker = TemplateMatchingPicker(
    template, angular_step_deg=30.0, symmetry="D7", max_picks=90, tilt_range_deg=60.0
)
candidates = picker.pick(data.tomogram).coordinates
X, index = extract_subtomograms(
    data.tomogram, candidates, box_size, border="drop", return_index=True
)
candidates = candidates[index]

# %%
# The simulation knows which candidates are right: those within 4 voxels of a GroEL.

distances, _ = KDTree(data.coordinates[data.y == 0]).query(candidates)
is_particle = distances <= 4
print(f"{len(candidates)} candidates, {is_particle.mean():.0%} of them are particles")

# %%
# Labels
# ------
#
# An expert looks at 40 candidates drawn at random, not at the best ones: the classifier has to see
# false positives, too. Class 1 are particles, class 2 is everything else, and -1 is unlabeled.

y = np.full(len(candidates), -1)
seen = np.random.default_rng(0).permutation(len(candidates))[:40]
y[seen] = np.where(is_particle[seen], 1, 2)

# %%
# Classify
# --------

clf = make_pipeline(
    VolumeNormalizer(), MultiReferenceClassifier(max_shift_voxels=2.0, n_init=2, random_state=0)
)
clf.fit(X, y)
keep = clf.predict_proba(X)[:, 0] >= 0.5

unseen = y == -1
for name, chosen in {"before": np.full(len(X), True), "after": keep}.items():
    precision = is_particle[unseen & chosen].mean()
    recall = chosen[unseen & is_particle].mean()
    print(f"{name}: {precision:.0%} are particles; {recall:.0%} of the particles are kept")

# %%
# Before and after
# ----------------
#
# Candidates near the central slice; false positives are red crosses.

middle = data.tomogram.shape[0] // 2
image = data.tomogram[middle - 4 : middle + 5].mean(axis=0)
low, high = np.percentile(image, [0.5, 99.5])
near = np.abs(candidates[:, 0] - middle) < 14
figure, axes = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained")
shown = {"Candidates of the picker": near, "After classification": near & keep}
for ax, (title, chosen) in zip(axes, shown.items(), strict=True):
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
    true, false = candidates[chosen & is_particle], candidates[chosen & ~is_particle]
    circle = {"s": 220, "facecolors": "none", "edgecolors": "deepskyblue", "linewidths": 1.8}
    ax.scatter(true[:, 2], true[:, 1], label=f"GroEL ({len(true)})", **circle)
    label = f"false positives ({len(false)})"
    ax.scatter(false[:, 2], false[:, 1], s=90, c="red", marker="x", label=label)
    ax.set(title=title, xticks=[], yticks=[])
    ax.legend(loc="upper right")
add_scale_bar(axes[0], voxel_size_angstrom, 500)
