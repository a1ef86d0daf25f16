"""
Prepare volumes: contrast, low-pass, binning, normalization
===========================================================

Every step of a pipeline of :mod:`sksubtomo.preprocessing`, applied to the same three subtomograms,
and what it does to their histograms.
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from sksubtomo.datasets import make_subtomograms
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import (
    CenterCropper,
    ContrastInverter,
    FourierBinner,
    GaussianLowPass,
    VolumeNormalizer,
)

# %%
# A pipeline
# ----------
#
# Volumes of 48 voxels of 8 Å as they come from a reconstruction: particles are dark, and each
# tomogram has a scale and an offset of its own. Crop before normalizing, because the voxels that
# are cut away would count; the low-pass comes before the binning, and is given the voxel size that
# it meets.

voxel_size_angstrom = 8.0
data = make_subtomograms(
    3,
    classes=["glutamine_synthetase", "groel", "ribosome_70s"],
    kind="single_particle",
    box_size=48,
    voxel_size_angstrom=voxel_size_angstrom,
    snr=0.15,
    random_state=1,
)
names = [data.class_names[target].replace("_", " ") for target in data.y]
X = data.X * [[[[40.0]]], [[[55.0]]], [[[30.0]]]] + [[[[120.0]]], [[[90.0]]], [[[140.0]]]]

pipeline = make_pipeline(
    CenterCropper(40),
    ContrastInverter(),
    GaussianLowPass(40.0, voxel_size_angstrom),
    FourierBinner(20),
    VolumeNormalizer(region="background"),
)
print(pipeline.fit_transform(X).shape)

# %%
# Step by step
# ------------
#
# Columns of the figure are the steps. The gray scale is that of each image; the histograms below
# have the scale of the voxels, which normalization makes common to all volumes.

steps = {"as recorded": (X, voxel_size_angstrom)}
for title, stop, voxel_size in (
    ("cropped to 40 voxels", 1, 8.0),
    ("contrast inverted", 2, 8.0),
    ("low-pass at 40 Å", 3, 8.0),
    ("binned to 16 Å", 4, 16.0),
    ("normalized", 5, 16.0),
):
    steps[title] = (pipeline[:stop].fit_transform(X), voxel_size)

figure, axes = plt.subplots(4, 6, figsize=(10.5, 7.2), layout="constrained")
for column, (title, (volumes, voxel_size)) in zip(axes.T, steps.items(), strict=True):
    column[0].set_title(title, fontsize=10)
    for ax, volume in zip(column, volumes, strict=False):
        ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
        ax.set(xticks=[], yticks=[])
        add_scale_bar(ax, voxel_size, 100)
    for volume, name in zip(volumes, names, strict=True):
        column[3].hist(volume.ravel(), bins=40, histtype="step", density=True, label=name)
    column[3].set(yticks=[])
for ax, name in zip(axes[:, 0], names, strict=False):
    ax.set_ylabel(name)
axes[3, 0].set_ylabel("voxels")
figure.legend(*axes[3, 5].get_legend_handles_labels(), loc="outside lower center", ncols=3)
