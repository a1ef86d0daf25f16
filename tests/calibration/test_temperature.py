import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils.fixes import parse_version

from sksubtomo.calibration import RejectingClassifier, TemperatureScaledClassifier
from sksubtomo.calibration._temperature import fit_temperature
from sksubtomo.metrics import get_labeled_scorer
from sksubtomo.model_selection import SemiSupervisedSplit


class Told(ClassifierMixin, BaseEstimator):
    """Classifier whose X are logits, sharpened by a temperature; keeps what it was fitted to."""

    fits: list = []  # noqa: RUF012

    def __init__(self, temperature=1.0):
        self.temperature = temperature

    def fit(self, X, y):
        Told.fits.append((X, y))
        self.classes_ = np.setdiff1d(y, [-1])
        return self

    def predict_proba(self, X):
        return softmax(X * self.temperature, axis=1)

    def predict(self, X):
        return self.classes_[X.argmax(axis=1)]


class ToldClasses(Told):
    """Classifier that may be told of classes without a label."""

    def __init__(self, classes=None):
        self.classes = classes
        self.temperature = 1.0

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = self.classes_ if self.classes is None else np.asarray(self.classes)
        return self


@pytest.fixture
def logits():
    """Logits of three classes, labels drawn with their probabilities; a third is hidden."""
    rng = np.random.default_rng(0)
    X = rng.normal(scale=2, size=(6000, 3))
    y = (rng.random((6000, 1)) > softmax(X, axis=1).cumsum(axis=1)).sum(axis=1)
    return X, y, np.where(np.arange(6000) % 3 == 0, -1, y)


