import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import binom
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.calibration._novelty import METHODS, _source, energy_score, fit_tied_gaussians
from sksubtomo.datasets import make_subtomograms
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeNormalizer

NAMES = np.array([*"abcd", "unlabeled"])


class Plain(LogisticRegression):
    """Classifier with features."""

    def features(self, X):
        return X


class Generative(LinearDiscriminantAnalysis):
    """Classifier that knows the density of its volumes."""

    def fit(self, X, y):
        self.density_ = KernelDensity(bandwidth=1.0).fit(X)
        return super().fit(X, y)

    def score_samples(self, X):
        return self.density_.score_samples(X)


def distance_to_origin(fitted, X):
    return -np.linalg.norm(X, axis=1)


@pytest.fixture
def blobs():
    """Four well separated blobs, of which the last is the class to hold out."""
    rng = np.random.default_rng(0)
    y = np.arange(800) % 4
    X = rng.normal(size=(800, 3)) + 12 * np.array([*np.eye(3), [0.0, 0.0, 0.0]])[y]
    return X, y


# --- Scores --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [3, 40, 400])
def test_mahalanobis_distance_in_closed_form(n_features):
    # With and without more features than volumes.
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    features = rng.normal(size=(90, n_features)) * rng.uniform(0.2, 3, n_features)
    features += rng.normal(size=(3, n_features))[codes]
    means = np.stack([features[codes == code].mean(axis=0) for code in range(3)])
    precision = LedoitWolf(assume_centered=True).fit(features - means[codes]).precision_
    new = rng.normal(size=(20, n_features))
    expected = cdist(new, means, "mahalanobis", VI=precision).min(axis=1) ** 2
    gaussians = fit_tied_gaussians(features, codes)
    np.testing.assert_allclose(gaussians.score_samples(new), -expected, rtol=1e-8)


def test_features_that_do_not_vary():
    with pytest.raises(ValueError, match="do not vary within their classes"):
        fit_tied_gaussians(np.repeat(np.eye(3), 2, axis=0), np.repeat([0, 1, 2], 2))
    gaussians = fit_tied_gaussians(np.array([[0.0, 1.0], [2.0, 1.0], [0.0, 1.0]]), np.zeros(3, int))
    assert np.isfinite(gaussians.score_samples(np.array([[0.0, 9.0]]))).all()


def test_energy_in_closed_form():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=5, size=(10, 4))
    np.testing.assert_allclose(energy_score(logits), np.log(np.exp(logits).sum(axis=1)))
    x = logits[:, 0]
    np.testing.assert_allclose(energy_score(x), np.log(2 * np.cosh(x / 2)))
    np.testing.assert_allclose(energy_score(x), energy_score(-x))
    assert energy_score(np.array([2000.0])).tolist() == [1000.0]


def test_scores_are_those_of_the_classifier(blobs):
    X, y = blobs
    classifier = Generative().fit(X, y)
    expected = {
        "max_probability": classifier.predict_proba(X).max(axis=1),
        "energy": logsumexp(classifier.decision_function(X), axis=1),
        "likelihood": classifier.score_samples(X),
        distance_to_origin: -np.linalg.norm(X, axis=1),
    }
    for method, scores in expected.items():
        rejecting = RejectingClassifier(Generative(), method=method).fit(X, y)
        np.testing.assert_allclose(rejecting.score_samples(X), scores)


@pytest.mark.parametrize(
    ("estimator", "method", "message"),
    [
        (LogisticRegression(), "mahalanobis", "features or transform, which LogisticRegression"),
        (LogisticRegression(), "likelihood", r"score_samples.*\['max_probability', 'energy'\]"),
        (LabelSpreading(), "energy", r"decision_function.*\['max_probability'\]"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "mahalanobis", "Pipeline"),
        (LogisticRegression(), "other", "'method' parameter"),
        (LogisticRegression(), lambda fitted, X: X, r"finite number a volume.*\(160, 3\)"),
        (LogisticRegression(), lambda fitted, X: X[:, 0] * np.nan, "finite number a volume"),
    ],
)
def test_scores_that_do_not_fit(blobs, estimator, method, message):
    with pytest.raises(ValueError, match=message):
        RejectingClassifier(estimator, method=method).fit(*blobs)


@pytest.mark.parametrize("last", [LinearDiscriminantAnalysis(), Generative(), Plain()])
@pytest.mark.parametrize("method", METHODS)
def test_frozen_classifier_is_asked_for_the_same(blobs, last, method):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), last).fit(X, y)
    for classifier in (pipeline, last):
        assert _source(FrozenEstimator(classifier), method) == _source(classifier, method)


def test_features_within_a_frozen_pipeline(blobs):
    class Both(LinearDiscriminantAnalysis):
        def features(self, X):
            return X

    X, y = blobs
    for last in (Plain(), Both()):
        pipeline = make_pipeline(StandardScaler(), last).fit(X, y)
        plain, frozen = (
            RejectingClassifier(each, method="mahalanobis").fit(X, y)
            for each in (pipeline, FrozenEstimator(pipeline))
        )
        np.testing.assert_allclose(frozen.score_samples(X), plain.score_samples(X))


