"""Candidates of a picker: columns, figures of boxes, references, and labels of particles only."""

import warnings

import numpy as np
import pytest
import sklearn
from candidates import QUICK, blobs, labeled_blobs, quick
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from sksubtomo.exceptions import ImagingWarning, InvertedContrastWarning
from sksubtomo.geometry import rotate_volume
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import (
    MultiReferenceClassifier,
)
from sksubtomo.semi_supervised._box_features import box_features


@pytest.fixture(scope="module")
def data():
    return labeled_blobs()


# --- Ingredients ---------------------------------------------------------------------------------


def test_score_alone_is_a_calibrated_logistic_regression(data):
    X, y, hidden, score = data
    fitted = quick(statistics=False).fit(X, hidden, covariates=score)
    z = (score - score.mean()) / score.std()
    plain = LogisticRegression(C=9.0, tol=1e-6).fit(z[:60, np.newaxis], y[:60])
    log_odds = fitted.decision_function(X, covariates=score)
    slope, offset = np.polyfit(plain.decision_function(z[:, np.newaxis]), log_odds, 1)
    np.testing.assert_allclose(
        log_odds,
        slope * plain.decision_function(z[:, np.newaxis]) + offset,
        atol=1e-3,  # of where lbfgs ends
    )
    assert slope > 0
    # A free intercept makes the mean probability the frequency of labels.
    left_out = fitted.out_of_fold_.probabilities[:, 1]
    assert left_out.mean() == pytest.approx(y[:60].mean(), abs=1e-4)


def test_units_of_columns_do_not_matter(data):
    X, _, hidden, score = data
    one = quick().fit(X, hidden, covariates=score)
    other = quick().fit(X, hidden, covariates=1e3 * score - 7)
    np.testing.assert_allclose(
        one.predict_proba(X, covariates=score),
        other.predict_proba(X, covariates=1e3 * score - 7),
        atol=1e-6,
    )


@pytest.mark.parametrize("ingredient", ["statistics", "references", "network"])
def test_each_ingredient_alone_is_better_than_the_score(data, ingredient):
    X, y, hidden, score = data
    only = {"statistics": False}
    if ingredient == "references":
        only["references"] = MultiReferenceClassifier(annealing=QUICK, class_prior=None)
    elif ingredient == "network":
        flat = make_pipeline(VolumeNormalizer(), _Means())
        only["network"] = flat
    else:
        only["statistics"] = True
    X_test, y_test, _ = blobs(200, seed=1)
    fitted = quick(**only).fit(X, hidden)
    assert fitted.score(X_test, y_test) > 0.9 > ((score > 1) == y).mean()
    assert list(fitted.contributions_) == [ingredient]
    assert fitted.contributions_[ingredient] > 0.1


class _Means(sklearn.base.ClassifierMixin, sklearn.base.BaseEstimator):
    """Logistic regression of the mean of the center, on labeled volumes."""

    def fit(self, X, y):
        known = np.asarray(y) != -1
        self.inner_ = LogisticRegression().fit(self._means(X)[known], np.asarray(y)[known])
        self.classes_ = self.inner_.classes_
        return self

    def _means(self, X):
        n = X.shape[-1] // 2
        return X[:, n - 1 : n + 2, n - 1 : n + 2, :].mean(axis=(1, 2))

    def predict_proba(self, X):
        return self.inner_.predict_proba(self._means(X))


def test_perfect_score_is_left_alone(data):
    X, y, hidden, _ = data
    noise = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)
    fitted = quick().fit(noise, hidden, covariates=y + 0.1 * np.arange(200) / 200)
    assert (fitted.predict(noise, covariates=y + 0.0) == y).all()
    assert fitted.contributions_["statistics"] < 0.01 < fitted.contributions_["covariates"]


def test_outliers_do_not_squeeze_figures(data):
    # Beads far from all else: particles differ by next to nothing on the scale of their spread.
    X, _, hidden, _ = data
    with_beads = X.copy()
    with_beads[-20:] *= 100 + 10 * np.arange(20)[:, None, None, None]
    X_test, y_test, _ = blobs(200, seed=1)
    plain = quick(C=0.01).fit(X, hidden).predict_proba(X_test)[:, 1]
    robust = quick(C=0.01).fit(with_beads, hidden).predict_proba(X_test)[:, 1]
    assert ((robust > 0.5) == y_test).mean() > 0.97
    assert np.abs(robust - plain).mean() < 0.05