@pytest.fixture
def overlapping():
    """Rows of three classes that overlap."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    return rng.normal(size=(150, 4)) + 1.2 * np.eye(3, 4)[y], y


@pytest.mark.parametrize("temperature", [0.4, 1.0, 5.0])
def test_recovers_a_known_temperature(logits, temperature):
    X, _, hidden = logits
    scaled = TemperatureScaledClassifier(Told(temperature)).fit(X, hidden)
    # Fisher's information puts the standard error of 4000 labels at about 2 %.
    assert scaled.temperature_ == pytest.approx(temperature, rel=0.08)
    np.testing.assert_allclose(scaled.predict_proba(X), softmax(X, axis=1), atol=0.03)


def test_is_at_the_minimum(logits):
    X, _, hidden = logits
    scaled = TemperatureScaledClassifier(Told(3.0)).fit(X, hidden)
    known = hidden >= 0

    def loss(temperature):
        return log_loss(hidden[known], softmax(3 * X[known] / temperature, axis=1))

    best = loss(scaled.temperature_)
    assert all(best < loss(scaled.temperature_ * factor) for factor in (0.99, 1.01, 0.3, 3))
    assert best < loss(1.0)


def test_hidden_rows_are_in_every_training_fold_and_never_judged(logits):
    X, _, hidden = (values[:300] for values in logits)
    Told.fits.clear()
    scaled = TemperatureScaledClassifier(Told(), cv=4).fit(X, hidden)
    assert len(Told.fits) == 5
    for _, y in Told.fits:
        assert (y == -1).sum() == (hidden == -1).sum()
    assert [len(y) for _, y in Told.fits] == [300] + [250] * 4
    # Other hidden volumes, the same temperature: they are not in its loss.
    other = np.where((hidden == -1)[:, np.newaxis], 100.0, X)
    assert TemperatureScaledClassifier(Told(), cv=4).fit(other, hidden).temperature_ == (
        scaled.temperature_
    )


def test_prediction_and_order_of_classes_stay(overlapping):
    X, y = overlapping
    scaled = TemperatureScaledClassifier(KNeighborsClassifier(5)).fit(X, y)
    plain = KNeighborsClassifier(5).fit(X, y)
    assert np.array_equal(scaled.predict(X), plain.predict(X))
    p, q = scaled.predict_proba(X), plain.predict_proba(X)
    assert np.array_equal(p.argmax(axis=1), q.argmax(axis=1))
    # Five neighbors often give a class probability 0, of which the logarithm is no number.
    assert (q == 0).any()
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"), reason="no temperature scaling yet"
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_is_scikit_learns_on_labeled_rows(overlapping, n_classes):
    X, y = overlapping
    X, y = X[y < n_classes], y[y < n_classes]
    ours = TemperatureScaledClassifier(LogisticRegression(C=1e3), cv=3).fit(X, y)
    theirs = CalibratedClassifierCV(
        LogisticRegression(C=1e3), method="temperature", cv=StratifiedKFold(3), ensemble=False
    ).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


def test_frozen_classifier_is_calibrated_on_what_it_gets(logits):
    X, y, hidden = logits
    Told.fits.clear()
    frozen = FrozenEstimator(Told(4.0).fit(X[:10], y[:10]))
    scaled = TemperatureScaledClassifier(frozen).fit(X, hidden)
    assert len(Told.fits) == 1
    assert scaled.temperature_ == pytest.approx(4.0, rel=0.08)
    # One label a class would not do for folds.
    scaled.fit(X[:40], np.where(np.arange(40) < 8, y[:40], -1))
    with pytest.raises(ValueError, match="every label in y is hidden"):
        scaled.fit(X, np.full(len(X), -1))


def test_all_right_leaves_the_temperature_at_one():
    X = np.eye(3)[np.arange(30) % 3]
    with pytest.warns(ConvergenceWarning, match="All 30 labeled volumes .* left at 1"):
        scaled = TemperatureScaledClassifier(Told()).fit(X, np.arange(30) % 3)
    assert scaled.temperature_ == 1.0


def test_strings(overlapping):
    X, y = overlapping
    hidden = np.where(np.arange(150) < 60, y, -1)
    ours = TemperatureScaledClassifier(LogisticRegression()).fit(X[:60], y[:60])
    names = np.array([*"abc", "unlabeled"])
    named = TemperatureScaledClassifier(LogisticRegression()).fit(X[:60], names[y[:60]])
    assert named.temperature_ == ours.temperature_
    assert np.array_equal(named.predict(X), names[ours.predict(X)])
    assert named.score(X, names[hidden]) == ours.score(X, hidden) == ours.score(X[:60], y[:60])
    with pytest.raises(ValueError, match="took 'unlabeled', which means 'unlabeled', for a class"):
        named.fit(X, names[hidden])


def test_works_in_scikit_learns_tools(overlapping):
    X, y = overlapping
    hidden = np.where(np.arange(150) < 90, y, -1)
    scaled = TemperatureScaledClassifier(LabelSpreading(gamma=1.0), cv=2)
    pipeline = make_pipeline(StandardScaler(), scaled)
    scores = cross_val_score(
        pipeline, X, hidden, cv=SemiSupervisedSplit(3), scoring=get_labeled_scorer("neg_log_loss")
    )
    assert np.isfinite(scores).all()
    grid = {"estimator__gamma": [0.1, 1.0]}
    search = GridSearchCV(scaled, grid, cv=SemiSupervisedSplit(2)).fit(X, hidden)
    twin = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(twin.predict_proba(X), search.predict_proba(X))
    with parallel_config(backend="threading"):
        one, two = (clone(scaled).set_params(n_jobs=n).fit(X, hidden) for n in (None, 2))
    assert one.temperature_ == two.temperature_


def test_groups_are_not_taken_apart(logits):
    X, _, hidden = (values[:300] for values in logits)
    groups = np.arange(300) // 100
    Told.fits.clear()
    TemperatureScaledClassifier(Told()).fit(X, hidden, groups=groups)
    assert len(Told.fits) == 1 + 3
    for rows, _ in Told.fits[1:]:
        tested = ~np.isin(X[:, 0], rows[:, 0])
        assert len(np.unique(groups[tested])) == 1
    with pytest.raises(ValueError, match="samples of two groups"):
        TemperatureScaledClassifier(Told()).fit(X, hidden, groups=np.zeros(300))


@pytest.fixture
def in_one_group(logits):
    """Rows, labels and groups; class 2 has labels in the first group only."""
    X, y, _ = (values[:300] for values in logits)
    groups = np.arange(300) % 3
    return X, np.where((y == 2) & (groups > 0), -1, y), groups


@pytest.mark.parametrize("meta", [TemperatureScaledClassifier, RejectingClassifier])
@pytest.mark.parametrize(
    "classifier",
    [Told(), ToldClasses(), make_pipeline(StandardScaler(), ToldClasses())],
)
def test_class_that_a_training_fold_lacks_is_named_before_any_fit(in_one_group, meta, classifier):
    X, y, groups = in_one_group
    names = np.array([*"abc", "unlabeled"])
    Told.fits.clear()
    message = r"Training fold \d of 3 has no labeled volume of the classes \[%s\]"
    with pytest.raises(ValueError, match=message % 2):
        meta(classifier).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match=message % "'c'"):
        meta(classifier).fit(X, names[y], groups=groups)
    assert not Told.fits


@pytest.mark.parametrize("meta", [TemperatureScaledClassifier, RejectingClassifier])
def test_training_folds_may_lack_a_class_that_the_classifier_knows(in_one_group, meta):
    X, y, groups = in_one_group
    told = ToldClasses([0, 1, 2])
    for classifier in (told, make_pipeline(StandardScaler(), told)):
        assert meta(classifier).fit(X, y, groups=groups).classes_.tolist() == [0, 1, 2]
    frozen = make_pipeline(StandardScaler().fit(X), FrozenEstimator(Told().fit(X, y)))
    assert meta(frozen).fit(X, y, groups=groups).classes_.tolist() == [0, 1, 2]
    # The one who says so may be mistaken.
    with pytest.raises(ValueError, match=r"training fold has no labeled volume .* \[2\]"):
        meta(Forgetful([0, 1, 2])).fit(X, y, groups=groups)


class Forgetful(ToldClasses):
    def fit(self, X, y):
        return Told.fit(self, X, y)


def test_bad_input(overlapping):
    X, y = overlapping
    scaled = TemperatureScaledClassifier(LogisticRegression())
    with pytest.raises(ValueError, match=r"Class 2 has one sample with a label.*FrozenEstimator"):
        scaled.fit(X[:5], [0, 0, 1, 1, 2])
    with pytest.raises(ValueError, match="every label in y is hidden"):
        scaled.fit(X, np.full(150, -1))
    with pytest.raises(ValueError, match="fewer than the 60 folds"):
        clone(scaled).set_params(cv=60).fit(X, y)
    with pytest.raises(ValueError, match="'cv' parameter"):
        clone(scaled).set_params(cv="five").fit(X, y)
    with pytest.raises(ValueError, match="'estimator' parameter"):
        TemperatureScaledClassifier(StandardScaler()).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        scaled.fit(X, y[:-1])
    folds = SemiSupervisedSplit(_OneClassOut())
    with pytest.raises(ValueError, match=r"no labeled volume of the classes \[2\]"):
        TemperatureScaledClassifier(LogisticRegression(), cv=folds).fit(X, y)


class _OneClassOut:
    def split(self, X, y, groups=None):
        yield np.flatnonzero(y < 2), np.flatnonzero(y == 2)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


# --- As other classifiers do ---------------------------------------------------------------------

METAS = pytest.mark.parametrize("meta", [TemperatureScaledClassifier, RejectingClassifier])


def test_logarithms_and_decisions_go_with_the_probabilities(overlapping):
    X, y = overlapping
    for classes in (2, 3):
        kept = y < classes
        scaled = TemperatureScaledClassifier(LogisticRegression(C=1e3)).fit(X[kept], y[kept])
        assert scaled.temperature_ != 1
        expected = np.log(scaled.predict_proba(X))
        np.testing.assert_allclose(scaled.predict_log_proba(X), expected, rtol=1e-9)
        decision = scaled.decision_function(X)
        logits = np.stack([0 * decision, decision], axis=1) if classes == 2 else decision
        np.testing.assert_allclose(softmax(logits, axis=1), scaled.predict_proba(X), atol=1e-6)
    assert not hasattr(TemperatureScaledClassifier(KNeighborsClassifier()), "decision_function")


@pytest.mark.filterwarnings(
    "ignore:.*no better than by chance:sklearn.exceptions.ConvergenceWarning"
)
def test_logarithms_are_finite_where_probabilities_are_rounded():
    X = np.array([[0.0, 1.0], [1.0, 0.0]] * 20)
    y = np.where(np.arange(40) < 2, [1, 0] * 20, [0, 1] * 20)
    scaled = TemperatureScaledClassifier(FrozenEstimator(Told(1e5).fit(X, y))).fit(X, y)
    scaled.temperature_ = 1e-3
    assert (scaled.predict_proba(X) == 0).any()
    assert np.isfinite(scaled.predict_log_proba(X)).all()


@METAS
def test_data_frames_and_transduction(overlapping, meta):
    X, y = overlapping
    frame = pd.DataFrame(X, columns=[*"abcd"])
    hidden = np.where(np.arange(150) < 90, y, -1)
    spreading = LabelSpreading(gamma=1.0)
    fitted = meta(spreading).fit(frame, pd.Series(hidden))
    assert fitted.feature_names_in_.tolist() == [*"abcd"]
    assert fitted.n_features_in_ == 4
    assert np.array_equal(fitted.predict(frame), meta(spreading).fit(X, hidden).predict(X))
    assert np.array_equal(fitted.transduction_, clone(spreading).fit(X, hidden).transduction_)
    # A frozen classifier tells of other volumes, and one fitted to an array has no names.
    frozen = FrozenEstimator(clone(spreading).fit(X, hidden))
    fitted.set_params(estimator=frozen).fit(X[:60], y[:60])
    assert not hasattr(fitted, "transduction_")
    assert not hasattr(fitted, "feature_names_in_")


@METAS
def test_fit_that_fails_leaves_the_last_one(in_one_group, meta):
    X, y, groups = in_one_group
    fitted = meta(Told(2.0)).fit(X, y)
    expected = fitted.predict_proba(X), fitted.predict(X)
    others = np.where(y < 0, -1, y + 5)
    with pytest.raises(ValueError, match="training fold has no labeled volume"):
        fitted.set_params(estimator=Forgetful([5, 6, 7])).fit(X, others, groups=groups)
    assert np.array_equal(fitted.predict_proba(X), expected[0])
    assert np.array_equal(fitted.predict(X), expected[1])
    assert fitted.classes_.tolist() == [0, 1, 2]


@METAS
@pytest.mark.parametrize("params", [{"cv": True}, {"cv": 2.0}, {"cv": 1}, {"n_jobs": True}])
def test_whole_numbers(overlapping, meta, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        meta(LogisticRegression(), **params).fit(*overlapping)


@METAS
def test_numbers_of_numpy(overlapping, meta):
    X, y = overlapping
    one = meta(LogisticRegression(), cv=3, n_jobs=1).fit(X, y)
    two = meta(LogisticRegression(), cv=np.int64(3), n_jobs=np.int8(1)).fit(X, y)
    assert np.array_equal(one.predict(X), two.predict(X))


@pytest.mark.parametrize(
    ("logits", "codes", "temperature", "reason"),
    [
        # Every volume is predicted wrongly: probabilities should be equal.
        (np.eye(3)[[0, 1, 2, 0]], [1, 2, 0, 2], np.exp(10), "no better than by chance"),
        # Steps of 1e-9 that are right three times of four: T is 1e-9 / log 3.
        (np.eye(2)[[0, 0, 0, 0]] * 1e-9, [0, 0, 0, 1], np.exp(-10), "almost equal"),
    ],
)
def test_an_end_of_the_range_is_warned_of(logits, codes, temperature, reason):
    with pytest.warns(ConvergenceWarning, match=f"at an end of the range.*{reason}"):
        found = fit_temperature(logits, np.array(codes))
    assert found == pytest.approx(temperature)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_within_the_range_nothing_is_warned_of(scale):
    logits = np.eye(2)[[0, 0, 0, 0]] * scale
    # Three of four are right: softmax(scale / T) = 3 / 4.
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(scale / np.log(3))


def test_a_classifier_that_is_always_wrong_is_warned_of(logits):
    hidden = logits[2][:300]
    wrong = np.where(hidden >= 0, (hidden + 1) % 3, 0)
    with pytest.warns(ConvergenceWarning, match="no better than by chance"):
        TemperatureScaledClassifier(Told()).fit(10 * np.eye(3)[wrong], hidden)