# --- The threshold -------------------------------------------------------------------------------


@pytest.mark.parametrize("quantile", [0.0, 0.05, 0.5])
def test_threshold_is_the_quantile_of_held_out_scores(blobs, quantile):
    X, y = blobs
    held_out = cross_val_predict(
        LogisticRegression(), X, y, cv=StratifiedKFold(4), method="predict_proba"
    )
    rejecting = RejectingClassifier(LogisticRegression(), quantile=quantile, cv=4).fit(X, y)
    assert rejecting.offset_ == pytest.approx(np.quantile(held_out.max(axis=1), quantile))


def test_hidden_rows_do_not_move_the_threshold(blobs):
    X, y = blobs
    hidden = np.where(np.arange(800) % 5, y, -1)
    frozen = FrozenEstimator(LogisticRegression().fit(X, y))
    rejecting = RejectingClassifier(frozen, quantile=0.2).fit(X, hidden)
    scores = rejecting.score_samples(X[hidden >= 0])
    assert rejecting.offset_ == np.quantile(scores, 0.2)
    assert np.mean(scores < rejecting.offset_) == pytest.approx(0.2)


@pytest.mark.parametrize("method", ["mahalanobis", "likelihood"])
def test_class_held_out_is_rejected_and_known_ones_are_kept(blobs, method):
    X, y = blobs
    known = y < 3
    train = known & (np.arange(800) < 400)
    rejecting = RejectingClassifier(Generative(), method=method).fit(X[train], y[train])
    assert rejecting.is_unknown(X[~known]).all()
    new = known & ~train
    # 300 volumes, each lost with a chance of about 5 %, itself known from 300.
    low, high = binom.interval(1 - 1e-6, 300, 0.05)
    assert low < rejecting.is_unknown(X[new]).sum() < 1.5 * high
    predicted = rejecting.predict(X)
    assert set(predicted[~known]) == {-1}
    kept = ~rejecting.is_unknown(X)
    assert np.array_equal(predicted[kept], y[kept])
    assert rejecting.score(X[new], y[new]) == np.mean(kept[new])


def test_frozen_classifier_is_not_judged_on_its_own_means(blobs):
    X, y = blobs
    frozen = FrozenEstimator(LinearDiscriminantAnalysis().fit(X, y))
    few = np.arange(80)
    rejecting = RejectingClassifier(frozen, method="mahalanobis", quantile=0.5).fit(X[few], y[few])
    assert rejecting.offset_ < np.quantile(rejecting.score_samples(X[few]), 0.5)


def test_share_is_kept_with_more_features_than_volumes():
    # The covariance of few volumes depends on their number, which must not shift the threshold.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1200, 500)) * rng.uniform(0.1, 3, 500), np.arange(1200) % 2
    frozen = FrozenEstimator(Plain(max_iter=5, tol=1e9).fit(X, y))
    rejecting = RejectingClassifier(frozen, method="mahalanobis", quantile=0.1)
    rejecting.fit(X[:200], y[:200])
    assert 0.04 < rejecting.is_unknown(X[200:]).mean() < 0.17


# --- Labels --------------------------------------------------------------------------------------


def test_predictions_can_be_labels(blobs):
    X, y = blobs
    ints = RejectingClassifier(LogisticRegression(), quantile=0.1).fit(X, y)
    names = RejectingClassifier(LogisticRegression(), quantile=0.1).fit(X, NAMES[y])
    assert (ints.unknown_label_, names.unknown_label_) == (-1, "unlabeled")
    assert np.array_equal(names.predict(X), NAMES[ints.predict(X)])
    assert names.score(X, NAMES[y]) == ints.score(X, y)
    assert (ints.predict(X) == -1).any()
    again = RejectingClassifier(LabelSpreading(gamma=1.0)).fit(X, ints.predict(X))
    assert again.classes_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [np.uint8, object, float])
def test_types_of_labels(blobs, dtype):
    X, y = blobs
    rejecting = RejectingClassifier(LogisticRegression(), quantile=0.5)
    predicted = (
        rejecting.fit(X, y.astype(dtype)).predict(X)
        if dtype is not object
        else (rejecting.fit(X, NAMES.astype(object)[y]).predict(X))
    )
    assert ("unlabeled" if dtype is object else -1) in predicted


def test_label_of_the_unknown(blobs):
    X, y = blobs
    rejecting = RejectingClassifier(LogisticRegression(), quantile=0.5, unknown_label=99)
    assert set(rejecting.fit(X, y).predict(X)) == {0, 1, 2, 3, 99}
    with pytest.raises(ValueError, match="unknown_label=99 must be of the kind of the labels"):
        rejecting.fit(X, NAMES[y])
    with pytest.raises(ValueError, match="unknown_label=3 is one of the known classes"):
        rejecting.set_params(unknown_label=3).fit(X, y)
    long = clone(rejecting).set_params(unknown_label="none of these").fit(X, NAMES[y])
    assert "none of these" in long.predict(X)


