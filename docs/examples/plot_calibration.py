"""
Is 0.9 nine in ten? And what of complexes without a class?
==========================================================

A network learns four complexes from a few labels each. Its probabilities are compared with how
often it is right, before and after one temperature has scaled them, which is chosen by
cross-validation over the same labels. Then it is shown complexes that it has no class for: how many
are found out, if one in twenty volumes of the known classes may be lost?

    python docs/examples/plot_calibration.py
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.datasets import make_subtomograms
from sksubtomo.metrics import expected_calibration_error, reliability_curve
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer

KNOWN = ["apoferritin", "groel", "p97", "ribosome_70s"]
UNKNOWN = ["beta_galactosidase", "glutamine_synthetase"]


def make_volumes(n_samples, classes, snr, random_state):
    """Return normalized volumes and labels."""
    X, y = make_subtomograms(
        n_samples,
        classes=classes,
        box_size=12,
        voxel_size_angstrom=27.0,
        snr=snr,
        return_X_y=True,
        random_state=random_state,
    )
    return VolumeNormalizer().fit_transform(X), y


def draw_reliability(ax, probabilities, y):
    ax.plot([0.25, 1], [0.25, 1], color="grey", linestyle=":")
    for name, p in probabilities.items():
        curve = reliability_curve(y, p, n_bins=10)
        error = expected_calibration_error(y, p)
        print(f"{name}: expected calibration error {error:.3f}")
        ax.plot(curve.confidence, curve.accuracy, marker="o", label=f"{name}, error {error:.2f}")
    ax.set(xlabel="confidence", ylabel="accuracy", title="Test volumes of known classes")
    ax.legend()


def draw_scores(ax, rejecting, X_known, X_unknown):
    """Draw the scores of known and unknown complexes; print how many are rejected."""
    known, unknown = rejecting.score_samples(X_known), rejecting.score_samples(X_unknown)
    is_known = np.repeat([1, 0], [len(known), len(unknown)])
    area = roc_auc_score(is_known, np.concatenate([known, unknown]))
    print(
        f"{rejecting.method}: rejects {np.mean(known < rejecting.offset_):.1%} of the known "
        f"complexes and {np.mean(unknown < rejecting.offset_):.1%} of the unknown; "
        f"area under the ROC curve {area:.3f}"
    )
    bins = np.linspace(*np.quantile(np.concatenate([known, unknown]), [0.005, 0.995]), 40)
    for scores, name in ((known, "known"), (unknown, "unknown")):
        ax.hist(scores, bins, density=True, alpha=0.6, label=name)
    ax.axvline(rejecting.offset_, color="black", linestyle="--", label="threshold")
    ax.set(xlabel=f"score, {rejecting.method}", yticks=[], title=f"AUC {area:.2f}")


def main():
    parser = argparse.ArgumentParser(description="Calibrate a network, and let it reject.")
    parser.add_argument("--labels", type=int, default=160)
    parser.add_argument("--test-volumes", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--snr", type=float, default=2.0)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/examples/output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    seed = args.random_state
    X, y = make_volumes(args.labels, KNOWN, args.snr, seed)
    X_test, y_test = make_volumes(args.test_volumes, KNOWN, args.snr, seed + 1)
    X_unknown, _ = make_volumes(args.test_volumes // 2, UNKNOWN, args.snr, seed + 2)
    cnn = CNNClassifier(
        learning_rate=1e-3,
        max_epochs=args.epochs,
        batch_size=16,
        early_stopping=False,
        network=Liu2019(n_filters=16),
        random_state=seed,
    )

    figure, axes = plt.subplots(1, 4, figsize=(15, 3.5), layout="constrained")
    scaled = TemperatureScaledClassifier(cnn).fit(X, y)
    print(f"temperature {scaled.temperature_:.2f}, accuracy {scaled.score(X_test, y_test):.3f}")
    probabilities = {
        "network": scaled.estimator_.predict_proba(X_test),
        "scaled": scaled.predict_proba(X_test),
    }
    draw_reliability(axes[0], probabilities, y_test)

    # The threshold comes from volumes that the network has not learned from.
    X_new, y_new = make_volumes(args.labels, KNOWN, args.snr, seed + 3)
    frozen = FrozenEstimator(scaled.estimator_)
    for ax, method in zip(axes[1:], ["max_probability", "energy", "mahalanobis"], strict=True):
        draw_scores(
            ax, RejectingClassifier(frozen, method=method).fit(X_new, y_new), X_test, X_unknown
        )
    axes[1].legend()
    path = args.output / "calibration.png"
    figure.savefig(path, dpi=150, bbox_inches="tight")
    print(f"See {path}")


if __name__ == "__main__":
    main()
