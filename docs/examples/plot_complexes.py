"""
Synthetic complexes, noise and the missing wedge
================================================

:func:`~sksubtomo.datasets.make_subtomograms` simulates volumes of eight complexes in a second, for
tests and first experiments. The figures show what its parameters do: the signal-to-noise ratio, the
orientation, and the tilt range.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import make_subtomograms
from sksubtomo.plotting import add_scale_bar

# %%
# Eight complexes at four levels of noise
# ---------------------------------------
#
# The signal-to-noise ratio is that of the variances. With one seed, the volumes of all levels have
# the same particles in the same orientations.

voxel_size_angstrom, box_size = 10.0, 32
levels = {
    snr: make_subtomograms(
        40,
        classes=8,
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=snr,
        max_shift_voxels=0.0,
        random_state=0,
    )
    for snr in (100.0, 1.0, 0.1, 0.03)
}
data = levels[100.0]
shown = [int(np.flatnonzero(data.y == target)[0]) for target in range(len(data.class_names))]

figure, axes = plt.subplots(4, 8, figsize=(10, 5.6), layout="constrained")
for row, (snr, volumes) in zip(axes, levels.items(), strict=True):
    row[0].set_ylabel(f"SNR {snr:g}")
    for ax, volume in zip(row, volumes.X[shown], strict=True):
        ax.imshow(volume[box_size // 2], cmap="gray", interpolation="bicubic")
        ax.set(xticks=[], yticks=[])
for ax, name in zip(axes[0], data.class_names, strict=True):
    ax.set_title(name.replace("_", "\n", 1).replace("_", " "), fontsize=9)
add_scale_bar(axes[0, 0], voxel_size_angstrom, 100)

# %%
# The missing wedge
# -----------------
#
# One proteasome without noise, seen from the side (x to the right, the beam z upward). The smaller
# the tilt range, the more it is smeared out along the beam. ``orientations`` and ``shifts`` have
# the pose.

figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained")
for ax, tilt_range_deg in zip(axes, (90.0, 60.0, 45.0, 30.0), strict=True):
    tilted = make_subtomograms(
        1,
        classes=["proteasome_20s"],
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=1e6,
        max_shift_voxels=0.0,
        tilt_range_deg=tilt_range_deg,
        random_state=1,
    )
    ax.imshow(tilted.X[0][:, box_size // 2], cmap="gray", interpolation="bicubic", origin="lower")
    ax.set(title=f"tilts to ±{tilt_range_deg:.0f}°", xticks=[], yticks=[])
add_scale_bar(axes[0], voxel_size_angstrom, 100)
