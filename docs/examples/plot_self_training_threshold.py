"""
Choose the threshold of self-training by cross-validation
=========================================================

:class:`~sksubtomo.semi_supervised.PseudoLabelClassifier` takes a prediction for a label where its
probability exceeds ``threshold``. A high threshold adds few pseudo-labels, a low one adds wrong
ones. ``GridSearchCV`` chooses it on the labeled volumes;
:class:`~sksubtomo.model_selection.SemiSupervisedSplit` keeps the unlabeled ones in every training
fold.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import SemiSupervisedSplit, mask_labels
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import PseudoLabelClassifier
from sksubtomo.training import PseudoLabelTraining

# %%
# Search
# ------
#
# 240 volumes of four complexes, a quarter of them labeled. The network learns from these for half
# of the epochs before it labels (``warm_up_epochs``). At a threshold of 1 there are no
# pseudo-labels, so that this row of the search is the supervised network.

X, true = make_subtomograms(
    240,
    classes=["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"],
    box_size=12,
    voxel_size_angstrom=27.0,
    snr=4.0,
    max_shift_voxels=0.0,
    return_X_y=True,
    random_state=0,
)
X = VolumeNormalizer().fit_transform(X)
y = mask_labels(true, labeled_fraction=0.25, random_state=0)
hidden = y == -1

clf = PseudoLabelClassifier(
    network=Liu2019(n_filters=16),
    learning_rate=1e-3,
    batch_size=16,
    max_epochs=30,
    early_stopping=False,
    random_state=0,
    training=PseudoLabelTraining(warm_up_epochs=15),
)
thresholds = [0.7, 0.9, 0.99, 1.0]
search = GridSearchCV(clf, {"threshold": thresholds}, cv=SemiSupervisedSplit(3)).fit(X, y)
print(f"best threshold {search.best_params_['threshold']:g}")
print(f"accuracy {search.score(X[hidden], true[hidden]):.3f} on the unlabeled volumes")

# %%
# What each threshold does
# ------------------------
#
# Left: the accuracy in cross-validation, which is all that the search can see, and the accuracy on
# the unlabeled volumes of a fit with each threshold, which it cannot. With few labels, differences
# within the spread over the folds mean nothing. Right: how many pseudo-labels each threshold lets
# through, and how many of them are wrong.

accuracy, right, wrong = [], [], []
for threshold in thresholds:
    clf.set_params(threshold=threshold).fit(X, y)
    accuracy.append(clf.score(X[hidden], true[hidden]))
    given = hidden & (clf.labeled_iter_ > 0)
    right.append(np.sum(clf.transduction_[given] == true[given]))
    wrong.append(given.sum() - right[-1])

figure, (left_ax, right_ax) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
places = np.arange(len(thresholds))
results = search.cv_results_
left_ax.errorbar(
    places,
    results["mean_test_score"],
    results["std_test_score"],
    marker="o",
    capsize=3,
    label="cross-validation",
)
left_ax.plot(places, accuracy, marker="s", linestyle="--", label="unlabeled volumes")
left_ax.axhline(0.25, color="gray", linestyle=":", label="chance")
left_ax.set(ylabel="accuracy", ylim=(0, 1))
left_ax.legend(loc="lower right")
right_ax.bar(places, right, color="tab:blue", label="right")
right_ax.bar(places, wrong, bottom=right, color="tab:orange", label="wrong")
right_ax.set(ylabel=f"pseudo-labels, of {hidden.sum()} volumes")
right_ax.legend()
for ax in (left_ax, right_ax):
    ax.set(xlabel="threshold", xticks=places, xticklabels=[f"{each:g}" for each in thresholds])
