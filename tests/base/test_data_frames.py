"""Flat rows in data frames, whose columns have names."""

import numpy as np
import pandas as pd
import pytest

from sksubtomo.alignment import Annealing
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.semi_supervised import MultiReferenceClassifier

CLASSIFIERS = [
    CNNClassifier(
        max_epochs=2, network=Liu2019(n_filters=2), volume_shape=8, random_state=0, device="cpu"
    ),
    MultiReferenceClassifier(
        annealing=Annealing(stages=[(3, 90, 1, 2)], n_frozen_iter=1),
        volume_shape=8,
        random_state=0,
        device="cpu",
    ),
]


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_score_knows_the_columns(classifier, easy_volumes):
    X, y = easy_volumes
    frame = pd.DataFrame(X.reshape(60, -1)).add_prefix("voxel ")
    hidden, weights = np.where(np.arange(60) < 20, -1, y), np.linspace(1, 2, 60)
    classifier.fit(frame, y)
    right = (classifier.predict(frame) == y).astype(float)
    assert classifier.score(frame, y) == pytest.approx(right.mean())
    expected = np.average(right[20:], weights=weights[20:])
    assert classifier.score(frame, hidden, sample_weight=weights) == pytest.approx(expected)
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.score(frame.add_prefix("other "), y)