def test_columns_of_a_picker_have_no_limits(data):
    X, _, hidden, _ = data
    fitted = quick(statistics=False).fit(X, hidden, covariates=np.where(hidden == 1, 50.0, 0.0))
    odds = fitted.decision_function(X[:3], covariates=np.array([0.0, 50.0, 500.0]))
    assert odds[2] - odds[1] == pytest.approx(9 * (odds[1] - odds[0]))


def test_features_do_not_depend_on_orientation():
    rng = np.random.default_rng(0)
    volumes = gaussian_filter(rng.normal(size=(3, 16, 16, 16)), (0, 2, 2, 2))
    turned = np.stack(
        [rotate_volume(v, Rotation.from_euler("z", 90, degrees=True)) for v in volumes]
    )
    one, other, another = (
        box_features(v.astype(np.float32))[:, :9] for v in (volumes, turned, volumes[::-1])
    )
    spread = np.abs(one - another[::-1]).max()
    assert spread == 0
    # Faces of an even box are not turned onto faces.
    np.testing.assert_allclose(one, other, atol=0.05 * one.std())


def test_left_out_labels_are_not_seen():
    # Labels at random: in sample, many figures would fit them.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 8, 8, 8)).astype(np.float32)
    y = rng.integers(2, size=80)
    fitted = quick(C=1e4).fit(X, y)
    assert fitted.score(X, y) > 0.7
    right = fitted.out_of_fold_.probabilities.argmax(axis=1) == y
    assert right.mean() < 0.65
    assert fitted.out_of_fold_.rows.tolist() == list(range(80))


def test_references_see_no_label_of_their_part(data, monkeypatch):
    from sksubtomo.semi_supervised import _candidate_parts as parts

    X, _, hidden, _ = data
    seen = []

    def recorded(template, volumes, given, *rest, **options):
        seen.append(given)
        return fit(template, volumes, given, *rest, **options)

    fit = parts.fit_references
    monkeypatch.setattr(parts, "fit_references", recorded)
    quick(references=MultiReferenceClassifier(annealing=QUICK), cv=3).fit(X, hidden)
    assert len(seen) == 3
    left_out = [np.flatnonzero((hidden >= 0) & (given < 0)) for given in seen]
    assert np.array_equal(np.sort(np.concatenate(left_out)), np.arange(60))


def test_shifts_of_what_is_no_particle_are_not_searched(data, monkeypatch):
    # It lies anywhere in its box: "auto" would fit again and again, with ever larger shifts.
    from sksubtomo.semi_supervised import _candidate_parts as parts

    class Seen(Exception):
        pass

    def settings(template, *_, **__):
        raise Seen(template.max_shift_voxels)

    monkeypatch.setattr(parts, "fit_references", settings)
    with pytest.raises(Seen, match=r"^2\.0$"):
        quick(references="auto").fit(data[0], data[2])


class _Warning(MultiReferenceClassifier):
    """References that warn of shifts and of contrast."""

    def fit(self, X, y):
        for found in ("9 of 30 are more likely at shifts larger than 2", "inverted contrast"):
            warnings.warn(found, ImagingWarning, stacklevel=2)
        return self


def test_no_warning_of_shifts_of_what_is_no_particle(data):
    from sksubtomo.semi_supervised._candidate_parts import fit_references

    X, _, hidden, _ = data
    with pytest.warns(ImagingWarning) as seen:
        fit_references(_Warning(), X, hidden, np.array([0, 1]), None, is_first=True)
    assert [str(one.message) for one in seen] == ["inverted contrast"]


def test_what_is_bright_is_not_searched_inverted(data):
    # The inside of vesicles and shells: as bright as particles are dark, and none of them.
    X, y, hidden, score = data
    X = np.where((np.cumsum(y == 0) % 2 == 0) & (y == 0), -1, 1)[:, None, None, None] * X
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None)
    with pytest.warns(InvertedContrastWarning):
        clone(references).fit(X, hidden)
    # Warnings are errors.
    fitted = quick(references=references).fit(X, hidden, covariates=score)
    assert all((one.contrast_ == 1).all() for one in fitted.fold_references_)


def test_few_unlabeled_are_learned_from(data):
    X, _, hidden, score = data
    fitted = quick(max_unlabeled=10).fit(X, hidden, covariates=score)
    assert fitted.out_of_fold_.rows.tolist() == list(range(60))
    np.testing.assert_allclose(
        fitted.predict_proba(X, covariates=score),
        quick().fit(X, hidden, covariates=score).predict_proba(X, covariates=score),
    )


# --- Labels --------------------------------------------------------------------------------------


