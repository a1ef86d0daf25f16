"""
Learn from unlabeled volumes by reconstructing them
===================================================

:class:`~sksubtomo.semi_supervised.AutoencodingClassifier`, the joint network of Liu et al. (BMVC
2019), classifies the labeled volumes and reconstructs all of them with one shared encoder. This
example hides 95 % of the labels, fits it, and compares it with the supervised network, which learns
from the labeled volumes only.

An epoch over all volumes has more updates of the weights than one over the labeled ones. So the
supervised network is fitted twice: for as many epochs, as the paper compares, and for as many
updates.
"""

import argparse
import csv
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.plotting import add_scale_bar
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

# %%
# Data
# ----
#
# The same particles are simulated twice: with noise, to learn from, and without, to compare
# reconstructions with.

settings = {
    "classes": ["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"],
    "box_size": 16,
    "voxel_size_angstrom": 20.0,
    "random_state": 0,
}
data = make_subtomograms(880, snr=2.0, **settings)
without_noise = make_subtomograms(880, snr=1e6, **settings).X
names = [name.replace("_", " ") for name in data.class_names]

train, test = train_test_split(np.arange(880), train_size=480, stratify=data.y, random_state=0)
X = VolumeNormalizer().fit_transform(data.X)
y = mask_labels(data.y[train], labeled_fraction=0.05, random_state=0)
labeled = y != -1
print(f"{len(train)} volumes to train on, {labeled.sum()} of them labeled; {len(test)} to test on")

# %%
# Fit
# ---

params = {"learning_rate": 1e-3, "batch_size": 16, "early_stopping": False, "random_state": 0}
joint = AutoencodingClassifier(max_epochs=10, **params).fit(X[train], y)

epochs_of_as_many_updates = 10 * math.ceil(len(train) / 16) // math.ceil(labeled.sum() / 16)
supervised = {
    "as many epochs": CNNClassifier(max_epochs=10, **params),
    "as many updates": CNNClassifier(max_epochs=epochs_of_as_many_updates, **params),
}
print(f"joint network: accuracy {joint.score(X[test], data.y[test]):.3f} on the test volumes")
for name, classifier in supervised.items():
    classifier.fit(X[train][labeled], y[labeled])
    print(f"supervised, {name}: accuracy {classifier.score(X[test], data.y[test]):.3f}")

# %%
# Which of the two is ahead depends on the data and on how long they train; :ref:`trust` has the
# comparison over several seeds. What the joint network adds in any case is a decoder.
#
# Reconstructions
# ---------------
#
# Titles give the predicted class; those of wrong predictions are red and name the true class, too.

shown = np.concatenate([test[data.y[test] == target][:2] for target in joint.classes_])
predicted = joint.predict(X[shown])
rows = {
    "input": X[shown],
    "reconstruction": joint.reconstruct(X[shown]),
    "without noise": without_noise[shown],
}
figure, axes = plt.subplots(3, len(shown), figsize=(12, 5.2), layout="constrained")
for row, (title, volumes) in zip(axes, rows.items(), strict=True):
    row[0].set_ylabel(title)
    for ax, volume in zip(row, volumes, strict=True):
        ax.imshow(volume[len(volume) // 2], cmap="gray", interpolation="bicubic")
        ax.set(xticks=[], yticks=[])
for ax, target, true in zip(axes[0], predicted, data.y[shown], strict=True):
    right = target == true
    ax.set_title(
        names[target] if right else f"{names[target]}\n(is {names[true]})",
        fontsize=9,
        color="black" if right else "firebrick",
    )
add_scale_bar(axes[-1, 0], data.voxel_size_angstrom, 100)

# %%
# Run as a script, the example saves the figure and the predictions with ``--output FOLDER``.

parser = argparse.ArgumentParser(description="Classify and reconstruct with the joint network.")
parser.add_argument("--output", type=Path, help="folder for the figure and the predictions")
output = parser.parse_known_args()[0].output
if output:
    output.mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "slices.png", dpi=150)
    probabilities = joint.predict_proba(X[test])
    with open(output / "predictions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["volume", "true_class", "predicted_class", *data.class_names])
        for volume, true, values in zip(test, data.y[test], probabilities, strict=True):
            writer.writerow([volume, names[true], names[values.argmax()], *np.round(values, 4)])
    print(f"See {output / 'slices.png'} and {output / 'predictions.csv'}")
