import pickle

import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import (
    average_precision_score,
    check_scoring,
    fbeta_score,
    get_scorer,
    log_loss,
    make_scorer,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading

from sksubtomo.calibration import RejectingClassifier
from sksubtomo.metrics import get_labeled_scorer, get_labeled_scorer_names, make_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit

mpl.use("Agg")


@pytest.mark.parametrize("names", [None, np.array(["a", "b", "c", "unlabeled"])])
@pytest.mark.parametrize("name", get_labeled_scorer_names())
def test_a_classifier_that_has_learned_hidden_labels_as_a_class_is_refused(noisy, name, names):
    _, X, y = noisy
    y = y if names is None else names[y]
    scorer = get_labeled_scorer(name)
    for classifier in (LogisticRegression(), make_pipeline(LogisticRegression())):
        with pytest.raises(ValueError, match="which means 'unlabeled', for a class.*SelfTraining"):
            scorer(classifier.fit(X, y), X, y)
    with pytest.raises(ValueError, match="leave the unlabeled rows out"):
        cross_val_score(
            LogisticRegression(),
            X,
            y,
            cv=SemiSupervisedSplit(3),
            scoring=scorer,
            error_score="raise",
        )
    cv = SemiSupervisedSplit(3, unlabeled="drop")  # the remedy
    assert np.isfinite(cross_val_score(LogisticRegression(), X, y, cv=cv, scoring=scorer)).all()


def test_a_classifier_that_rejects_is_scored(noisy):
    _, X, y = noisy
    rejecting = RejectingClassifier(LabelSpreading(), cv=2, quantile=0.2).fit(X, y)
    assert 0 < get_labeled_scorer("accuracy")(rejecting, X, y) < 1


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("accuracy", "accuracy"),
        ("balanced_accuracy", "balanced_accuracy"),
        ("f1_macro", "f1_macro"),
        ("f1_weighted", "f1_weighted"),
        ("neg_log_loss", "neg_log_loss"),
        ("roc_auc", "roc_auc_ovr"),
        (
            "average_precision",
            make_scorer(average_precision_score, response_method="predict_proba"),
        ),
    ],
)
def test_equals_scikit_learn_on_the_labeled_rows(noisy, ours, theirs):
    classifier, X, y = noisy
    labeled = y != -1
    expected = check_scoring(classifier, theirs)(classifier, X[labeled], y[labeled])
    assert 0 < abs(expected) < 1
    assert get_labeled_scorer(ours)(classifier, X, y) == pytest.approx(expected, rel=1e-12)
    assert ours in get_labeled_scorer_names()


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "neg_log_loss"])
def test_two_classes_equal_scikit_learn(noisy, name):
    _, X, y = noisy
    keep = y < 2
    classifier = LogisticRegression().fit(X[keep & (y >= 0)], y[keep & (y >= 0)])
    labeled = keep & (y >= 0)
    expected = get_scorer(name)(classifier, X[labeled], y[labeled])
    assert get_labeled_scorer(name)(classifier, X[keep], y[keep]) == pytest.approx(expected)


@pytest.mark.parametrize("name", get_labeled_scorer_names())
def test_string_labels_and_more_dimensions(noisy, name):
    _, X, y = noisy
    words = np.array(["a", "b", "c", "unlabeled"])[y]
    named = LogisticRegression().fit(X[y >= 0], words[y >= 0])
    scorer = pickle.loads(pickle.dumps(get_labeled_scorer(name)))
    direct = LogisticRegression().fit(X[y >= 0], y[y >= 0])
    assert scorer(named, X, words) == pytest.approx(scorer(direct, X, y))
    assert scorer(direct, list(X), list(y)) == scorer(direct, X, y)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_ranks_of_two_classes_need_no_probabilities(noisy, name):
    _, X, y = noisy
    keep, labeled = y < 2, (y == 0) | (y == 1)
    ridge = RidgeClassifier().fit(X[labeled], y[labeled])
    expected = get_scorer(name)(ridge, X[labeled], y[labeled])
    assert 0.5 < expected < 1
    assert get_labeled_scorer(name)(ridge, X[keep], y[keep]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "n_classes"), [("roc_auc", 3), ("average_precision", 3), ("neg_log_loss", 2)]
)
def test_scores_that_need_probabilities(noisy, name, n_classes):
    _, X, y = noisy
    rows = (y >= 0) & (y < n_classes)
    ridge = RidgeClassifier().fit(X[rows], y[rows])
    with pytest.raises(AttributeError, match="RidgeClassifier.*predict_proba"):
        get_labeled_scorer(name)(ridge, X[rows], y[rows])


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
@pytest.mark.parametrize("kept", [(0, 1), (2,)])
def test_a_class_without_rows_makes_ranks_undefined(noisy, name, kept):
    classifier, X, y = noisy
    rows = np.flatnonzero(np.isin(y, [-1, *kept]))
    lacking = sorted({0, 1, 2} - set(kept))
    if name == "roc_auc" and len(kept) == 1:
        lacking = [0, 1, 2]  # the rest of the class that there is has no rows, either
    message = rf"not defined for the classes \{lacking}".replace("]", r"\]")
    with pytest.warns(UndefinedMetricWarning, match=message) as caught:
        score = get_labeled_scorer(name)(classifier, X[rows], y[rows])
    assert np.isnan(score)
    assert caught[0].filename == __file__
    # scikit-learn's own says the same, where it is told the classes.
    if name == "roc_auc":
        labeled = rows[y[rows] >= 0]
        with pytest.warns(UndefinedMetricWarning):
            expected = roc_auc_score(
                y[labeled],
                classifier.predict_proba(X[labeled]),
                labels=[0, 1, 2],
                multi_class="ovr",
            )
        assert np.isnan(expected)


