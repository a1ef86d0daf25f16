"""
Which threshold for self-training?
==================================

Self-training takes a prediction for a label where its probability passes a threshold. The paper
found its threshold by grid search; here, ``GridSearchCV`` does so by cross-validation over the
labeled volumes, for both forms: pseudo-labels within one training, and scikit-learn's rounds,
which train a new network each time.

    python docs/examples/plot_self_training_threshold.py
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, train_test_split

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import SemiSupervisedSplit, mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import PseudoLabelClassifier, SelfTrainingClassifier
from sksubtomo.training import PseudoLabelTraining

THRESHOLDS = [0.5, 0.7, 0.9, 0.95, 0.99]


def make_searches(epochs, folds, random_state):
    """Return a search over the threshold for each form of self-training."""
    params = {
        "learning_rate": 1e-3,
        "max_epochs": epochs,
        "early_stopping": False,
        "random_state": random_state,
    }
    training = PseudoLabelTraining(warm_up_epochs=epochs // 4)
    forms = {
        "within one training": PseudoLabelClassifier(training=training, **params),
        "in rounds": SelfTrainingClassifier(CNNClassifier(**params), max_iter=3),
    }
    cv = SemiSupervisedSplit(folds)
    return {
        name: GridSearchCV(form, {"threshold": THRESHOLDS}, cv=cv) for name, form in forms.items()
    }


def main():
    parser = argparse.ArgumentParser(description="Search the threshold of self-training.")
    parser.add_argument("--volumes", type=int, default=480)
    parser.add_argument("--labeled-fraction", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    X, y = make_subtomograms(
        args.volumes,
        classes=["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"],
        box_size=12,
        voxel_size_angstrom=27.0,
        snr=4.0,
        max_shift_voxels=0.0,
        return_X_y=True,
        random_state=args.random_state,
    )
    X = VolumeNormalizer().fit_transform(X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=0.5, stratify=y, random_state=args.random_state
    )
    y_train = mask_labels(
        y_train, labeled_fraction=args.labeled_fraction, random_state=args.random_state
    )
    print(f"{len(y_train)} volumes to train on, {(y_train != -1).sum()} of them labeled")

    figure, ax = plt.subplots(figsize=(5, 3.5))
    for name, search in make_searches(args.epochs, args.folds, args.random_state).items():
        search.fit(X_train, y_train)
        print(
            f"{name}: threshold {search.best_params_['threshold']:g}, accuracy in "
            f"cross-validation {search.best_score_:.3f}, on test volumes "
            f"{search.score(X_test, y_test):.3f}"
        )
        results = search.cv_results_
        ax.errorbar(
            THRESHOLDS,
            results["mean_test_score"],
            results["std_test_score"],
            capsize=3,
            marker="o",
            label=name,
        )
    ax.set(xlabel="threshold", ylabel="accuracy in cross-validation")
    ax.legend()
    path = args.output / "self_training_threshold.png"
    figure.savefig(path, dpi=150, bbox_inches="tight")
    print(f"See {path}")


if __name__ == "__main__":
    main()
