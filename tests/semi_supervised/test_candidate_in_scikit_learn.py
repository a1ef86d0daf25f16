"""The classifier of candidates in searches, pipelines and model files, and its operating point."""

import importlib.util
import warnings

import numpy as np
import pytest
import sklearn
from candidates import QUICK, labeled_blobs, quick
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.persistence import load_model, save_model
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import (
    MultiReferenceClassifier,
)


@pytest.fixture(scope="module")
def data():
    return labeled_blobs()


@pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None,  # of scikit-learn 1.9
    reason="scikit-learn 1.7 routes nothing to the score of a pipeline within a search",
)
def test_searches_and_pipelines_with_routed_columns(data):
    X, _, hidden, score = data
    with sklearn.config_context(enable_metadata_routing=True):
        inner = quick()
        for method in ("fit", "predict", "score"):
            getattr(inner, f"set_{method}_request")(covariates=True)
        pipeline = make_pipeline(VolumeNormalizer(), inner)
        search = GridSearchCV(
            pipeline, {"candidateclassifier__C": [1e-6, 1.0]}, cv=SemiSupervisedSplit(2)
        )
        search.fit(X, hidden, covariates=score)
        assert search.best_params_ == {"candidateclassifier__C": 1.0}
        scores = cross_val_score(
            pipeline, X, hidden, cv=SemiSupervisedSplit(2), params={"covariates": score}
        )
    assert scores.min() > 0.8


def test_operating_point_of_a_fit(data):
    X, y, hidden, score = data
    fitted = quick().fit(X, hidden, covariates=score)
    point = fitted.operating_point(X, precision=0.9, covariates=score)
    kept = fitted.predict_proba(X, covariates=score)[:, 1] >= point.threshold
    assert kept.sum() == point.n_kept
    assert point.precision >= 0.9
    low, high = point.precision_interval
    assert low <= y[kept].mean() <= high
    with pytest.raises(ValueError, match=r"pos_label=7 is not among the classes \[0, 1\]"):
        fitted.operating_point(X, recall=0.9, pos_label=7, covariates=score)


def test_same_seed_same_bits(data):
    X, _, hidden, score = data
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None, random_state=0)
    model = quick(references=references)
    one, two = (clone(model).fit(X, hidden, covariates=score) for _ in range(2))
    assert np.array_equal(
        one.predict_proba(X, covariates=score), two.predict_proba(X, covariates=score)
    )


def test_model_file(data, tmp_path):
    X, _, hidden, score = data
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None)
    flat = X.reshape(len(X), -1)
    model = quick(references=references, volume_shape=12)
    names = np.array(["a", "b"])[np.arange(200) % 2]
    fitted = model.fit(flat, hidden, covariates=score, tomograms=names)
    save_model(fitted, tmp_path / "model.sksubtomo")
    loaded = load_model(tmp_path / "model.sksubtomo")
    given = {"covariates": score, "tomograms": names}
    assert np.array_equal(loaded.predict_proba(flat, **given), fitted.predict_proba(flat, **given))
    assert loaded.contributions_ == fitted.contributions_


def test_boxes_that_are_no_cubes(data):
    X, y, hidden, score = data
    fitted = quick(references="auto").fit(X[:, :, :6], hidden, covariates=score)
    assert not fitted.fold_references_
    assert fitted.score(X[:, :, :6], y, covariates=score) > 0.7


def test_no_warning_of_references_that_have_no_structure(data):
    X, _, hidden, _ = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(references=MultiReferenceClassifier(annealing=QUICK)).fit(X, hidden)
