"""What the classifier of candidates takes and refuses: labels, columns, tomograms, units."""

import numpy as np
import pytest
from candidates import QUICK, labeled_blobs, quick
from sklearn.exceptions import NotFittedError

from sksubtomo.alignment import ClassPrior
from sksubtomo.semi_supervised import (
    MultiReferenceClassifier,
)
from sksubtomo.semi_supervised._candidate_parts import reference_features


@pytest.fixture(scope="module")
def data():
    return labeled_blobs()


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
