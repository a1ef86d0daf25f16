"""Fit what the library has, and record losses, predictions and pictures of them in a file.

Run it once with the instructions that the processor has and once with fewer, and compare the two
files; ``test_instruction_sets.py`` does, and ``make test-isa``.
"""

import sys

import numpy as np
import torch
from estimators import ESTIMATORS, NETWORKS
from sklearn.base import clone, is_classifier

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.picking import DifferenceOfGaussiansPicker, TemplateMatchingPicker
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier, MultiReferenceClassifier

EPOCHS = 10


def easy_data():
    """Return sixty volumes of 8 voxels in three classes, and labels, most of them hidden."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(scale=0.3, size=(60, 8, 8, 8)).astype(np.float32)
    for code, corner in enumerate([(0, 0, 0), (4, 4, 0), (0, 4, 4)]):
        X[(y == code, *(slice(edge, edge + 4) for edge in corner))] += 2.0
    return X, np.where(np.arange(60) < 12, y, -1)


def demo_data():
    """Return volumes to train on, 5 % of them labeled, and volumes and labels to test on."""
    data = make_subtomograms(
        880,
        classes=["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"],
        box_size=16,
        voxel_size_angstrom=20.0,
        snr=2.0,
        random_state=0,
    )
    X = VolumeNormalizer().fit_transform(data.X)
    y_masked = mask_labels(data.y[:480], labeled_fraction=0.05, random_state=0)
    return X[:480], y_masked, X[480:], data.y[480:]


def record_table(record):
    """Fit every estimator of the table with tiny networks."""
    X, y = easy_data()
    for name, estimator in ESTIMATORS.items():
        fitted = clone(estimator)
        if name in NETWORKS:
            fitted.set_params(max_epochs=EPOCHS)
        fitted.fit(X, y)
        response = fitted.predict_proba if is_classifier(fitted) else fitted.transform
        record[f"{name} output"] = response(X)
        if name in NETWORKS:
            record[f"{name} losses"] = [epoch["train_loss"] for epoch in fitted.history_]


def record_demo(record):
    """Fit the joint network with its defaults to the data of the demo."""
    X_train, y_masked, X_test, y_test = demo_data()
    fitted = AutoencodingClassifier(max_epochs=EPOCHS, learning_rate=1e-3, random_state=0)
    fitted.fit(X_train, y_masked)
    record["demo accuracy"] = fitted.score(X_test, y_test)
    # The cross-entropy of the two labels held out is that of two logits, and no mean of many.
    losses = ("train_loss", "train_cross_entropy")
    errors = ("train_reconstruction_error", "valid_reconstruction_error")
    for loss in (*losses, *errors):
        record[f"demo {loss}"] = [epoch[loss] for epoch in fitted.history_]


def record_references(record):
    """Fit references, and align volumes with them."""
    X_train, y_masked, X_test, _ = demo_data()
    annealing = Annealing(stages=[(3, 60, 1, 2), (4, 40, 1, 3)])
    fitted = MultiReferenceClassifier(annealing=annealing, random_state=0).fit(
        X_train[:120], y_masked[:120]
    )
    record["references proba"] = fitted.predict_proba(X_test[:40])
    record["references maps"] = fitted.references_
    record["references scores"] = fitted.score_samples(X_test[:40])


def record_picks(record):
    """Pick in a tomogram that holds three copies of a particle."""
    particle = np.zeros((9, 9, 9), np.float32)
    particle[4, 4, 2:7] = particle[4, 2:5, 4] = 1.0
    tomogram = np.random.default_rng(0).normal(scale=0.1, size=(24, 40, 40)).astype(np.float32)
    for corner in ((2, 4, 6), (12, 25, 20), (8, 4, 28)):
        tomogram[tuple(slice(edge, edge + 9) for edge in corner)] += particle
    pickers = {
        "blobs": DifferenceOfGaussiansPicker(90.0, 10.0, contrast="bright", max_picks=3),
        "a template": TemplateMatchingPicker(particle, angular_step_deg=60, max_picks=3),
    }
    for name, picker in pickers.items():
        picks = picker.pick(tomogram)
        record[f"picks of {name}"] = picks.coordinates
        record[f"scores of {name}"] = picks.scores


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {}
    for part in (record_table, record_demo, record_references, record_picks):
        part(found)
    found["instructions"] = torch.backends.cpu.get_cpu_capability()
    np.savez(sys.argv[1], **found)
