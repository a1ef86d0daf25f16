"""
One pre-training for many fine-tunings
======================================

Pre-training an autoencoder on all volumes takes most of the time of a cascade; the second stage, on
the labeled volumes, takes seconds. A search over the second stage that is given a fitted
autoencoder, frozen, does the first stage once. This times it against the search that repeats it.

    python docs/examples/plot_pretrain_once.py
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from sksubtomo.datasets import make_subtomograms
from sksubtomo.decomposition import Autoencoder
from sksubtomo.model_selection import SemiSupervisedSplit, mask_labels
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import FineTunedClassifier

GRID = {"freeze_encoder": [False, True], "learning_rate": [3e-4, 1e-3]}


def main():
    parser = argparse.ArgumentParser(description="Time a search with and without a fitted stage.")
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    X, y = make_subtomograms(
        args.volumes,
        classes=["apoferritin", "ribosome_70s"],
        box_size=12,
        voxel_size_angstrom=27.0,
        return_X_y=True,
        random_state=args.random_state,
    )
    X = VolumeNormalizer().fit_transform(X)
    y = mask_labels(y, labeled_fraction=0.1, random_state=args.random_state)
    params = {"max_epochs": args.epochs, "early_stopping": False, "random_state": 0}
    autoencoder = Autoencoder(learning_rate=1e-3, **params)

    seconds = {}
    for name in ("repeated", "once"):
        start = time.perf_counter()
        first = autoencoder if name == "repeated" else FrozenEstimator(autoencoder.fit(X))
        classifier = FineTunedClassifier(first, **params)
        search = GridSearchCV(classifier, GRID, cv=SemiSupervisedSplit(2)).fit(X, y)
        seconds[name] = time.perf_counter() - start
        print(f"first stage {name}: {seconds[name]:.1f} s, best {search.best_params_}")
    print(f"The search is {seconds['repeated'] / seconds['once']:.1f} times faster.")

    figure, ax = plt.subplots(figsize=(4, 2))
    ax.barh(list(seconds), list(seconds.values()))
    ax.set(xlabel="seconds", title="a search over 4 settings and 2 folds")
    path = args.output / "pretrain_once.png"
    figure.savefig(path, dpi=150, bbox_inches="tight")
    print(f"See {path}")


if __name__ == "__main__":
    main()
