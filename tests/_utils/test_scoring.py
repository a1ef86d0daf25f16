import gc
import weakref

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.calibration import CalibrationDisplay
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    accuracy_score,
    get_scorer,
    make_scorer,
)
from sklearn.model_selection import (
    GridSearchCV,
    LearningCurveDisplay,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading

from sksubtomo._utils._scoring import refuse_scoring_unlabeled
from sksubtomo.alignment import Annealing
from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.metrics import (
    expected_calibration_error,
    get_labeled_scorer,
    make_labeled_scorer,
)
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.networks import Liu2019
from sksubtomo.neural_network import CNNClassifier
from sksubtomo.preprocessing import VolumeFlattener, VolumeNormalizer
from sksubtomo.semi_supervised import (
    AutoencodingClassifier,
    MultiReferenceClassifier,
    SelfTrainingClassifier,
    WithUnlabeled,
)

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


REFUSED = "would count -1 as a class.*get_labeled_scorer"
SPREADING = make_pipeline(VolumeFlattener(), PCA(4, random_state=0), LabelSpreading(gamma=1.0))
QUICK = {
    "precision": "float32",
    "max_epochs": 15,
    "learning_rate": 3e-3,
    "batch_size": 16,
    "early_stopping": False,
}
CLASSIFIERS = {
    "base": AutoencodingClassifier(
        **QUICK, network=Liu2019(n_filters=4, latent_dim=6), random_state=0
    ),
    "supervised": CNNClassifier(**QUICK, network=Liu2019(n_filters=4), random_state=0),
    "references": MultiReferenceClassifier(
        annealing=Annealing(stages=((2.0, 120.0, 1, 2),), n_frozen_iter=1),
        max_shift_voxels=0,
        random_state=0,
    ),
    "self_training": SelfTrainingClassifier(make_pipeline(VolumeFlattener(), LogisticRegression())),
    "with_unlabeled": WithUnlabeled(SPREADING),
    "temperature": TemperatureScaledClassifier(SPREADING, cv=2),
    "rejecting": RejectingClassifier(SPREADING, cv=2, quantile=0),
}


@pytest.fixture(scope="module")
def fitted(mostly_hidden):
    """Fitted classifiers by name, each fitted once."""
    known = {}

    def fit(name):
        if name not in known:
            known[name] = CLASSIFIERS[name].fit(*mostly_hidden)
        return known[name]

    return fit


@pytest.fixture
def spreading(fitted):
    return fitted("with_unlabeled")


@pytest.mark.filterwarnings("ignore:.*no temperature:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc_ovr", "neg_log_loss"])
def test_every_classifier_refuses_and_tells_what_to_do(fitted, mostly_hidden, name, scoring):
    classifier, (X, y) = fitted(name), mostly_hidden
    with pytest.raises(ValueError, match=REFUSED):
        get_scorer(scoring)(classifier, X, y)
    labeled = y >= 0
    expected = get_scorer(scoring)(classifier, X[labeled], y[labeled])
    assert get_labeled_scorer("accuracy")(classifier, X, y) == classifier.score(
        X[labeled], y[labeled]
    )
    assert make_labeled_scorer(scoring)(classifier, X, y) == pytest.approx(expected)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_every_method_that_a_scorer_asks(fitted, mostly_hidden, method):
    scorer = make_scorer(lambda y_true, y_pred: 1.0, response_method=method)
    names = ["base", "references", "self_training"]
    for name in names:
        assert scorer(fitted(name), mostly_hidden[0], np.zeros(60)) == 1.0
        with pytest.raises(ValueError, match="of 60 and would count"):
            scorer(fitted(name), *mostly_hidden)


def test_the_message_names_the_scorer_and_counts(spreading, mostly_hidden):
    with pytest.raises(ValueError, match=r"make_scorer\(accuracy_score.*48 unlabeled rows of 60"):
        get_scorer("accuracy")(spreading, *mostly_hidden)


def test_string_labels(mostly_hidden):
    X, y = mostly_hidden
    words = np.array(["a", "b", "c", "unlabeled"])[y]
    classifier = AutoencodingClassifier(
        max_epochs=1, early_stopping=False, network=Liu2019(n_filters=2, latent_dim=2)
    ).fit(X, words)
    for y in (words, words.tolist(), words.astype(object)):
        with pytest.raises(ValueError, match="would count 'unlabeled' as a class"):
            get_scorer("accuracy")(classifier, X, y)


# Train scores, scores of whole searches, stock folds ------------------------------------------


def test_validation_curve(mostly_hidden):
    X, y = mostly_hidden
    curve = (CLASSIFIERS["self_training"], X, y)
    params = {
        "param_name": "threshold",
        "param_range": [0.75],
        "cv": SemiSupervisedSplit(2),
    }
    with pytest.warns(UserWarning, match="Scoring failed") as caught:
        train, test = validation_curve(*curve, **params, scoring="accuracy")
    assert "get_labeled_scorer('accuracy')" in str(caught[0].message)
    assert np.isnan(train).all()
    assert (test == 1).all()
    with pytest.raises(ValueError, match=REFUSED):
        validation_curve(*curve, **params, scoring="accuracy", error_score="raise")
    for scoring in (None, get_labeled_scorer("accuracy"), get_labeled_scorer("roc_auc")):
        train, test = validation_curve(*curve, **params, scoring=scoring)
        assert (train == 1).all()
        assert (test == 1).all()


