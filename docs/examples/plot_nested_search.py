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
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksubtomo.datasets import make_subtomograms
from sksubtomo.labeling import radial_features
from sksubtomo.metrics import drop_unlabeled
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict, mask_labels
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import SelfTrainingClassifier

# %%
# Data
# ----
#
# 300 volumes of four complexes, a fifth of them labeled.

data = make_subtomograms(
    300,
    classes=["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"],
    box_size=20,
    voxel_size_angstrom=16.0,
    snr=0.06,
    random_state=0,
)
names = [name.replace("_", " ") for name in data.class_names]
y = mask_labels(data.y, labeled_fraction=0.2, random_state=0)
hidden = y == -1

# %%
# The inner search
# ----------------
#
# Self-training of a logistic regression on figures of the volumes that no rotation changes. They
# are computed of each volume by itself, so that nothing leaks from test folds when this is done
# once, before the search. It chooses how strongly the regression is penalized, and how confident a
# prediction has to be to become a label.

X = radial_features(VolumeNormalizer().fit_transform(data.X))
clf = make_pipeline(StandardScaler(), SelfTrainingClassifier(LogisticRegression(max_iter=1000)))
penalties, thresholds = [1e-3, 1e-2, 1e-1, 1.0, 10.0], [0.6, 0.8, 0.95]
grid = {
    "selftrainingclassifier__estimator__C": penalties,
    "selftrainingclassifier__threshold": thresholds,
}
search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(3))

# %%
# The outer folds
# ---------------
#
# ``cross_val_score`` takes the search for a classifier, and repeats it in every training fold. No
# other argument is needed for the unlabeled volumes: both splitters hand them to every training
# fold, and the score of a classifier of this package leaves -1 out.

nested = cross_val_score(search, X, y, cv=SemiSupervisedSplit(4))
search.fit(X, y)
print(f"best of the search: {search.best_params_}")
print(f"its score in the search: {search.best_score_:.3f}")
print(f"nested: {nested.mean():.3f} ± {nested.std():.3f}")
print(f"on the unlabeled volumes: {search.score(X[hidden], data.y[hidden]):.3f}")

# %%
# What scikit-learn would do by itself
# ------------------------------------
#
# With ordinary folds, four of five test rows are unlabeled, and a scorer that takes -1 for a class
# counts all of them as wrong. Classifiers of this package refuse to be scored in this way.

try:
    cross_val_score(clf, X, y, cv=4, scoring="accuracy", error_score="raise")
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

held_out = cross_val_predict(search.best_estimator_, X, y, cv=SemiSupervisedSplit(4))
y_true, y_pred = drop_unlabeled(y, held_out)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
results = search.cv_results_
for threshold in thresholds:
    rows = results["param_selftrainingclassifier__threshold"] == threshold
    scores, spreads = results["mean_test_score"][rows], results["std_test_score"][rows]
    label = f"inner folds, threshold {threshold:g}"
    left.errorbar(penalties, scores, spreads, marker="o", capsize=3, label=label)
left.axhspan(
    *(nested.mean() - nested.std(), nested.mean() + nested.std()),
    color="gray",
    alpha=0.3,
    label="nested (mean ± spread)",
)
left.axhline(1 / 4, color="gray", linestyle=":", label="chance")
left.set(xlabel="C of the logistic regression", xscale="log", ylabel="accuracy", ylim=(0, 1.02))
left.legend(loc="lower right")
ConfusionMatrixDisplay.from_predictions(
    *(y_true, y_pred), display_labels=names, ax=right, colorbar=False, cmap="Blues"
)
right.set_xticks(range(4), names, rotation=25, ha="right")
right.set_title("labeled volumes, predicted out of fold", fontsize=10)