def test_only_particles_labeled():
    X, y, score = blobs(600, seed=3)
    rng = np.random.default_rng(0)
    clicked = np.where((y == 1) & (rng.random(600) < 0.3), 1, -1)
    fitted = quick(background=0).fit(X, clicked, covariates=score)
    assert fitted.classes_.tolist() == [0, 1]
    X_test, y_test, score_test = blobs(400, seed=4)
    proba = fitted.predict_proba(X_test, covariates=score_test)[:, 1]
    assert fitted.score(X_test, y_test, covariates=score_test) > 0.9
    assert proba.mean() == pytest.approx(y_test.mean(), abs=0.08)
    # The particle may be the first class, and labels may be words.
    swapped = quick(background=2).fit(X, clicked, covariates=score)
    np.testing.assert_allclose(
        swapped.predict_proba(X_test, covariates=score_test)[:, 0], proba, atol=1e-9
    )
    words = np.where(clicked == 1, "particle", "unlabeled")
    named = quick(background="none").fit(X, words, covariates=score)
    assert named.classes_.tolist() == ["none", "particle"]
    assert not fitted.contributions_


def test_only_particles_labeled_with_references():
    X, y, _ = blobs(300, seed=3)
    clicked = np.where((y == 1) & (np.arange(300) % 2 == 0), 1, -1)
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None)
    fitted = quick(references=references, statistics=False, background=0).fit(X, clicked)
    assert fitted.score(*blobs(200, seed=5)[:2]) > 0.85


@pytest.mark.parametrize(
    ("labels", "background", "message"),
    [
        (lambda y: np.full(200, -1), None, "every label in y means 'unlabeled'"),
        (lambda y: np.where(y == 1, 1, -1), None, "one class, 1.*background=0"),
        (lambda y: np.where(y == 1, 1, -1), 1, "one class, 1"),
        (lambda y: np.ones(200, int), 0, "all are labeled as particles"),
        (lambda y: y[:-1], None, "inconsistent"),
    ],
)
def test_refused_labels(data, labels, background, message):
    X, y, _, _ = data
    with pytest.raises(ValueError, match=message):
        quick(background=background).fit(X, labels(y))


def test_refused_parameters(data):
    X, _, hidden, score = data
    words = np.where(hidden == 1, "particle", "unlabeled")
    with pytest.raises(ValueError, match="background=0 must be of the kind"):
        quick(background=0).fit(X, words)
    own = MultiReferenceClassifier(LogisticRegression())
    with pytest.raises(ValueError, match="references__estimator=None"):
        quick(references=own).fit(X, hidden, covariates=score)


def test_one_label_of_a_class_leaves_references_out(data):
    X, y, _, score = data
    one = np.full(200, -1)
    one[np.flatnonzero(y == 1)[:1]] = 1
    one[np.flatnonzero(y == 0)[:5]] = 0
    fitted = quick(references="auto").fit(X, one, covariates=score)
    assert not fitted.fold_references_
    assert not len(fitted.out_of_fold_.rows)
    assert not fitted.operating_point(X, precision=0.5, covariates=score).is_certain


def test_three_classes():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 8, 8, 8)) * np.array([0.5, 1.0, 2.0])[y][:, None, None, None]
    fitted = quick().fit(X, np.where(np.arange(90) < 45, y, -1))
    assert fitted.score(X, y) == 1.0
    assert fitted.decision_function(X).shape == (90, 3)
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1.0)


def test_a_class_with_one_label_leaves_the_others_their_references():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 8, 8, 8)) * np.array([0.5, 1.0, 2.0])[y][:, None, None, None]
    hidden = np.where(np.arange(90) < 45, y, -1)
    hidden[np.flatnonzero(hidden == 2)[1:]] = -1
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None)
    fitted = quick(references=references).fit(X, hidden)
    assert len(fitted.fold_references_) == 3
    assert list(fitted.contributions_) == ["statistics", "references"]
    # A single label cannot be left out.
    assert (
        np.sort(fitted.out_of_fold_.rows) == np.flatnonzero((hidden == 0) | (hidden == 1))
    ).all()
    np.testing.assert_allclose(fitted.out_of_fold_.probabilities.sum(axis=1), 1.0)
    assert fitted.score(X[y < 2], y[y < 2]) > 0.9
    probabilities = fitted.predict_proba(X)[:, 2]
    assert average_precision_score(y == 2, probabilities) > 0.6
    assert not fitted.operating_point(X, precision=0.5, pos_label=2).is_certain