def test_learning_curve(mostly_hidden):
    params = {"cv": SemiSupervisedSplit(2), "train_sizes": [1.0], "error_score": "raise"}
    classifier = CLASSIFIERS["with_unlabeled"]
    with pytest.raises(ValueError, match=REFUSED):
        learning_curve(classifier, *mostly_hidden, **params, scoring="accuracy")
    _, train, test = learning_curve(
        classifier, *mostly_hidden, **params, scoring=get_labeled_scorer("accuracy")
    )
    assert (train == 1).all()
    assert (test == 1).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cross_validate_in_one_thread_and_in_two(mostly_hidden, n_jobs):
    classifier = CLASSIFIERS["with_unlabeled"]
    params = {"return_train_score": True, "error_score": "raise", "n_jobs": n_jobs}
    stock = ["accuracy", "f1_macro"]
    own = {name: get_labeled_scorer(name) for name in stock}
    with parallel_config("threading"):
        with pytest.raises(ValueError, match=REFUSED):
            cross_validate(
                classifier, *mostly_hidden, cv=SemiSupervisedSplit(2), scoring=stock, **params
            )
        for cv in (SemiSupervisedSplit(2), 2):
            result = cross_validate(classifier, *mostly_hidden, cv=cv, scoring=own, **params)
            for name in own:
                assert result[f"train_{name}"].tolist() == [1, 1]
                assert result[f"test_{name}"].tolist() == [1, 1]


def test_stock_folds(mostly_hidden):
    with pytest.warns(UserWarning, match="Scoring failed"):
        scores = cross_val_score(
            CLASSIFIERS["with_unlabeled"], *mostly_hidden, cv=2, scoring="accuracy"
        )
    assert np.isnan(scores).all()


@pytest.mark.parametrize("prefix", ["", "withunlabeled__"])
def test_score_of_a_search(mostly_hidden, prefix):
    X, y = mostly_hidden
    classifier = CLASSIFIERS["with_unlabeled"]
    if prefix:
        classifier = make_pipeline(VolumeNormalizer(), classifier)
    grid = {f"{prefix}estimator__labelspreading__gamma": [1.0]}
    search = GridSearchCV(classifier, grid, cv=SemiSupervisedSplit(2), scoring="accuracy")
    assert search.fit(X, y).best_score_ == 1.0
    with pytest.raises(ValueError, match=REFUSED):
        search.score(X, y)
    assert search.score(X[y >= 0], y[y >= 0]) == 1.0
    search.set_params(scoring=get_labeled_scorer("accuracy")).fit(X, y)
    assert search.best_score_ == search.score(X, y) == 1.0
    # The outer scorer sees the inner search as one classifier.
    with pytest.raises(ValueError, match=REFUSED):
        get_scorer("accuracy")(search, X, y)


def test_multi_metric_search_with_a_cache_of_predictions(mostly_hidden):
    search = GridSearchCV(
        CLASSIFIERS["with_unlabeled"],
        {"estimator__labelspreading__gamma": [1.0]},
        cv=2,
        scoring=["accuracy", "f1_macro"],
        refit=False,
    )
    with (
        pytest.warns(UserWarning, match="would count -1 as a class"),
        pytest.warns(UserWarning, match="test scores are non-finite"),
    ):
        search.fit(*mostly_hidden)
    assert np.isnan(search.cv_results_["mean_test_accuracy"]).all()


def test_plain_score_of_other_meta_estimators(spreading, mostly_hidden):
    X, y = mostly_hidden
    labeled = y >= 0
    inner = WithUnlabeled(SPREADING, X[~labeled])
    for outer in (VotingClassifier([("one", inner)]), StackingClassifier([("one", inner)], cv=2)):
        outer.fit(X[labeled], y[labeled])
        with pytest.raises(ValueError, match=rf"{type(outer).__name__}.score was given 48"):
            outer.score(X, y)
        assert outer.score(X[labeled], y[labeled]) == 1.0
        assert get_labeled_scorer("accuracy")(outer, X, y) == 1.0


def test_tuned_threshold(easy_volumes, mostly_hidden):
    X, y = (values[easy_volumes[1] < 2] for values in (easy_volumes[0], mostly_hidden[1]))
    labeled = y >= 0
    tuned = TunedThresholdClassifierCV(
        WithUnlabeled(SPREADING, X[~labeled]), scoring="accuracy", cv=2
    ).fit(X[labeled], y[labeled])
    with pytest.raises(ValueError, match=REFUSED):
        get_scorer("accuracy")(tuned, X, y)
    assert get_labeled_scorer("accuracy")(tuned, X, y) == 1.0


