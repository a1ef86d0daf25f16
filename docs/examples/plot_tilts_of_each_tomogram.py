"""
Volumes of tomograms that were tilted differently
=================================================

Tilt ranges differ between tomograms, for example on lamellae, so the missing wedge of a volume
depends on its tomogram.
:class:`~sksubtomo.fourier.Imaging` says it for each volume, and references are compared with what
was measured of each.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksubtomo.datasets import make_subtomograms
from sksubtomo.fourier import Imaging
from sksubtomo.model_selection import mask_labels
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

# %%
# Three tomograms
# ---------------
#
# The same three complexes in each. The third tomogram was tilted over a small range, which leaves
# more than half of Fourier space unmeasured.

voxel_size_angstrom, box_size = 16.0, 20
tilt_ranges_deg = {"TS_001": (-60.0, 60.0), "TS_002": (-36.0, 60.0), "TS_003": (-30.0, 36.0)}
parts = [
    make_subtomograms(
        90,
        classes=["groel", "proteasome_20s", "ribosome_70s"],
        kind="single_particle",
        box_size=box_size,
        voxel_size_angstrom=voxel_size_angstrom,
        snr=0.15,
        tilt_range_deg=tilt_range,
        random_state=seed,
    )
    for seed, tilt_range in enumerate(tilt_ranges_deg.values())
]
names = [name.replace("_", " ") for name in parts[0].class_names]
X = VolumeNormalizer().fit_transform(np.concatenate([part.X for part in parts]))
true = np.concatenate([part.y for part in parts])
tomogram_names = np.repeat(list(tilt_ranges_deg), 90)
y = mask_labels(true, n_per_class=3, random_state=0)
hidden = y == -1

# %%
# One range of each volume
# ------------------------
#
# ``Imaging`` has the length and the indexing of an array. Volumes of one tomogram are of one kind,
# and computed together. It goes to ``fit`` and to every prediction, with the rows of ``X``.

imaging = Imaging([tilt_ranges_deg[name] for name in tomogram_names])
print(imaging)

clf = MultiReferenceClassifier(max_shift_voxels=1.0, random_state=0)
clf.fit(X, y, imaging=imaging)
predicted = clf.predict(X, imaging=imaging)
for name in tilt_ranges_deg:
    rows = hidden & (tomogram_names == name)
    print(f"{name}: accuracy {np.mean(predicted[rows] == true[rows]):.3f}")

# %%
# A model that was fitted to several ranges refuses volumes that come without theirs.

try:
    clf.predict(X[:5])
except ValueError as error:
    print(f"ValueError: {error}")

# %%
# With files, the ranges are read: :func:`~sksubtomo.io.read_tilt_series` reads RELION's
# ``tomograms.star`` and Warp's ``.tomostar``, and a :class:`~sksubtomo.io.SubtomogramStack` carries
# its ``imaging`` along, through pipelines and searches. On the command line it is
# ``--tilt-series``.
#
# Missing wedges and references
# -----------------------------
#
# Above: mean power of the volumes of each tomogram (x to the right, the beam z upward, frequency 0
# in the middle). The dark sectors are the missing wedges that were stated.
# Below: the references, to which volumes of all tomograms contributed.

power = np.abs(np.fft.fftshift(np.fft.fftn(X, axes=(1, 2, 3)), axes=(1, 2, 3))) ** 2
figure, axes = plt.subplots(2, 3, figsize=(7.5, 5.6), layout="constrained")
for ax, (name, (low, high)) in zip(axes[0], tilt_ranges_deg.items(), strict=True):
    section = power[tomogram_names == name].mean(axis=0)[:, box_size // 2]
    ax.imshow(np.log10(section + section.max() * 1e-4), cmap="gray", origin="lower")
    ax.set(title=f"{name}: {low:.0f}° to {high:.0f}°", xticks=[], yticks=[])
for ax, name, reference in zip(axes[1], names, clf.references_, strict=True):
    ax.imshow(reference[box_size // 2], cmap="gray", interpolation="bicubic", origin="lower")
    ax.set(title=name, xticks=[], yticks=[])
axes[0, 0].set_ylabel("power of the volumes")
axes[1, 0].set_ylabel("references")
add_scale_bar(axes[1, 0], voxel_size_angstrom, 100)
