"""
Class averages and their resolution
===================================

The references of a fit contain only the frequencies that were compared. For class averages with all
frequencies, :meth:`~sksubtomo.semi_supervised.MultiReferenceClassifier.class_averages` averages the
volumes in their poses, in two halves, and measures the Fourier shell correlation (FSC) between
them.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

# %%
# Fit references
# --------------
#
# Three complexes with two labels each. Voxels have 10 Å.

names = ["groel", "proteasome_20s", "ribosome_70s"]
data = make_subtomograms(
    240,
    classes=names,
    kind="single_particle",
    box_size=32,
    voxel_size_angstrom=10.0,
    snr=0.1,
    random_state=0,
)
X = VolumeNormalizer().fit_transform(data.X)
y = mask_labels(data.y, n_per_class=2, random_state=0)
clf = MultiReferenceClassifier(max_shift_voxels=1.0, random_state=0).fit(X, y)
print(f"accuracy {clf.score(X[y == -1], data.y[y == -1]):.3f} on the unlabeled volumes")

# %%
# Average
# -------
#
# The poses were found by the fit (``poses_``), so nothing is searched again.

found = clf.class_averages(X, clf.poses_, voxel_size_angstrom=data.voxel_size_angstrom)
for name, n_members, resolution in zip(names, found.n_volumes, found.resolution, strict=True):
    print(f"{name}: {n_members} particles, FSC above 0.143 up to {resolution:.0f} Å")

# %%
# Orthogonal slices of each average, from the side of each axis, and the FSC of its halves. Both
# halves were aligned to one reference, so this is no gold standard: up to the highest frequency
# compared, aligned noise correlates as well.

figure = plt.figure(figsize=(6.4, 7.8), layout="constrained")
slices, curves = figure.subfigures(2, 1, height_ratios=(2.4, 1))
axes = slices.subplots(3, 3)
for row, average, name, n_members in zip(axes, found.averages, names, found.n_volumes, strict=True):
    row[0].set_ylabel(f"{name.replace('_', ' ')}\n{n_members} particles")
    middle = len(average) // 2
    planes = average[middle], average[:, middle], average[:, :, middle]
    for ax, plane in zip(row, planes, strict=True):
        ax.imshow(plane, cmap="gray", interpolation="bicubic", origin="lower")
        ax.set(xticks=[], yticks=[])
for ax, title in zip(axes[0], ("z slice", "y slice", "x slice"), strict=True):
    ax.set_title(title)
add_scale_bar(axes[-1, 0], data.voxel_size_angstrom, 100)

ax = curves.subplots()
shells = np.arange(found.fsc.shape[1]) / (X.shape[-1] * data.voxel_size_angstrom)
for name, fsc in zip(names, found.fsc, strict=True):
    ax.plot(shells, fsc, label=name.replace("_", " "))
ax.axhline(0.143, color="gray", linestyle=":")
ax.set(xlabel="spatial frequency (1/Å)", ylabel="FSC", xlim=(0, None), ylim=(-0.1, 1.05))
ax.legend()
