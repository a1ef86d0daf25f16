"""
Group particles without any label
=================================

:class:`~sksubtomo.decomposition.Autoencoder` learns latent codes from unlabeled volumes, and
k-means groups them: the unsupervised clustering of Zeng et al. (J. Struct. Biol. 202, 2018) as
a scikit-learn pipeline. Complexes of different size and shape are found; in noise, and where
particles are off the center, expect groups of orientation or position.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from sksubtomo.datasets import make_subtomograms
from sksubtomo.decomposition import Autoencoder
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer

# %%
# Fit
# ---
#
# Volumes of three complexes in random orientations, centered. The true classes are used for the
# comparison below only.

data = make_subtomograms(
    240,
    classes=["apoferritin", "groel", "ribosome_70s"],
    box_size=16,
    voxel_size_angstrom=20.0,
    snr=4.0,
    max_shift_voxels=0.0,
    random_state=0,
)
names = [name.replace("_", " ") for name in data.class_names]
encoder = make_pipeline(
    VolumeNormalizer(),
    Autoencoder(
        learning_rate=1e-3, batch_size=16, max_epochs=25, early_stopping=False, random_state=0
    ),
)
latents = encoder.fit_transform(data.X)
groups = KMeans(3, n_init=20, random_state=0).fit_predict(latents)

# %%
# The adjusted Rand index compares groups with classes: 0 is chance, 1 is perfect agreement.

print(f"adjusted Rand index {adjusted_rand_score(data.y, groups):.2f}")

# %%
# Latent codes and groups
# -----------------------
#
# The first two principal components of the latent codes, colored by group, with markers by true
# class; and a member of each group beside the mean of its reconstructions.

points = PCA(2, random_state=0).fit_transform(latents)
colors = ["tab:blue", "tab:orange", "tab:green"]
figure = plt.figure(figsize=(10, 4.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.15))
ax = left.subplots()
for group, color in enumerate(colors):
    for target, marker in enumerate("os^"):
        rows = (groups == group) & (data.y == target)
        ax.scatter(*points[rows].T, c=color, marker=marker, s=22, alpha=0.7, linewidths=0)
for name, marker in zip(names, "os^", strict=True):
    ax.scatter([], [], c="gray", marker=marker, label=name)
ax.set(xlabel="first component", ylabel="second component", xticks=[], yticks=[])
ax.legend(title="true class", loc="best")

axes = right.subplots(2, 3)
network = encoder[-1]
normalized = encoder[:-1].transform(data.X)
for column, (group, color) in enumerate(zip(range(3), colors, strict=True)):
    members = np.flatnonzero(groups == group)
    common = np.bincount(data.y[members], minlength=3)
    title = f"{len(members)} particles,\n{common.max()} of them {names[common.argmax()]}"
    axes[0, column].set_title(title, color=color, fontsize=9)
    mean = network.reconstruct(normalized[members]).mean(axis=0)
    for ax, volume in zip(axes[:, column], (data.X[members[0]], mean), strict=True):
        ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
        ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("a member")
axes[1, 0].set_ylabel("mean reconstruction")
add_scale_bar(axes[1, 0], data.voxel_size_angstrom, 100)
