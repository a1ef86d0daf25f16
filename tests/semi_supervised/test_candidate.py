"""Candidates of a picker: columns, figures of boxes, references, and labels of particles only."""

import importlib.util
import warnings

import numpy as np
import pytest
import sklearn
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sksubtomo.alignment import Annealing, ClassPrior
from sksubtomo.exceptions import ImagingWarning, InvertedContrastWarning
from sksubtomo.geometry import rotate_volume
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.persistence import load_model, save_model
from sksubtomo.preprocessing import VolumeNormalizer
from sksubtomo.semi_supervised import (
    CandidateClassifier,
    MultiReferenceClassifier,
)
from sksubtomo.semi_supervised._box_features import box_features
from sksubtomo.semi_supervised._candidate_parts import reference_features

QUICK = Annealing(stages=[(3, 60, 1, 4)], n_frozen_iter=2, class_perplexity=1)


def blobs(n, seed=0, size=12):
    """Blobs of two radii in noise: small ones are particles; and a score that says little."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    axis = np.arange(size) - size // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    shapes = np.stack([np.exp(-((radius / r) ** 2)) for r in (4.0, 2.0)])
    X = 2.0 * shapes[y] + rng.normal(size=(n, size, size, size))
    return X.astype(np.float32), y, y + 2 * rng.normal(size=n)


@pytest.fixture(scope="module")
def data():
    X, y, score = blobs(200)
    return X, y, np.where(np.arange(200) < 60, y, -1), score


def quick(**params):
    return CandidateClassifier(**{"references": None, "random_state": 0, **params})


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


# --- Columns and tomograms -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (np.zeros(199), "199 rows.*200 candidates"),
        (np.full(200, np.nan), "NaN"),
        (np.full(200, "a"), "convert"),
    ],
)
def test_refused_columns(data, covariates, message):
    X, _, hidden, _ = data
    with pytest.raises(ValueError, match=message):
        quick().fit(X, hidden, covariates=covariates)


def test_references_with_a_background(data):
    """It has evidence without a reference, which belongs to the figures of a candidate."""
    X, _, hidden, _ = data
    references = MultiReferenceClassifier(
        annealing=QUICK, class_prior=ClassPrior(background=0), random_state=0
    )
    clf = quick(references=references).fit(X[:100], hidden[:100])
    fitted = clf.fold_references_[0]
    assert len(fitted.references_) == 1
    found = reference_features(fitted, X[100:])
    assert found.shape == (100, 2)
    ratio = fitted.predict_log_proba(X[100:]) - fitted.class_log_prior_
    np.testing.assert_allclose(found[:, 0], ratio[:, 1] - ratio[:, 0], rtol=1e-6, atol=1e-6)


def test_other_columns_are_refused(data):
    pd = pytest.importorskip("pandas")
    X, _, hidden, score = data
    frame = pd.DataFrame({"score": score, "distance": score**2})
    fitted = quick().fit(X, hidden, covariates=frame)
    with pytest.raises(ValueError, match="0 covariates.*fitted with 2"):
        fitted.predict(X)
    with pytest.raises(ValueError, match=r"\['distance', 'score'\].*\['score', 'distance'\]"):
        fitted.predict(X, covariates=frame[["distance", "score"]])


def test_columns_are_checked_before_boxes(data):
    X, _, hidden, score = data
    fitted = quick().fit(X, hidden, covariates=score)
    fitted.check_covariates(score[:5])
    for wrong, message in (
        (None, "0 covariates"),
        (np.column_stack([score, score]), "2 covariates"),
        (np.full(3, np.nan), "NaN"),
        (np.array([0.5, -999.0]), "missing"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.check_covariates(wrong)
    with pytest.raises(NotFittedError):
        quick().check_covariates(score)


def test_nothing_to_learn_from(data):
    with pytest.raises(ValueError, match="nothing to tell candidates apart"):
        quick(statistics=False).fit(data[0], data[2])


def test_offsets_of_tomograms_are_taken_off(data):
    X, y, hidden, _ = data
    rng = np.random.default_rng(5)
    clean = y + 0.3 * rng.normal(size=200)
    names = np.array(["a", "b"])[np.arange(200) % 2]
    shifted = clean + 5.0 * (names == "b")
    params = {"statistics": False}
    with_names = quick(**params).fit(X, hidden, covariates=shifted, tomograms=names)
    without = quick(**params).fit(X, hidden, covariates=shifted)
    score = with_names.score(X, y, covariates=shifted, tomograms=names)
    assert score > without.score(X, y, covariates=shifted)
    # A new tomogram, by its own rows; a known one by those of the fit, also alone.
    new = with_names.predict_proba(
        X, covariates=shifted + 3, tomograms=np.char.add(names.astype("U3"), "x")
    )
    known = with_names.predict_proba(X, covariates=shifted, tomograms=names)
    assert np.abs(new - known).mean() < 0.2
    one = with_names.predict_proba(X[:1], covariates=shifted[:1], tomograms=names[:1])
    np.testing.assert_allclose(one, known[:1])
    with pytest.raises(ValueError, match="tomograms has the shape"):
        with_names.predict(X, covariates=shifted, tomograms=names[:3])
    with pytest.raises(ValueError, match="fitted with tomograms="):
        with_names.predict(X, covariates=shifted)
    with pytest.raises(ValueError, match="fitted without tomograms="):
        without.predict(X, covariates=shifted, tomograms=names)


# --- scikit-learn --------------------------------------------------------------------------------


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


# --- Odd labels and columns ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "background", "message"),
    [
        ([1, 2, -1, -1], 0, r"only where particles are of one class; labels are of \[1, 2\]"),
        ([1, -1, -1, -1], 0, "two labeled particles at least"),
        ([1, 1, -1, -1], -1, "none that means 'unlabeled'"),
        ([1, 1, -1, -1], True, "must be of the kind of the labels"),
        (["a", "a", "unlabeled", "unlabeled"], "unlabeled", "none that means 'unlabeled'"),
    ],
)
def test_a_background_that_cannot_be_learned_is_refused(data, labels, background, message):
    X, *_, score = data
    with pytest.raises(ValueError, match=message):
        quick(background=background).fit(X[:4], labels, covariates=score[:4])


def test_particles_alone_need_unlabeled_candidates(data):
    X, y, hidden, _ = data
    given = np.where((hidden >= 0) & (y == 1), 1, -1)
    with pytest.raises(ValueError, match="max_unlabeled=0 leaves none"):
        quick(background=0, max_unlabeled=0).fit(X, given)


@pytest.mark.parametrize(("n_labels", "cv"), [(2, 3), (3, 2)])
def test_a_part_with_a_single_labeled_particle_is_learned_from(data, n_labels, cv):
    X, y, _, score = data
    given = np.full(len(y), -1)
    given[np.flatnonzero(y == 1)[:n_labels]] = 1
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None, random_state=0)
    fitted = quick(background=0, cv=cv, references=references).fit(X, given, covariates=score)
    proba = fitted.predict_proba(X, covariates=score)[:, 1]
    assert proba[y == 1].mean() > proba[y == 0].mean()


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
def test_columns_may_be_very_large_or_small(data, unit):
    X, _, hidden, score = data
    one = quick(statistics=False).fit(X, hidden, covariates=score)
    other = quick(statistics=False).fit(X, hidden, covariates=unit * score)
    np.testing.assert_allclose(
        one.predict_proba(X, covariates=score),
        other.predict_proba(X, covariates=unit * score),
        atol=1e-6,
    )


def test_large_units_of_volumes_do_not_matter(data):
    X, _, hidden, _ = data
    references = MultiReferenceClassifier(annealing=QUICK, class_prior=None, random_state=0)
    one, other = (
        quick(references=references).fit(unit * X, hidden).predict_proba(unit * X)
        for unit in np.float32([1, 2.0**66])
    )
    np.testing.assert_allclose(one, other, atol=1e-4)  # logarithms of the unit are rounded


@pytest.mark.parametrize("missing", [None, np.nan])
def test_every_candidate_is_of_a_tomogram(data, missing):
    X, _, hidden, score = data
    names = np.array(["TS_1", "TS_2"] * 100, dtype=object)
    names[5] = missing
    with pytest.raises(ValueError, match="no name in 1 rows, the first of which is 5"):
        quick().fit(X, hidden, covariates=score, tomograms=names)


def test_numbers_of_tomograms_may_be_floats(data):
    X, _, hidden, score = data
    numbers = np.arange(200) % 3
    fitted = quick().fit(X, hidden, covariates=score, tomograms=numbers)
    few = {"covariates": score[:9], "tomograms": numbers[:9]}
    as_floats = {**few, "tomograms": numbers[:9].astype(float)}
    np.testing.assert_array_equal(
        fitted.predict_proba(X[:9], **few), fitted.predict_proba(X[:9], **as_floats)
    )


def test_numbers_that_stand_for_missing_scores_are_refused(data):
    X, _, hidden, score = data
    scores = np.where(np.arange(len(score)) == 7, 1e30, score)
    with pytest.raises(ValueError, match=r"covariates has 1e\+30 in row 7 of column 0"):
        quick().fit(X, hidden, covariates=scores)
