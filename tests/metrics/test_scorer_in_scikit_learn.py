"""Tools of scikit-learn that look into scorers take those for labeled rows."""

import pickle
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    fbeta_score,
    get_scorer,
    make_scorer,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    HalvingGridSearchCV,
    LearningCurveDisplay,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
)
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.metrics import get_labeled_scorer, get_labeled_scorer_names, make_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.semi_supervised import WithUnlabeled


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def unbalanced():
    """Rows of two classes that overlap, one of them five times as frequent."""
    rng = np.random.default_rng(0)
    y = (np.arange(180) % 6 == 0).astype(int)
    return y[:, np.newaxis] + rng.normal(scale=0.7, size=(180, 2)), y


@pytest.mark.parametrize("name", get_labeled_scorer_names())
@pytest.mark.parametrize("response_method", ["predict_proba", "decision_function"])
def test_tuned_threshold(unbalanced, name, response_method):
    X, y = unbalanced
    ours, theirs = (
        TunedThresholdClassifierCV(
            LogisticRegression(),
            scoring=scoring,
            cv=3,
            thresholds=20,
            response_method=response_method,
        ).fit(X, y)
        for scoring in (get_labeled_scorer(name), name)
    )
    assert ours.best_threshold_ == theirs.best_threshold_
    assert ours.best_score_ == theirs.best_score_
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    if name == "balanced_accuracy":
        assert ours.best_threshold_ != 0.5
    pickle.loads(pickle.dumps(ours))


def test_tuned_threshold_of_any_metric(unbalanced):
    X, y = unbalanced
    inner = make_scorer(fbeta_score, beta=2, pos_label=0)
    ours, theirs = (
        TunedThresholdClassifierCV(LogisticRegression(), scoring=scoring, cv=3, thresholds=20).fit(
            X, y
        )
        for scoring in (make_labeled_scorer(inner), inner)
    )
    assert ours.best_threshold_ == theirs.best_threshold_
    with pytest.raises(AttributeError, match="not made of a metric of labels.*make_scorer"):
        TunedThresholdClassifierCV(
            LogisticRegression(), scoring=make_labeled_scorer(lambda est, X, y: 1.0)
        ).fit(X, y)


def test_tuned_threshold_of_a_classifier_with_unlabeled_rows(unbalanced):
    X, y = unbalanced
    hidden = np.where(np.random.default_rng(1).random(180) < 0.7, y, -1)
    rows = hidden >= 0
    classifier = WithUnlabeled(LabelSpreading(gamma=1.0), X[~rows])
    tuned = TunedThresholdClassifierCV(
        classifier, scoring=get_labeled_scorer("balanced_accuracy"), cv=3, thresholds=20
    ).fit(X[rows], y[rows])
    stock = clone(tuned).set_params(scoring="balanced_accuracy")
    assert tuned.best_threshold_ == stock.fit(X[rows], y[rows]).best_threshold_
    score = get_labeled_scorer("balanced_accuracy")(tuned, X, hidden)
    assert score == balanced_accuracy_score(y[rows], tuned.predict(X[rows]))


@pytest.mark.parametrize("name", ["accuracy", "roc_auc"])
def test_tuned_threshold_with_routed_weights(unbalanced, name):
    X, y = unbalanced
    weight = np.where(y, 9.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        ours, theirs = (
            TunedThresholdClassifierCV(
                LogisticRegression().set_fit_request(sample_weight=True),
                scoring=scorer.set_score_request(sample_weight=True),
                cv=3,
                thresholds=20,
            ).fit(X, y, sample_weight=weight)
            for scorer in (get_labeled_scorer(name), get_scorer(name))
        )
    plain = TunedThresholdClassifierCV(LogisticRegression(), scoring=name, cv=3, thresholds=20)
    plain.fit(X, y)
    assert ours.best_threshold_ == theirs.best_threshold_ != plain.best_threshold_


def test_fixed_threshold(unbalanced):
    X, y = unbalanced
    hidden = np.where(np.random.default_rng(1).random(180) < 0.7, y, -1)
    fixed = FixedThresholdClassifier(LogisticRegression(), threshold=0.2).fit(X, y)
    rows = hidden >= 0
    for name in ("accuracy", "roc_auc"):
        expected = get_scorer(name)(fixed, X[rows], y[rows])
        assert get_labeled_scorer(name)(fixed, X, hidden) == pytest.approx(expected)


def test_permutation_importance(noisy):
    classifier, X, y = noisy
    labeled = y >= 0
    params = {"n_repeats": 3, "random_state": 0}
    scoring = {name: get_labeled_scorer(name) for name in ("accuracy", "roc_auc")}
    weight = np.arange(120.0)
    for sample_weight in (None, weight):
        result = permutation_importance(
            classifier, X, y, scoring=scoring, sample_weight=sample_weight, **params
        )
        for name in scoring:
            alone = permutation_importance(
                classifier, X, y, scoring=scoring[name], sample_weight=sample_weight, **params
            )
            assert np.array_equal(result[name].importances, alone.importances)
    without = permutation_importance(
        classifier, X[labeled], y[labeled], scoring="accuracy", **params
    )
    assert without.importances_mean.shape == (2,)
    assert result["accuracy"].importances_mean.max() > 0


def test_halving(noisy):
    _, X, y = noisy
    search = HalvingGridSearchCV(
        LabelSpreading(),
        {"gamma": [1e-3, 1.0]},
        resource="max_iter",
        min_resources=20,
        max_resources=40,
        factor=2,
        cv=SemiSupervisedSplit(3),
        scoring=get_labeled_scorer("neg_log_loss"),
        error_score="raise",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    assert search.best_params_["gamma"] == 1.0
    assert np.isfinite(search.cv_results_["mean_train_score"]).all()


@pytest.mark.parametrize("display", [LearningCurveDisplay, ValidationCurveDisplay])
def test_displays_of_curves_name_their_axis(noisy, display):
    _, X, y = noisy
    params = {"param_name": "gamma", "param_range": [0.5, 1.0]}
    shown = display.from_estimator(
        LabelSpreading(),
        X,
        y,
        cv=SemiSupervisedSplit(3),
        scoring=get_labeled_scorer("balanced_accuracy"),
        **(params if display is ValidationCurveDisplay else {"train_sizes": [0.9, 1.0]}),
    )
    assert shown.ax_.get_ylabel() == "Balanced accuracy"
    assert np.isfinite(shown.test_scores).all()


def test_bad_input(noisy):
    classifier, X, y = noisy
    with pytest.warns(UndefinedMetricWarning, match="every label in y is hidden"):
        assert np.isnan(get_labeled_scorer("accuracy")(classifier, X, np.full(120, -1)))
    with pytest.raises(ValueError, match="y is None"):
        get_labeled_scorer("accuracy")(classifier, X, None)
    for params in ({"X": X[:-1], "y": y}, {"X": X, "y": y, "sample_weight": np.ones(60)}):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            get_labeled_scorer("accuracy")(classifier, **params)
    assert not hasattr(get_labeled_scorer("accuracy"), "other")
    with pytest.raises(ValueError, match="Unknown scorer 'acuracy'"):
        get_labeled_scorer("acuracy")
    with pytest.raises(ValueError, match=r"is a metric.*make_scorer\(accuracy_score\)"):
        make_labeled_scorer(accuracy_score)
    with pytest.raises(ValueError, match="must be a name or a scorer"):
        make_labeled_scorer(3)
