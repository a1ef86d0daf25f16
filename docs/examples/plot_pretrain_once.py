"""
Pre-train once, fine-tune many times
====================================

Pre-training an autoencoder on all volumes takes most of the time of a fit and needs no labels. Fit
it once and freeze it: a search over the fine-tuning of
:class:`~sksubtomo.semi_supervised.FineTunedClassifier` then repeats the short part only.
"""

import time

import matplotlib.pyplot as plt
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from sksubtomo.datasets import make_subtomograms
from sksubtomo.decomposition import Autoencoder
from sksubtomo.model_selection import SemiSupervisedSplit, mask_labels
from sksubtomo.networks import Liu2019
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import FineTunedClassifier

# %%
# Data
# ----
#
# 200 volumes of two complexes, of which 20 are labeled.

data = make_subtomograms(
    200,
    classes=["apoferritin", "ribosome_70s"],
    box_size=16,
    voxel_size_angstrom=20.0,
    snr=2.0,
    random_state=0,
)
X = VolumeNormalizer().fit_transform(data.X)
y = mask_labels(data.y, labeled_fraction=0.1, random_state=0)

# %%
# A search with and without a fitted autoencoder
# ----------------------------------------------
#
# The same two settings and two folds. Without the frozen autoencoder, each of the four fits, and
# the final one, pre-trains its own.

params = {"batch_size": 16, "early_stopping": False, "random_state": 0}
autoencoder = Autoencoder(
    network=Liu2019(n_filters=16), learning_rate=1e-3, max_epochs=20, **params
)
grid = {"freeze_encoder": [False, True]}
cv = SemiSupervisedSplit(2)


def search(first_stage):
    """Search over the fine-tuning."""
    classifier = FineTunedClassifier(first_stage, learning_rate=1e-3, max_epochs=15, **params)
    return GridSearchCV(classifier, grid, cv=cv).fit(X, y)


seconds = {}
start = time.process_time()
search(autoencoder)
seconds["pre-training\nin every fit"] = time.process_time() - start

start = time.process_time()
autoencoder.fit(X)
found = search(FrozenEstimator(autoencoder))
seconds["pre-training\nonce"] = time.process_time() - start

print(f"best: {found.best_params_}")
print(f"accuracy {found.score(X[y == -1], data.y[y == -1]):.3f} on the unlabeled volumes")

# %%
# An autoencoder that is fitted to all volumes has seen those of the test folds, without their
# labels. This gives the accuracy on the volumes you have. To predict that on tomograms to come, fit
# it to the training tomograms only.
#
# Left: the time of both searches. Right: what the pre-trained autoencoder makes of four volumes.

figure = plt.figure(figsize=(10, 3.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5))
ax = left.subplots()
ax.bar(list(seconds), list(seconds.values()), color=["tab:orange", "tab:blue"], width=0.6)
ax.set(ylabel="CPU seconds for the search")
shown = [row for target in (0, 1) for row in (data.y == target).nonzero()[0][:2]]
axes = right.subplots(2, 4)
rows = {"input": X[shown], "reconstruction": autoencoder.reconstruct(X[shown])}
for row, (title, volumes) in zip(axes, rows.items(), strict=True):
    row[0].set_ylabel(title)
    for ax, volume in zip(row, volumes, strict=True):
        ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
        ax.set(xticks=[], yticks=[])
for ax, target in zip(axes[0], data.y[shown], strict=True):
    ax.set_title(data.class_names[target].replace("_", " "), fontsize=9)
add_scale_bar(axes[-1, 0], data.voxel_size_angstrom, 100)
