"""
Devices and precision
=====================

``device="auto"`` takes a GPU where there is one, and the CPU elsewhere: the same script runs on
both. This example says what was used, which precision that means, and how much time a fit takes per
epoch. The pictures here are those of the computer that built this page.
"""

import time

import numpy as np
import torch

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.networks import Liu2019
from sksubtomo.plotting import ReconstructionDisplay, TrainingHistoryDisplay, add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

# %%
# Available devices
# -----------------
#
# A computer without a GPU goes on with the CPU. ``device="cuda"`` would refuse to. The environment
# variable ``SKSUBTOMO_DEVICE=cpu`` says what "auto" is, without a change to the script.

print(f"CUDA device: {torch.cuda.is_available()}")
print(f"Apple's GPU: {torch.backends.mps.is_available()}")

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
X = VolumeNormalizer().fit_transform(data.X)
y = mask_labels(data.y, labeled_fraction=0.1, random_state=0)
hidden = y == -1

# %%
# Fit in two precisions
# ---------------------
#
# ``precision="auto"`` is float32 on a CPU and bfloat16 on GPUs that have it. Weights, losses and
# probabilities are float32 in any case. Reduced precision is used only where a self-test of the
# layers passes on this device; ``precision_`` says what was used. On a CUDA device, steps are
# recorded after the first few and replayed (CUDA graphs), which a training of fewer than 50 steps
# does not need; ``SKSUBTOMO_CUDA_GRAPHS=0`` switches that off.

fits = {}
for precision in ("auto", "float32"):
    clf = AutoencodingClassifier(
        network=Liu2019(n_filters=16),
        learning_rate=1e-3,
        batch_size=32,
        max_epochs=8,
        early_stopping=False,
        device="auto",
        precision=precision,
        random_state=0,
    )
    start = time.perf_counter()
    fits[precision] = clf.fit(X, y)
    seconds = (time.perf_counter() - start) / clf.n_iter_
    device = next(clf.net_.module_.parameters()).device.type
    print(
        f"precision={precision!r}: {clf.precision_} on {device}, {seconds:.2f} s an epoch, "
        f"accuracy {clf.score(X[hidden], data.y[hidden]):.3f}"
    )

# %%
# How far apart the two are. On a CPU both are float32, and the probabilities are the same to the
# bit.

first, second = (fit.predict_proba(X) for fit in fits.values())
print(f"largest difference of a probability: {np.abs(first - second).max():.1e}")

# %%
# The training
# ------------

history = TrainingHistoryDisplay.from_estimator(fits["auto"])

# %%
# Volumes and reconstructions
# ---------------------------

shown = [int(np.flatnonzero(data.y == target)[0]) for target in range(3)]
reconstructions = ReconstructionDisplay.from_estimator(
    fits["auto"], X[shown], data.y[shown], class_names=names
)
add_scale_bar(reconstructions.axes_[0, 0], data.voxel_size_angstrom, 100)
