"""Transformers with a decoder, and the one that can do without."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sksubtomo.decomposition import Autoencoder, VariationalAutoencoder
from sksubtomo.networks import Liu2019
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import AutoencodingClassifier

QUICK = {
    "max_epochs": 1,
    "batch_size": 20,
    "early_stopping": False,
    "network": Liu2019(n_filters=4, latent_dim=6),
    "random_state": 0,
    "precision": "float32",
}
METHODS = [
    "transform",
    "get_feature_names_out",
    "inverse_transform",
    "reconstruct",
    "reconstruction_error",
]


def quick(**params):
    return AutoencodingClassifier(**{**QUICK, **params})


@pytest.mark.parametrize("method", METHODS)
def test_untrained_branch_is_not_offered(mostly_hidden, method):
    X, y = mostly_hidden
    for clf in (quick(alpha=0), quick(alpha=0).fit(X, y)):
        assert not hasattr(clf, method)
        assert not hasattr(clf, "set_output")
        with pytest.raises(AttributeError, match=f"has no attribute '{method}': .*alpha=0"):
            getattr(clf, method)(X)
    assert hasattr(AutoencodingClassifier, method)


def test_fit_transform_says_so_before_training(mostly_hidden):
    clf = quick(alpha=0)
    assert not hasattr(clf, "fit_transform")
    with pytest.raises(AttributeError, match="has no attribute 'fit_transform': alpha=0 switches"):
        clf.fit_transform(*mostly_hidden)
    assert not hasattr(clf, "net_")
    codes = clf.set_params(alpha=1.0).fit_transform(*mostly_hidden)
    assert np.array_equal(codes, clf.transform(mostly_hidden[0]))


def test_unlabeled_volumes_alone_train_the_branch(mostly_hidden):
    clf = quick(alpha=0).set_params(training__reconstruction__unlabeled_weight=1.0)
    assert clf.fit_transform(*mostly_hidden).shape == (60, 6)


def test_what_was_trained_counts_not_what_will_be(mostly_hidden):
    X, y = mostly_hidden
    clf = quick().fit(X, y)
    expected = {"transform": clf.transform(X), "reconstruct": clf.reconstruct(X)}
    clf.set_params(alpha=0)
    for method, values in expected.items():
        assert np.array_equal(getattr(clf, method)(X), values)
    assert not hasattr(clf, "fit_transform")
    clf.fit(X, y).set_params(alpha=1.0)
    with pytest.raises(AttributeError, match="it was fitted with alpha=0"):
        clf.transform(X)
    assert hasattr(clf, "fit_transform")


def test_a_wrong_alpha_is_named_by_fit(mostly_hidden):
    with pytest.raises(ValueError, match="'alpha' parameter"):
        quick(alpha="0").fit_transform(*mostly_hidden)


def test_a_classifier_without_the_branch_ends_a_pipeline(mostly_hidden):
    X, y = mostly_hidden
    pipeline = make_pipeline(VolumeNormalizer(), quick(alpha=0)).set_output(transform="pandas")
    assert pipeline.fit(X, y).predict(X).shape == (60,)


@pytest.mark.parametrize("make", [Autoencoder, VariationalAutoencoder, AutoencodingClassifier])
def test_fit_transform_is_fit_and_transform(mostly_hidden, make):
    X, y = mostly_hidden
    first, second = make(**QUICK), make(**{**QUICK, "early_stopping": True})
    assert np.array_equal(first.fit_transform(X, y), clone(first).fit(X, y).transform(X))
    codes = second.fit_transform(X, y, X_val=X[:12], y_val=y[:12])
    assert np.array_equal(codes, clone(second).fit(X, y, X_val=X[:12], y_val=y[:12]).transform(X))


@pytest.mark.parametrize("make", [Autoencoder, VariationalAutoencoder, AutoencodingClassifier])
def test_codes_in_every_form(mostly_hidden, make):
    X, y = mostly_hidden
    estimator = make(**QUICK).fit(X, y)
    codes = estimator.transform(X)
    expected = estimator.inverse_transform(codes)
    table = estimator.set_output(transform="pandas").transform(X)
    assert table.columns.tolist() == estimator.get_feature_names_out().tolist()
    for form in (table, codes.tolist(), list(codes), codes.astype(np.float64)):
        assert np.array_equal(estimator.inverse_transform(form), expected)
    with pytest.raises(ValueError, match=r"codes must have 2 dimensions.*codes\[np.newaxis\]"):
        estimator.inverse_transform(codes[0])
