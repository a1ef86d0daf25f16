"""scikit-learn's tools on labels of which some are hidden: right, or refused with the remedy."""

import numpy as np
import pytest
from sklearn import model_selection as stock
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    validation_curve,
)

from sksubtomo.exceptions import SuspiciousLabelWarning
from sksubtomo.metrics import drop_unlabeled, get_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict, mask_labels
from sksubtomo.networks import Liu2019
from sksubtomo.semi_supervised import AutoencodingClassifier


@pytest.fixture(scope="module")
def data():
    """Volumes that an autoencoding classifier is right about, labels, and half of them."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(3, 8, 8, 8))[y] + 0.3 * rng.normal(size=(60, 8, 8, 8))
    return X.astype(np.float32), y, mask_labels(y, labeled_fraction=0.5, random_state=0)


@pytest.fixture
def classifier():
    return AutoencodingClassifier(
        precision="float32",
        max_epochs=10,
        learning_rate=3e-3,
        batch_size=16,
        early_stopping=False,
        network=Liu2019(n_filters=4, latent_dim=6),
        random_state=0,
    )


def test_out_of_fold_probabilities(classifier, data):
    X, y, hidden = data
    p, mask = cross_val_predict(
        classifier, X, hidden, cv=3, method="predict_proba", return_mask=True
    )
    assert p.shape == (60, 3)
    assert np.array_equal(mask, hidden >= 0)
    assert np.isnan(p[~mask]).all()
    assert np.array_equal(p[mask].argmax(axis=1), y[mask])
    truth, predicted = drop_unlabeled(hidden, cross_val_predict(classifier, X, hidden, cv=3))
    assert np.array_equal(truth, predicted)
    with pytest.raises(ValueError, match=r"sksubtomo\.model_selection\.cross_val_predict"):
        stock.cross_val_predict(classifier, X, hidden, cv=3, method="predict_proba")


def test_train_scores(classifier, data):
    X, _, hidden = data
    params = {"param_name": "alpha", "param_range": [1.0], "cv": SemiSupervisedSplit(3)}
    for scoring in (None, get_labeled_scorer("accuracy")):
        train, test = validation_curve(classifier, X, hidden, scoring=scoring, **params)
        assert train.mean() == test.mean() == 1.0
    with pytest.warns(UserWarning, match=r"get_labeled_scorer\('accuracy'\)"):
        train, test = validation_curve(classifier, X, hidden, scoring="accuracy", **params)
    assert np.isnan(train).all()
    assert test.mean() == 1.0


def test_score_of_a_search(classifier, data):
    X, _, hidden = data
    search = GridSearchCV(classifier, {"alpha": [1.0]}, cv=SemiSupervisedSplit(3))
    for scoring in (None, get_labeled_scorer("accuracy")):
        search.set_params(scoring=scoring).fit(X, hidden)
        assert search.best_score_ == search.score(X, hidden) == 1.0
    search.set_params(scoring="accuracy").fit(X, hidden)
    assert search.best_score_ == 1.0
    with pytest.raises(ValueError, match="30 unlabeled rows of 60.*get_labeled_scorer"):
        search.score(X, hidden)
    y_labeled, X_labeled = drop_unlabeled(hidden, X)
    assert search.score(X_labeled, y_labeled) == 1.0


def test_tuned_threshold(data):
    X, y, _ = data
    X, y = X[y < 2].reshape(40, -1), y[y < 2]
    tuned = TunedThresholdClassifierCV(
        LogisticRegression(), scoring=get_labeled_scorer("balanced_accuracy"), cv=2
    ).fit(X, y)
    assert tuned.best_score_ == tuned.score(X, y) == 1.0


def test_british_spelling(classifier, data):
    X, y, hidden = data
    words = np.where(hidden >= 0, np.array(["a", "b", "c"])[y], "unlabelled")
    classifier.set_params(max_epochs=1)
    with pytest.warns(
        SuspiciousLabelWarning, match="Only 'unlabeled' .* not 'unlabelled'"
    ) as caught:
        classifier.fit(X, words)
    assert len(caught) == 1
    classifier.fit(X, np.where(words == "unlabelled", "unlabeled", words))
    assert classifier.classes_.tolist() == ["a", "b", "c"]