def test_without_labels(blobs):
    X, y = blobs
    for classifier in (LogisticRegression(), FrozenEstimator(LogisticRegression().fit(X, y))):
        for unknown_label in (None, "none of these"):
            rejecting = RejectingClassifier(classifier, unknown_label=unknown_label)
            with pytest.raises(ValueError, match="every label in y is hidden"):
                rejecting.fit(X, np.full(len(X), -1))


def test_weighted_score(blobs):
    X, y = blobs
    hidden = np.where(np.arange(800) % 3, y, -1)
    rejecting = RejectingClassifier(LogisticRegression(), quantile=0.3).fit(X, y)
    right = rejecting.predict(X) == y
    weight = np.arange(800.0)
    known = hidden >= 0
    expected = np.average(right[known], weights=weight[known])
    assert rejecting.score(X, hidden, weight) == pytest.approx(expected)
    assert rejecting.score(X, hidden, sample_weight=None) == rejecting.score(X, hidden)
    assert rejecting.score(X, hidden) == pytest.approx(right[known].mean())


# --- With other tools ----------------------------------------------------------------------------


def test_parameters_methods_and_pickle(blobs):
    X, y = blobs
    rejecting = RejectingClassifier(LinearDiscriminantAnalysis(), method="mahalanobis", cv=3)
    twin = clone(rejecting)
    assert twin.get_params()["method"] == "mahalanobis"
    assert twin.set_params(estimator__tol=1e-3).estimator.tol == 1e-3
    rejecting.fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(rejecting)).predict(X), rejecting.predict(X))
    assert np.array_equal(rejecting.transform(X), rejecting.estimator_.transform(X))
    assert np.array_equal(rejecting.predict_proba(X), rejecting.estimator_.predict_proba(X))
    assert not hasattr(RejectingClassifier(LogisticRegression()), "transform")
    pipeline = make_pipeline(StandardScaler(), clone(rejecting))
    hidden = np.where(np.arange(800) < 600, y, -1)
    scores = cross_val_score(pipeline, X[hidden >= 0], y[hidden >= 0], cv=SemiSupervisedSplit(2))
    assert (scores > 0.85).all()


def test_other_methods_are_those_of_the_classifier(blobs):
    X, y = blobs
    rejecting = RejectingClassifier(LinearDiscriminantAnalysis()).fit(X, y)
    for method in ("predict_proba", "predict_log_proba", "decision_function", "transform"):
        inner = getattr(rejecting.estimator_, method)(X)
        assert np.array_equal(getattr(rejecting, method)(X), inner)
    names = rejecting.set_output(transform="pandas").fit(X, y).transform(X).columns.tolist()
    assert names == rejecting.get_feature_names_out().tolist()


@pytest.mark.parametrize("params", [{"quantile": False}, {"unknown_label": True}], ids=str)
def test_booleans_are_no_numbers(blobs, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        RejectingClassifier(LogisticRegression(), **params).fit(*blobs)


def test_around_and_inside_temperature_scaling(blobs):
    X, y = blobs
    X = X + np.random.default_rng(1).normal(scale=6, size=X.shape)  # to err now and then
    scaled = TemperatureScaledClassifier(LogisticRegression(), cv=2)
    outer = RejectingClassifier(scaled, cv=2).fit(X, y)
    probabilities = clone(scaled).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(outer.predict_proba(X), probabilities)
    np.testing.assert_allclose(outer.score_samples(X), probabilities.max(axis=1))


# --- On volumes ----------------------------------------------------------------------------------


def test_volumes_of_a_class_held_out_score_lower():
    X, y = make_subtomograms(
        240,
        classes=["apoferritin", "groel", "ribosome_70s"],
        box_size=8,
        voxel_size_angstrom=40.0,
        snr=20.0,
        max_shift_voxels=0.0,
        return_X_y=True,
        random_state=0,
    )
    train = (y < 2) & (np.arange(240) < 120)
    new = np.arange(240) >= 120
    cnn = CNNClassifier(
        learning_rate=3e-3,
        max_epochs=8,
        batch_size=16,
        early_stopping=False,
        network=Liu2019(n_filters=8),
        random_state=0,
    )
    pipeline = make_pipeline(VolumeNormalizer(), cnn)
    rejecting = RejectingClassifier(pipeline, method="mahalanobis", cv=2).fit(X[train], y[train])
    known = rejecting.score_samples(X[new & (y < 2)])
    unknown = rejecting.score_samples(X[new & (y == 2)])
    error = np.hypot(known.std() / len(known) ** 0.5, unknown.std() / len(unknown) ** 0.5)
    assert known.mean() - unknown.mean() > 5 * error