def test_one_of_two_classes(noisy):
    _, X, y = noisy
    labeled = (y == 0) | (y == 1)
    classifier = LogisticRegression().fit(X[labeled], y[labeled])
    for code in (0, 1):
        rows = np.flatnonzero(y == code)
        with pytest.warns(UndefinedMetricWarning, match=r"not defined for the classes \[1\]"):
            assert np.isnan(get_labeled_scorer("roc_auc")(classifier, X[rows], y[rows]))
    # Of rows that are all of the class, the precision is 1 at every threshold.
    assert get_labeled_scorer("average_precision")(classifier, X[rows], y[rows]) == pytest.approx(1)
    assert np.isfinite(get_labeled_scorer("neg_log_loss")(classifier, X[rows], y[rows]))


def test_a_classifier_of_one_class(noisy):
    _, X, y = noisy
    rows = np.flatnonzero(y == 1)
    classifier = DummyClassifier().fit(X[rows], y[rows])
    with pytest.warns(UndefinedMetricWarning, match=r"not defined for the classes \[1\]"):
        assert np.isnan(get_labeled_scorer("roc_auc")(classifier, X[rows], y[rows]))


def test_log_loss_needs_no_row_of_every_class(noisy):
    classifier, X, y = noisy
    rows = np.flatnonzero(y != 2)
    labeled = rows[y[rows] >= 0]
    expected = -log_loss(y[labeled], classifier.predict_proba(X[labeled]), labels=[0, 1, 2])
    assert get_labeled_scorer("neg_log_loss")(classifier, X[rows], y[rows]) == expected


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "neg_log_loss"])
@pytest.mark.parametrize("named", [False, True])
def test_labels_that_the_estimator_does_not_know(noisy, name, named):
    _, X, y = noisy
    labels = np.array(["a", "b", "c", "unlabeled"])[y] if named else y
    known = (y == 0) | (y == 1)
    classifier = LogisticRegression().fit(X[known], labels[known])
    unknown = "'c'" if named else "2"
    with pytest.raises(ValueError, match=rf"y has labels \[{unknown}\] that the estimator has no"):
        get_labeled_scorer(name)(classifier, X, labels)
    with pytest.raises(ValueError, match="y has labels .* that the estimator has no column for"):
        get_labeled_scorer(name)(classifier, X[known], y[known].astype("U1" if not named else int))
    # Of predicted labels, an unknown class is an error that counts.
    accuracy = get_labeled_scorer("accuracy")(classifier, X, labels)
    assert accuracy < (y < 2)[y >= 0].mean()


def test_a_class_that_was_never_seen_does_not_pass_for_a_score_in_cross_validation(noisy):
    _, X, y = noisy
    X, y = X[y >= 0], y[y >= 0]
    with pytest.warns(UndefinedMetricWarning, match=r"classes \[2\]"):
        scores = cross_val_score(
            LogisticRegression(),
            X,
            y,
            cv=[(np.arange(len(y)), np.flatnonzero(y < 2)), (np.arange(len(y)), np.arange(len(y)))],
            scoring=get_labeled_scorer("roc_auc"),
        )
    assert np.isnan(scores).tolist() == [True, False]


def test_perfect_model_scores_one_with_plain_folds(mostly_hidden):
    X, y = mostly_hidden
    X = X.reshape(60, 2, 4, 2, 4, 2, 4).mean(axis=(2, 4, 6)).reshape(60, 8)
    classifier = LabelSpreading(gamma=1.0)
    cv = StratifiedKFold(2)
    scores = cross_val_score(classifier, X, y, cv=cv, scoring=get_labeled_scorer("accuracy"))
    assert scores.tolist() == [1.0, 1.0]
    scoring = {name: get_labeled_scorer(name) for name in get_labeled_scorer_names()}
    one, two = (cross_validate(classifier, X, y, cv=cv, scoring=scoring, n_jobs=n) for n in (1, 2))
    for name in scoring:
        assert np.array_equal(one[f"test_{name}"], two[f"test_{name}"])
    search = GridSearchCV(
        classifier, {"gamma": [0.5, 1.0]}, cv=cv, scoring=scoring, refit="roc_auc"
    )
    assert search.fit(X, y).best_score_ == 1.0


