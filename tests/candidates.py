"""Candidates and settings that tests of their classifier share."""

import numpy as np

from sksubtomo.alignment import Annealing
from sksubtomo.semi_supervised import CandidateClassifier

QUICK = Annealing(stages=[(3, 60, 1, 4)], n_frozen_iter=2, class_perplexity=1)


def blobs(n, seed=0, size=12):
    """Blobs of two radii in noise: small ones are particles; and a score that says little."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    axis = np.arange(size) - size // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    shapes = np.stack([np.exp(-((radius / r) ** 2)) for r in (4.0, 2.0)])
    X = 2.0 * shapes[y] + rng.normal(size=(n, size, size, size))
    return X.astype(np.float32), y, y + 2 * rng.normal(size=n)


def labeled_blobs():
    """Return boxes, classes, classes of the first sixty and -1, and the score."""
    X, y, score = blobs(200)
    return X, y, np.where(np.arange(200) < 60, y, -1), score


def quick(**params):
    return CandidateClassifier(**{"references": None, "random_state": 0, **params})
