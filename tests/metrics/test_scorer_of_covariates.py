"""Metadata of predictions, such as the covariates of candidates, in scorers and searches."""

import copy

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.metrics import average_precision_score, fbeta_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sksubtomo.metrics import get_labeled_scorer, get_labeled_scorer_names, make_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit, cross_val_predict
from sksubtomo.semi_supervised import CandidateClassifier

METHODS = ("fit", "predict", "predict_proba", "decision_function", "score")


@pytest.fixture(scope="module")
def data():
    """Boxes that say nothing, labels of half of them, and a score that says much."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], 40))
    X = rng.normal(size=(80, 4, 4, 4)).astype(np.float32)
    return X, np.where(np.arange(80) < 40, y, -1), y + 0.6 * rng.normal(size=80)


@pytest.fixture
def routed():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def classifier():
    made = CandidateClassifier(references=None, random_state=0)
    for method in METHODS:
        getattr(made, f"set_{method}_request")(covariates=True)
    return made


@pytest.mark.parametrize("name", get_labeled_scorer_names())
def test_what_the_metric_does_not_take_is_for_the_predictions(data, name):
    X, y, score = data
    fitted = CandidateClassifier(references=None, random_state=0).fit(X, y, covariates=score)
    scorer = get_labeled_scorer(name)
    given = scorer(fitted, X, y, covariates=score)
    labeled = y >= 0
    own = {
        method: getattr(fitted, method)(X[labeled], covariates=score[labeled])
        for method in ("predict", "predict_proba", "decision_function")
    }

    class Known:
        """Has made its predictions."""

        classes_ = fitted.classes_
        __sklearn_tags__ = fitted.__sklearn_tags__

        def predict(self, X):
            return own["predict"]

        def predict_proba(self, X):
            return own["predict_proba"]

    assert given == pytest.approx(scorer(Known(), X, y), rel=1e-12)
    with pytest.raises(ValueError, match="0 covariates"):
        scorer(fitted, X, y)
    weight = np.arange(80.0)
    weighted = scorer(fitted, X, y, covariates=score, sample_weight=weight)
    assert weighted == pytest.approx(scorer(Known(), X, y, sample_weight=weight), rel=1e-12)


@pytest.mark.usefixtures("routed")
def test_what_the_metric_takes_is_for_the_metric(data):
    X, y, score = data
    fitted = CandidateClassifier(references=None, random_state=0).fit(X, y, covariates=score)

    def cost(y_true, y_pred, *, prices):
        return float(prices[y_true != y_pred].sum())

    def anything(y_true, y_pred, **more):
        return float(len(more["covariates"]))

    scorer = make_labeled_scorer(make_scorer(cost, greater_is_better=False))
    # Other covariates than it was fitted to, so that some are wrong.
    wrong = (fitted.predict(X, covariates=-score) != y) & (y >= 0)
    assert wrong.any()
    prices = np.arange(80.0)
    assert scorer(fitted, X, y, covariates=-score, prices=prices) == -prices[wrong].sum()
    with pytest.raises(ValueError, match="0 covariates"):
        make_labeled_scorer(make_scorer(anything))(fitted, X, y, covariates=score)


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_searches_by_a_ranking(data, in_pipeline):
    X, y, score = data
    model, prefix = classifier(), ""
    if in_pipeline:
        model, prefix = make_pipeline(FunctionTransformer(), model), "candidateclassifier__"
    scorer = get_labeled_scorer("average_precision").set_score_request(covariates=True)
    assert scorer.get_metadata_routing().score.requests["covariates"] is True
    folds = SemiSupervisedSplit(3)
    search = GridSearchCV(model, {f"{prefix}C": [1e-6, 1.0]}, scoring=scorer, cv=folds)
    search.fit(X, y, covariates=score)
    assert search.best_score_ > 0.8
    for number, (train, test) in enumerate(folds.split(X, y)):
        inner = clone(model).set_params(**search.best_params_)
        inner.fit(X[train], y[train], covariates=score[train])
        own = inner.predict_proba(X[test], covariates=score[test])[:, 1]
        expected = average_precision_score(y[test], own)
        found = search.cv_results_[f"split{number}_test_score"][search.best_index_]
        assert found == pytest.approx(expected)


@pytest.mark.usefixtures("routed")
def test_several_scorers_with_other_names_of_the_metadata(data):
    X, y, score = data
    scoring = {
        "ap": get_labeled_scorer("average_precision").set_score_request(covariates="figure"),
        "f2": make_labeled_scorer(make_scorer(fbeta_score, beta=2)).set_score_request(
            covariates="figure", sample_weight="weight"
        ),
    }
    model = CandidateClassifier(references=None, random_state=0).set_fit_request(
        covariates="figure"
    )
    folds, weight = SemiSupervisedSplit(3), np.arange(80.0)
    params = {"figure": score, "weight": weight}
    result = cross_validate(model, X, y, scoring=scoring, cv=folds, params=params)
    for number, (train, test) in enumerate(folds.split(X, y)):
        inner = clone(model).fit(X[train], y[train], covariates=score[train])
        proba = inner.predict_proba(X[test], covariates=score[test])
        ap = average_precision_score(y[test], proba[:, 1])
        f2 = fbeta_score(y[test], proba.argmax(axis=1), beta=2, sample_weight=weight[test])
        assert result["test_ap"][number] == pytest.approx(ap)
        assert result["test_f2"][number] == pytest.approx(f2)


@pytest.mark.parametrize("name", ["accuracy", "average_precision"])
def test_medians_of_tomograms_are_those_of_all_rows(data, name):
    """Those of the labeled rows only would be of a few true ones, say."""
    rng = np.random.default_rng(1)
    is_true = rng.permutation(np.arange(180) % 10 < 3)
    tomograms = np.repeat([0, 1, 2], 60)
    score = 3 * is_true + rng.normal(size=180) + 15 * tomograms
    X = np.zeros((180, 4, 4, 4), dtype=np.float32)
    learned = tomograms < 2
    fitted = CandidateClassifier(references=None, statistics=False).fit(
        X[learned], is_true[learned], covariates=score[learned], tomograms=tomograms[learned]
    )
    given = {"covariates": score[~learned], "tomograms": tomograms[~learned]}
    y = np.full(60, -1)
    own = is_true[~learned]
    known = np.r_[np.flatnonzero(own)[:8], np.flatnonzero(~own)[:2]]
    y[known] = own[known]
    proba = fitted.predict_proba(X[~learned], **given)[known, 1]
    expected = {
        "accuracy": np.mean((proba > 0.5) == y[known]),
        "average_precision": average_precision_score(y[known], proba),
    }[name]
    found = get_labeled_scorer(name)(fitted, X[~learned], y, **given)
    assert found == pytest.approx(expected)
    of_labeled = fitted.predict_proba(
        X[~learned][known], **{key: value[known] for key, value in given.items()}
    )
    assert np.abs(of_labeled[:, 1] - proba).max() > 0.1


def test_scorers_of_other_makers(data):
    X, y, score = data
    fitted = CandidateClassifier(references=None, random_state=0).fit(X, y, covariates=score)

    def share(estimator, X, y):
        copied = copy.copy(estimator)
        return float(np.mean(copied.predict(X) == y))

    scorer = make_labeled_scorer(share)
    expected = fitted.score(X, y, covariates=score)
    assert scorer(fitted, X, y, covariates=score) == pytest.approx(expected)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer.set_score_request(covariates="figure")
        assert scorer.get_metadata_routing().score.requests == {"covariates": "figure"}
        scorer.set_score_request(covariates=sklearn.utils.metadata_routing.UNCHANGED)
        assert scorer.get_metadata_routing().score.requests == {"covariates": "figure"}


def test_requests_need_routing():
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        get_labeled_scorer("roc_auc").set_score_request(covariates=True)


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_cross_validated_predictions(data, method):
    X, y, score = data
    folds = SemiSupervisedSplit(3)
    found, mask = cross_val_predict(
        classifier(),
        X,
        y,
        cv=folds,
        params={"covariates": score},
        method=method,
        return_mask=True,
    )
    assert np.array_equal(mask, y >= 0)
    for train, test in folds.split(X, y):
        inner = classifier().fit(X[train], y[train], covariates=score[train])
        expected = getattr(inner, method)(X[test], covariates=score[test])
        np.testing.assert_allclose(found[test], expected)
    unset = CandidateClassifier(references=None, random_state=0).set_fit_request(covariates=True)
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="covariates"):
        cross_val_predict(unset, X, y, cv=folds, params={"covariates": score}, method=method)


class Scaled(TransformerMixin, ClassifierMixin, BaseEstimator):
    """Transformer that is given what to multiply by."""

    def fit(self, X, y):
        self.classes_ = np.unique(y[y != -1])
        return self

    def transform(self, X, *, factor):
        return X * factor[:, np.newaxis]


@pytest.mark.usefixtures("routed")
def test_cross_validated_transforms():
    X, factor = np.ones((12, 2)), np.arange(12.0)
    y = np.where(np.arange(12) < 8, np.arange(12) % 2, -1)
    model = Scaled().set_transform_request(factor=True)
    found = cross_val_predict(model, X, y, cv=2, params={"factor": factor}, method="transform")
    np.testing.assert_array_equal(found[:8], factor[:8, np.newaxis] * X[:8])
    assert np.isnan(found[8:]).all()
