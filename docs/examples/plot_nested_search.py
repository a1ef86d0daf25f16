"""
Choose parameters and estimate the accuracy, with unlabeled volumes
===================================================================

The score of a search is too good, because it is that of the best of several candidates. In nested
cross-validation, an inner search chooses on the training folds of an outer one, which scores it on
labels that played no part in the choice. With labels of -1, both need
:class:`~sksubtomo.model_selection.SemiSupervisedSplit`: test folds of labeled volumes only, and all
unlabeled ones in every training fold.
"""

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import make_subtomograms
from sksubtomo.metrics import drop_unlabeled
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict, mask_labels
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import MultiReferenceClassifier

# %%
# Data
# ----
#
# 150 volumes of three complexes, up to two voxels off the center, a third of them labeled.

data = make_subtomograms(
    150,
    classes=["glutamine_synthetase", "groel", "ribosome_70s"],
    kind="single_particle",
    box_size=24,
    voxel_size_angstrom=16.0,
    snr=0.05,
    max_shift_voxels=2.0,
    random_state=0,
)
names = [name.replace("_", " ") for name in data.class_names]
y = mask_labels(data.y, labeled_fraction=1 / 3, random_state=0)
hidden = y == -1

# %%
# The inner search
# ----------------
#
# How far off the center are particles searched for? Wider is not better: every shift more that is
# compared is one more place where noise can look like a complex.

clf = make_pipeline(
    VolumeNormalizer(),
    MultiReferenceClassifier(
        annealing=Annealing(stages=[(3, 60, 1, 3), (4, 50, "auto", 3)]), random_state=0
    ),
)
shifts = [0.0, 2.0, 4.0]
grid = {"multireferenceclassifier__max_shift_voxels": shifts}
search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(2))

# %%
# The outer folds
# ---------------
#
# ``cross_val_score`` takes the search for a classifier, and repeats it in every training fold. No
# other argument is needed for the unlabeled volumes: both splitters hand them to every training
# fold, and the score of a classifier of this package leaves -1 out.

nested = cross_val_score(search, data.X, y, cv=SemiSupervisedSplit(3))
search.fit(data.X, y)
print(f"best of the search: {search.best_params_}")
print(f"its score in the search: {search.best_score_:.3f}")
print(f"nested: {nested.mean():.3f} ± {nested.std():.3f}")
print(f"on the unlabeled volumes: {search.score(data.X[hidden], data.y[hidden]):.3f}")

# %%
# What scikit-learn would do by itself
# ------------------------------------
#
# With ordinary folds, two of three test rows are unlabeled, and a scorer that takes -1 for a class
# counts all of them as wrong. Classifiers of this package refuse to be scored in this way.

try:
    cross_val_score(clf, data.X, y, cv=3, scoring="accuracy", error_score="raise")
except ValueError as error:
    print(f"ValueError: {error}")

# %%
# Which classes are mixed up
# --------------------------
#
# Left: scores of the candidates in the inner folds, and of the whole procedure in the outer ones.
# Right: the confusion matrix of predictions by classifiers that did not see the label
# (:func:`~sksubtomo.model_selection.cross_val_predict`); scikit-learn's function of that name would
# take -1 for a class.

held_out = cross_val_predict(search.best_estimator_, data.X, y, cv=SemiSupervisedSplit(3))
y_true, y_pred = drop_unlabeled(y, held_out)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
results = search.cv_results_
left.errorbar(
    *(shifts, results["mean_test_score"], results["std_test_score"]),
    marker="o",
    capsize=3,
    label="search (inner folds)",
)
left.axhspan(
    *(nested.mean() - nested.std(), nested.mean() + nested.std()),
    color="tab:orange",
    alpha=0.25,
    label="nested (mean ± spread)",
)
left.axhline(nested.mean(), color="tab:orange")
left.axhline(1 / 3, color="gray", linestyle=":", label="chance")
left.set(xlabel="max_shift_voxels", ylabel="accuracy", ylim=(0, 1.02), xticks=shifts)
left.legend(loc="lower right")
ConfusionMatrixDisplay.from_predictions(
    *(y_true, y_pred), display_labels=names, ax=right, colorbar=False, cmap="Blues"
)
right.tick_params(axis="x", rotation=20)
right.set_title("labeled volumes, predicted out of fold", fontsize=10)