@pytest.mark.parametrize(
    "display",
    [
        ConfusionMatrixDisplay,
        RocCurveDisplay,
        PrecisionRecallDisplay,
        DetCurveDisplay,
        CalibrationDisplay,
    ],
)
def test_displays(easy_volumes, mostly_hidden, display):
    X, y = (values[easy_volumes[1] < 2] for values in (easy_volumes[0], mostly_hidden[1]))
    classifier = WithUnlabeled(SPREADING).fit(X, y)
    with pytest.raises(ValueError, match=rf"{display.__name__}.from_estimator was given"):
        display.from_estimator(classifier, X, y)
    display.from_estimator(classifier, X[y >= 0], y[y >= 0])


def test_displays_of_curves_that_train_on_unlabeled_rows_are_not_refused(mostly_hidden):
    classifier = CLASSIFIERS["self_training"]
    params = {"cv": SemiSupervisedSplit(2), "error_score": "raise"}
    for scoring in (None, get_labeled_scorer("accuracy")):
        LearningCurveDisplay.from_estimator(
            classifier, *mostly_hidden, **params, scoring=scoring, train_sizes=[0.9, 1.0]
        )
        ValidationCurveDisplay.from_estimator(
            classifier,
            *mostly_hidden,
            **params,
            scoring=scoring,
            param_name="threshold",
            param_range=[0.75, 0.8],
        )


@pytest.mark.filterwarnings("ignore:y contains no unlabeled samples:UserWarning")
@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_cross_val_predict_that_encodes_labels_anew(mostly_hidden, method):
    X, y = mostly_hidden
    words = np.array(["a", "b", "c", "unlabeled"])[y]
    for labels, name in ((y, "-1"), (words, "'unlabeled'")):
        with pytest.raises(
            ValueError, match=rf"count {name} as a class.*sksubtomo.model_selection"
        ):
            cross_val_predict(CLASSIFIERS["self_training"], X, labels, cv=2, method=method)
    # Without columns for classes, labels stay as they are.
    predicted = cross_val_predict(CLASSIFIERS["self_training"], X, y, cv=2)
    assert (predicted[:12] == y[:12]).all()
    labeled = y >= 0
    shape = cross_val_predict(
        CLASSIFIERS["self_training"], X[labeled], y[labeled], cv=2, method=method
    ).shape
    assert shape == (12, 3)


def test_cross_val_predict_in_other_processes(mostly_hidden):
    classifier = make_pipeline(VolumeNormalizer(), CNNClassifier(max_epochs=1))
    for estimator in (classifier, TemperatureScaledClassifier(classifier)):
        with pytest.raises(ValueError, match="count -1 as a class.*sksubtomo.model_selection"):
            cross_val_predict(estimator, *mostly_hidden, cv=2, method="predict_proba", n_jobs=2)


# What is not refused --------------------------------------------------------------------------


def test_test_folds_of_labeled_rows(mostly_hidden):
    scores = cross_val_score(
        CLASSIFIERS["with_unlabeled"],
        *mostly_hidden,
        cv=SemiSupervisedSplit(2),
        scoring="accuracy",
        error_score="raise",
    )
    assert scores.tolist() == [1.0, 1.0]


def test_metrics_that_know_unlabeled_rows(spreading, mostly_hidden):
    scorer = make_scorer(
        expected_calibration_error, response_method="predict_proba", greater_is_better=False
    )
    assert scorer(spreading, *mostly_hidden) == make_labeled_scorer(scorer)(
        spreading, *mostly_hidden
    )


def test_predictions_that_nobody_scores(spreading, mostly_hidden):
    X, y = mostly_hidden
    assert accuracy_score(y[y >= 0], spreading.predict(X)[y >= 0]) == 1.0


def test_regressors_and_outlier_detectors_may_have_minus_one(spreading, easy_volumes):
    class Regressor(RegressorMixin, BaseEstimator):
        def predict(self, X):
            return spreading.predict_proba(X)[:, 0]

    score = get_scorer("neg_mean_squared_error")(Regressor(), easy_volumes[0], np.full(60, -1.0))
    assert np.isfinite(score)


# What it costs --------------------------------------------------------------------------------


def test_keeps_nothing_alive(spreading, mostly_hidden):
    class Data(np.ndarray):
        pass

    X, y = mostly_hidden

    def score():
        volumes = X.view(Data)
        try:
            get_scorer("accuracy")(spreading, volumes, y)
        except ValueError:
            return weakref.ref(volumes)
        pytest.fail("was not refused")

    gc.disable()
    try:
        assert score()() is None
    finally:
        gc.enable()


def test_walks_a_bounded_number_of_frames():
    class Deep(WithUnlabeled):
        def predict(self, X, depth=150):
            if depth:
                return self.predict(X, depth - 1)
            refuse_scoring_unlabeled()
            return np.zeros(len(X), dtype=int)

    deep = Deep(SPREADING)
    deep.classes_, deep.estimator_ = np.array([0, 1]), SPREADING
    assert get_scorer("accuracy")(deep, np.zeros((2, 1)), [-1, 0]) == 0.5