def test_any_scorer(noisy):
    classifier, X, y = noisy
    labeled = y != -1
    inner = make_scorer(fbeta_score, beta=2, average="macro")
    expected = inner(classifier, X[labeled], y[labeled])
    assert make_labeled_scorer(inner)(classifier, X, y) == expected
    assert make_labeled_scorer(lambda est, X, y: len(X))(classifier, X, y) == labeled.sum()
    assert make_labeled_scorer("top_k_accuracy")(classifier, X, y) > 0.5


def weighted_score(name, classifier, X, y, weight):
    """Return what scikit-learn's function makes of labeled rows."""
    probabilities = classifier.predict_proba(X)
    if name == "roc_auc":
        return roc_auc_score(y, probabilities, multi_class="ovr", sample_weight=weight)
    if name == "average_precision":
        return average_precision_score(y, probabilities, sample_weight=weight)
    if name == "neg_log_loss":
        return -log_loss(y, probabilities, sample_weight=weight)
    return get_scorer(name)(classifier, X, y, sample_weight=weight)


@pytest.mark.parametrize("name", get_labeled_scorer_names())
def test_weights(noisy, name):
    classifier, X, y = noisy
    weight = np.arange(120.0)
    labeled = y != -1
    score = get_labeled_scorer(name)
    expected = weighted_score(name, classifier, X[labeled], y[labeled], weight[labeled])
    assert score(classifier, X, y, sample_weight=weight) == pytest.approx(expected, rel=1e-12)
    assert score(classifier, X, y, sample_weight=None) == score(classifier, X, y)
    assert score(classifier, X, y) != pytest.approx(expected)


@pytest.mark.parametrize("name", ["accuracy", "roc_auc"])
def test_weights_of_a_search(noisy, name):
    # What searches know without metadata routing.
    _, X, y = noisy
    X, y = X[y >= 0], y[y >= 0]
    weight = np.arange(float(len(y)))
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=3)
    one = clone(search).set_params(scoring=get_labeled_scorer(name))
    two = clone(search).set_params(scoring={name: get_labeled_scorer(name)}, refit=name)
    one, two = (each.fit(X, y, sample_weight=weight).best_score_ for each in (one, two))
    assert one == two
    assert not make_labeled_scorer(lambda est, X, y: 1.0)._accept_sample_weight()


@pytest.mark.parametrize("name", get_labeled_scorer_names())
def test_sample_weight_is_routed(noisy, name):
    classifier, X, y = noisy
    weight = np.arange(120.0)
    expected = get_labeled_scorer(name)(classifier, X, y, sample_weight=weight)
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        get_labeled_scorer(name).set_score_request(sample_weight=True)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_labeled_scorer(name).set_score_request(sample_weight=True)
        assert scorer.get_metadata_routing().score.requests["sample_weight"] is True
        assert scorer(classifier, X, y, sample_weight=weight) == expected
        X, y, weight = (values[y >= 0] for values in (X, y, weight))
        # Before scikit-learn 1.8, scorers had no request to leave unset.
        errors = (sklearn.exceptions.UnsetMetadataPassedError, TypeError)
        with pytest.raises(errors, match="sample_weight"):
            cross_validate(
                LogisticRegression().set_fit_request(sample_weight=False),
                X,
                y,
                scoring=get_labeled_scorer(name),
                params={"sample_weight": weight},
            )
        result = cross_validate(
            LogisticRegression().set_fit_request(sample_weight=False),
            X,
            y,
            scoring=scorer,
            params={"sample_weight": weight},
        )
    folds = StratifiedKFold().split(X, y)
    for (train, test), score in zip(folds, result["test_score"], strict=True):
        inner = LogisticRegression().fit(X[train], y[train])
        known = get_labeled_scorer(name)(inner, X[test], y[test], sample_weight=weight[test])
        assert score == pytest.approx(known)


def test_scorers_of_other_makers_are_routed_nothing(noisy):
    _, X, y = noisy
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_labeled_scorer(lambda est, X, y: float(len(X)))
        assert cross_val_score(LabelSpreading(), X, y, scoring=scorer).sum() == (y >= 0).sum()


def test_metadata_that_is_not_one_value_a_sample(noisy):
    classifier, X, y = noisy
    seen = {}

    def score(estimator, X, y, **params):
        seen.update(params)
        return 1.0

    make_labeled_scorer(score)(classifier, X, y, beta=2, name="word", groups=list(range(120)))
    assert seen["groups"] == np.flatnonzero(y >= 0).tolist()
    assert (seen["beta"], seen["name"]) == (2, "word")


def test_a_labeled_scorer_is_not_wrapped_again():
    scorer = get_labeled_scorer("accuracy")
    assert make_labeled_scorer(scorer) is scorer
