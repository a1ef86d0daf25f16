"""Data and networks of the demo, which ``docs/examples/plot_autoencoding_classifier.py`` shows."""

import math
import time

import numpy as np
from sklearn.model_selection import train_test_split

from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import mask_labels
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

CLASSES = ["apoferritin", "beta_galactosidase", "groel", "ribosome_70s"]
EPOCHS = 10


def simulate(random_state):
    """Return the simulated subtomograms of the demo."""
    return make_subtomograms(
        880,
        classes=CLASSES,
        box_size=16,
        voxel_size_angstrom=20.0,
        snr=2.0,
        random_state=random_state,
    )


def make_data(random_state):
    """Return volumes and labels to train on, 5 % of them labeled, and those to test on."""
    data = simulate(random_state)
    X = VolumeNormalizer().fit_transform(data.X)
    X_train, X_test, y_train, y_test = train_test_split(
        X, data.y, train_size=480, stratify=data.y, random_state=random_state
    )
    y_masked = mask_labels(y_train, labeled_fraction=0.05, random_state=random_state)
    return X_train, y_masked, X_test, y_test


def make_networks(n_volumes, n_labels, random_state):
    """Return the networks to compare, each with whether it gets the unlabeled volumes.

    The supervised one is the joint one without its reconstruction branch. It is trained for
    as many epochs, as the paper does, and once more for as many updates of its weights: an epoch
    over few volumes has few updates.
    """
    params = {
        "learning_rate": 1e-3,
        "batch_size": 16,
        "early_stopping": False,
        "random_state": random_state,
    }
    joint = AutoencodingClassifier(max_epochs=EPOCHS, **params)
    batches = math.ceil(n_volumes / joint.batch_size), math.ceil(n_labels / joint.batch_size)
    longer = EPOCHS * batches[0] // batches[1]
    return {
        "joint": (joint, True),
        "supervised": (CNNClassifier(max_epochs=EPOCHS, **params), False),
        "supervised, as many updates": (CNNClassifier(max_epochs=longer, **params), False),
    }


def compare(X_train, y_train, X_test, y_test, random_state=0):
    """Fit all networks; return a row of figures for each."""
    labeled = y_train != -1
    networks = make_networks(len(X_train), labeled.sum(), random_state)
    rows = []
    for name, (classifier, takes_unlabeled) in networks.items():
        used = np.full(len(X_train), True) if takes_unlabeled else labeled
        start = time.perf_counter()
        classifier.fit(X_train[used], y_train[used])
        rows.append(
            {
                "network": name,
                "labels": int(labeled.sum()),
                "volumes": int(used.sum()),
                "epochs": classifier.n_iter_,
                "accuracy": classifier.score(X_test, y_test),
                "reconstruction_error": classifier.reconstruction_error(X_test).mean()
                if takes_unlabeled
                else float("nan"),
                "seconds": time.perf_counter() - start,
            }
        )
    return rows
