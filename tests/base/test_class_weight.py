"""Weights of classes, of which some may have no label."""

import numpy as np
import pytest
from sklearn.base import clone

from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier

NAMES = np.array(["apoferritin", "groel", "ribosome", "unlabeled"])
QUICK = {"max_epochs": 1, "network": Liu2019(n_filters=2, n_blocks=1), "random_state": 0}


def weights(clf, X, y):
    return clf.fit(X, y).net_.criterion_.class_weight.tolist()


@pytest.mark.parametrize("lacking", [0, 1, 2, None])
def test_given_weights_hold_whichever_class_has_a_label(mostly_hidden, lacking):
    X, y = mostly_hidden
    y = np.where(y == lacking, -1, y)
    ints = CNNClassifier(**QUICK, classes=[0, 1, 2], class_weight={0: 2.0, 2: 3.0})
    assert weights(ints, X, y) == [2, 1, 3]
    names = {"ribosome": 3.0, "apoferritin": 2.0}
    complete = clone(ints).set_params(classes=None, class_weight={0: 2.0, 1: 1.0, 2: 3.0})
    given = [weight for code, weight in enumerate([2, 1, 3]) if code != lacking]
    assert weights(complete, X, y) == given
    strings = clone(ints).set_params(classes=NAMES[:3], class_weight=names)
    assert weights(strings, X, NAMES[y]) == [2, 1, 3]


def test_balanced_weights_are_those_of_the_classes_with_labels(mostly_hidden):
    X, y = mostly_hidden
    y = np.where((y == 2) | (np.arange(60) == 0), -1, y)
    clf = CNNClassifier(**QUICK, classes=[0, 1, 2], class_weight="balanced")
    assert weights(clf, X, y) == pytest.approx([7 / 6, 7 / 8, 1])


@pytest.mark.parametrize("given", [{"x": 2.0}, {0: 1.0, 7: 2.0}])
def test_weights_of_unknown_classes(mostly_hidden, given):
    name = list(given)[-1]
    with pytest.raises(ValueError, match=rf"class_weight weighs \[{name!r}\], .* \[0, 1, 2\]"):
        CNNClassifier(**QUICK, class_weight=given).fit(*mostly_hidden)
