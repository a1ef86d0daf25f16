"""The classifier by references: recovery of classes and poses, and scikit-learn's conventions."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from molecules import POINTS, density
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline

from sksubtomo._torch._float32 import read_flags, write_flags
from sksubtomo.alignment import (
    Annealing,
    MultiReferenceEM,
    check_stages,
    frozen_iterations,
    starting_rows,
)
from sksubtomo.exceptions import ImagingWarning, LabelAgreementWarning
from sksubtomo.fourier import (
    apply_fourier_filter,
    missing_wedge_mask,
    squared_frequencies,
)
from sksubtomo.geometry import rotate_volume
from sksubtomo.model_selection import SemiSupervisedSplit
from sksubtomo.preprocessing import GaussianLowPass, VolumeFlattener
from sksubtomo.semi_supervised import MultiReferenceClassifier, _reference_checks
from sksubtomo.semi_supervised._reference_checks import score_moments

SIZE = 12
STAGES = ((3.0, 60.0, 1, 3), (4.0, 45.0, 3, 5))
QUICK = {
    "annealing": Annealing(stages=STAGES, n_frozen_iter=3),
    "max_shift_voxels": 1.0,
    "random_state": 0,
}


def molecule(code):
    return density(POINTS[code], SIZE)


def simulate(n, classes=(0, 1, 2), noise=0.35, seed=0):
    """Volumes in random poses, with a missing wedge and noise."""
    rng = np.random.default_rng(seed)
    y = np.array(classes)[np.arange(n) % len(classes)]
    rotations = Rotation.random(n, random_state=seed)
    shifts = rng.uniform(-1, 1, (n, 3))
    poses = zip(y, rotations, shifts, strict=True)
    X = [rotate_volume(molecule(k), rotation, shift=shift) for k, rotation, shift in poses]
    X = np.stack(X) + rng.normal(scale=noise, size=(n, SIZE, SIZE, SIZE)).astype(np.float32)
    return apply_fourier_filter(X, missing_wedge_mask((SIZE,) * 3).astype(np.float32)), y


@pytest.fixture(scope="module")
def data():
    X, y = simulate(90)
    hidden = y.copy()
    hidden[6:] = -1
    return X, y, hidden


@pytest.fixture(scope="module")
def fitted(data):
    X, _, hidden = data
    return MultiReferenceClassifier(**QUICK).fit(X, hidden)


class Guess(LogisticRegression):
    """Seeds that are right with some probability, whatever the volume."""

    def __init__(self, truth=None, right=0.6):
        super().__init__()
        self.truth = truth
        self.right = right

    def fit(self, X, y):
        self.classes_ = np.unique(self.truth)
        return self

    def predict_proba(self, X):
        other = (1 - self.right) / (len(self.classes_) - 1)
        return np.where(self.truth[:, np.newaxis] == self.classes_, self.right, other)


# --- What it is for ------------------------------------------------------------------------------


def test_two_labels_a_class_are_enough(data, fitted):
    X, y, hidden = data
    test, truth = simulate(60, seed=1)
    baseline = NearestCentroid().fit(X[:6].reshape(6, -1), hidden[:6])
    assert baseline.score(test.reshape(60, -1), truth) < 0.75
    assert fitted.score(test, truth) > 0.95
    assert (fitted.transduction_ == y).mean() > 0.95
    assert np.array_equal(fitted.transduction_[:6], hidden[:6])
    assert np.array_equal(fitted.transduction_[6:], fitted.predict(X)[6:])
    assert len(fitted.history_) == fitted.n_iter_ == 8
    assert fitted.history_[-1]["log_likelihood"] > 1.2 * fitted.history_[0]["log_likelihood"]
    assert fitted.history_[-1]["temperature"] == 1.0


# Without a constraint, a class may find nothing.
@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.LabelAgreementWarning")
def test_shares_follow_the_prior(data, fitted):
    X, _, hidden = data
    free = clone(fitted).set_params(class_prior=None).fit(X, hidden)
    uniform = clone(fitted).set_params(class_prior="uniform").fit(X, hidden)
    skewed = clone(fitted).set_params(class_prior=pd.Series([0.8, 0.1, 0.1])).fit(X, hidden)
    shares = [m.predict_proba(X[6:]).mean(axis=0) for m in (uniform, free, skewed)]
    np.testing.assert_allclose(shares[0], 1 / 3, atol=0.05)
    assert shares[2][0] > shares[0][0] + 0.1
    np.testing.assert_allclose(skewed.class_log_prior_, np.log([0.8, 0.1, 0.1]))
    np.testing.assert_allclose(free.class_log_prior_, np.log(1 / 3))
    evidence = free.decision_function(X) + np.log([2.4, 0.3, 0.3])
    moved = clone(free)
    moved.__dict__.update(free.__dict__)
    moved.class_log_prior_ = skewed.class_log_prior_
    np.testing.assert_allclose(moved.decision_function(X), evidence, rtol=1e-5)


@pytest.mark.parametrize("n_hidden", [1, 3, 4])
def test_a_few_hidden_labels_move_no_class(data, n_hidden):
    X, y, _ = data
    hidden = np.where(np.arange(90) < n_hidden, -1, y)
    given = MultiReferenceClassifier(**QUICK).fit(X[n_hidden:], y[n_hidden:])
    some = MultiReferenceClassifier(**QUICK).fit(X, hidden)
    assert np.array_equal(some.transduction_, y)
    test, truth = simulate(60, seed=1)
    assert some.score(test, truth) >= given.score(test, truth) - 0.02


def test_initialization_that_agrees_with_labels_is_kept(data, monkeypatch):
    X, y, hidden = data
    starts = []
    run = MultiReferenceEM.run

    def spy(em):
        run(em)
        if len(em.labeled) == 90:  # else averages of labeled volumes
            starts.append(em)

    monkeypatch.setattr(MultiReferenceEM, "run", spy)
    clf = MultiReferenceClassifier(**QUICK, n_init=3).fit(X, hidden)
    assert len(starts) == 3
    assert clf.history_ in [em.history for em in starts]
    assert not starts[0].held_back.any()
    assert 0.3 < float(starts[1].held_back[6:].double().mean()) < 0.7
    assert not starts[1].held_back[:6].any()
    # The second is likelier, but contradicts the labels; of the others, the last is likelier.
    quality = [(1, 2.0), (0, 3.0), (1, 2.5)]
    monkeypatch.setattr(
        _reference_checks, "fit_quality", lambda em, check: quality[starts.index(em) - 3]
    )
    clf.fit(X, hidden)
    assert clf.history_ is starts[5].history
    # Where everything is known, there is nothing to begin anew.
    starts.clear()
    monkeypatch.undo()
    monkeypatch.setattr(MultiReferenceEM, "run", lambda em: (run(em), starts.append(em)))
    MultiReferenceClassifier(**QUICK, n_init=3).fit(X[:30], y[:30])
    assert sum(em.n_frozen == 3 and len(em.stages) == 2 for em in starts) == 1


def test_pose_of_a_reference_is_found(fitted):
    poses = fitted._finest
    mask = missing_wedge_mask((SIZE,) * 3).astype(np.float32)
    rng = np.random.default_rng(0)
    for code in (0, 1):
        rotation = poses.rotations[int(rng.integers(len(poses.rotations)))]
        volume = rotate_volume(fitted.references_[code], rotation, shift=(1.0, 0.0, -1.0))
        found = fitted.align(apply_fourier_filter(volume, mask)[np.newaxis])
        assert found.labels.tolist() == [code]
        assert np.abs(found.shifts[0] - (1, 0, -1)).max() <= 0.5
        finer = fitted.align(apply_fourier_filter(volume, mask)[np.newaxis], refine=True)
        assert (finer.rotations * rotation.inv()).magnitude() < 0.2
        assert np.abs(finer.shifts[0] - (1, 0, -1)).max() <= 0.3
        again = rotate_volume(fitted.references_[code], found.rotations[0], shift=found.shifts[0])
        assert np.corrcoef(again.ravel(), volume.ravel())[0, 1] > 0.9


def test_what_is_like_no_class_scores_low(data, fitted):
    X, _, _ = data
    noise = np.random.default_rng(0).normal(scale=0.35, size=(30, SIZE, SIZE, SIZE))
    noise = apply_fourier_filter(noise, missing_wedge_mask((SIZE,) * 3).astype(float))
    assert np.median(fitted.score_samples(X)) > fitted.score_samples(noise).max()
    np.testing.assert_array_less(fitted.score_samples(noise), 0)


def test_a_seed_is_improved(data):
    X, y, hidden = data
    wrong = np.where(np.arange(90) % 5 == 4, (y + 1) % 3, y)
    seed = Guess(truth=wrong, right=0.8)
    fitted = MultiReferenceClassifier(seed, **QUICK).fit(X, hidden)
    assert (wrong == y).mean() < 0.82
    assert (fitted.transduction_ == y).mean() > 0.95
    frozen = FrozenEstimator(fitted.estimator_)
    again = MultiReferenceClassifier(frozen, **QUICK).fit(X, hidden)
    assert again.estimator_ is frozen
    assert np.array_equal(again.references_, fitted.references_)


def test_units_and_layout_do_not_matter(data, fitted):
    X, _, hidden = data
    scaled = clone(fitted).fit(1e4 * X, hidden)
    np.testing.assert_allclose(scaled.predict_proba(1e4 * X), fitted.predict_proba(X), atol=1e-3)
    np.testing.assert_allclose(scaled.references_, 1e4 * fitted.references_, rtol=0.01, atol=10)
    np.testing.assert_allclose(scaled.noise_power_, 1e8 * fitted.noise_power_, rtol=1e-3)
    flat = clone(fitted).set_params(volume_shape=SIZE).fit(X.reshape(90, -1), hidden)
    assert np.array_equal(flat.predict_proba(X), fitted.predict_proba(X))
    names = np.array(["a", "b", "c", "unlabeled"])
    named = clone(fitted).fit(X, names[hidden])
    assert np.array_equal(named.references_, fitted.references_)
    assert named.transduction_.tolist() == names[fitted.transduction_].tolist()


def test_noise_has_its_power(data, fitted):
    X, y, _ = data
    np.testing.assert_allclose(fitted.noise_power_, 0.35**2, rtol=0.1)
    # Colored: twice as much below three cycles per box as above.
    rng = np.random.default_rng(5)
    radius = SIZE * np.sqrt(squared_frequencies((SIZE,) * 3))
    noise = rng.normal(size=X.shape)
    colored = X + apply_fourier_filter(noise, np.where(radius < 2.5, 2.0, 1.0))
    by_shell = clone(fitted).set_params(noise="shells", annealing__n_frozen_iter=0).fit(colored, y)
    assert by_shell.noise_power_[2] > 2.5 * by_shell.noise_power_[4]
    np.testing.assert_allclose(by_shell.noise_power_[3:], 1 + 0.35**2, rtol=0.2)


# --- Conventions ---------------------------------------------------------------------------------


def test_same_seed_same_bits_whatever_the_global_seeds(data, fitted):
    X, _, hidden = data
    torch.manual_seed(3)
    numpy_state, torch_state = np.random.get_state()[1], torch.random.get_rng_state()  # noqa: NPY002
    again = clone(fitted).fit(X, hidden)
    assert np.array_equal(again.references_, fitted.references_)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(
        pickle.loads(pickle.dumps(fitted)).predict_proba(X), fitted.predict_proba(X)
    )


def test_a_refused_fit_leaves_the_last_one(data, fitted):
    X, _, hidden = data
    expected = fitted.predict(X[:10])
    refused = pickle.loads(pickle.dumps(fitted)).set_params(class_prior=[0.5, 0.5])
    with pytest.raises(ValueError, match="class_prior"):
        refused.fit(X[:, :10, :10, :10], hidden)
    assert np.array_equal(refused.predict(X[:10]), expected)


def test_flags_for_matrix_products_have_no_effect(data, fitted):
    X, _, hidden = data
    expected = fitted.predict_proba(X[:20])
    before = read_flags()
    torch.set_float32_matmul_precision("medium")
    try:
        again = clone(fitted).fit(X, hidden)
        assert np.array_equal(again.references_, fitted.references_)
        assert np.array_equal(again.predict_proba(X[:20]), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        write_flags(before)


def test_results_do_not_depend_on_their_neighbors(data, fitted):
    X, _, _ = data
    scores = fitted.decision_function(X)
    assert scores.shape == (90, 3)
    np.testing.assert_allclose(fitted.decision_function(X[7:9]), scores[7:9], atol=1e-3)
    np.testing.assert_allclose(fitted.decision_function(X[::-1])[::-1], scores, atol=1e-3)
    assert np.array_equal(fitted.classes_[scores.argmax(axis=1)], fitted.predict(X))
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize(
    "params",
    [
        {"annealing__stages": np.array(STAGES)},
        {"annealing__stages": np.array(STAGES, np.float32)},
        {"annealing__stages": [np.array(stage) for stage in STAGES]},
        {"annealing__stages": [tuple(np.array(stage, np.float32)) for stage in STAGES]},
        {"annealing__stages": pd.DataFrame(STAGES)},
        {"tilt_range_deg": np.float32(60)},
        {"tilt_range_deg": np.array([-60, 60])},
        {
            "max_shift_voxels": np.float32(1),
            "n_init": np.int64(1),
            "annealing__n_frozen_iter": np.uint8(3),
        },
        {
            "annealing__class_perplexity": np.float64(3 ** (2 / 3)),
            "class_prior": np.str_("estimated"),
        },
        {"classes": pd.Series([2, 1, 0]), "volume_shape": np.array([SIZE] * 3, np.int16)},
        {"volume_shape": np.int64(SIZE), "random_state": np.int64(0), "verbose": np.False_},
        {"device": np.str_("cpu"), "noise": np.str_("white"), "n_references": np.int8(1)},
    ],
    ids=str,
)
def test_numbers_of_numpy(data, fitted, params):
    X, _, hidden = data
    again = clone(fitted).set_params(**params).fit(X, hidden)
    assert np.array_equal(again.references_, fitted.references_)
    assert again.classes_.tolist() == [0, 1, 2]


def test_series_and_data_frames(data, fitted):
    X, y, hidden = data
    columns = [f"voxel{i}" for i in range(SIZE**3)]
    frame = pd.DataFrame(X.reshape(90, -1), columns=columns, index=np.arange(90) + 5)
    clf = clone(fitted).set_params(volume_shape=SIZE)
    clf.fit(frame, pd.Series(hidden, index=frame.index))
    assert clf.feature_names_in_.tolist() == columns
    assert np.array_equal(clf.references_, fitted.references_)
    weight = pd.Series(np.arange(90.0), index=frame.index)
    expected = fitted.score(X, y, sample_weight=np.arange(90))
    assert clf.score(frame, pd.Series(y, index=frame.index), sample_weight=weight) == expected
    assert not hasattr(clf.fit(X, hidden), "feature_names_in_")


def test_logarithms_of_probabilities(data, fitted):
    X, _, _ = data
    logarithms = fitted.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(logarithms), fitted.predict_proba(X), atol=1e-12)
    # A volume of which no doubt is left.
    certain = clone(fitted)
    certain.__dict__.update(fitted.__dict__)
    certain.class_log_prior_ = np.array([0.0, -1e4, -1e4])
    assert (certain.predict_proba(X)[:, 1:] == 0).all()
    assert np.isfinite(certain.predict_log_proba(X)).all()


def test_transduction_sorts(data, fitted):
    X, _, hidden = data
    names = np.array(["a", "b", "c", "unlabeled"])
    none = np.array([None, "a", "b", "c"], object)
    for labels in (names[hidden], none[hidden + 1], names[hidden].tolist()):
        named = clone(fitted).fit(X, labels)
        assert np.unique(named.transduction_).tolist() == [*"abc"]
    assert fitted.transduction_.dtype == fitted.classes_.dtype == hidden.dtype


def test_fit_that_fails_leaves_the_last_one(data, fitted):
    X, _, hidden = data
    clf = clone(fitted).fit(X, hidden)
    expected = clf.predict(X)
    with pytest.raises(ValueError, match="positive share"):
        clf.set_params(class_prior=[1, 1]).fit(X, np.where(hidden < 0, -1, hidden + 5))
    assert np.array_equal(clf.predict(X), expected)


def test_a_seed_of_another_kind_of_label(data):
    X, _, hidden = data
    frozen = FrozenEstimator(Guess(truth=np.array([*"012"] * 30)).fit(X, None))
    with pytest.raises(ValueError, match=r"estimator knows the classes \['0', '1', '2'\]"):
        MultiReferenceClassifier(frozen, **QUICK).fit(X, hidden)


def test_two_classes_and_a_class_without_label():
    X, y = simulate(40, classes=(0, 2))
    hidden = np.where(np.arange(40) < 4, y, -1)
    two = MultiReferenceClassifier(**QUICK).fit(X, hidden)
    decision = two.decision_function(X)
    assert decision.shape == (40,)
    assert np.array_equal(two.predict(X), two.classes_[(decision > 0).astype(int)])
    one = MultiReferenceClassifier(classes=[0, 9], **QUICK).fit(X, np.where(y == 0, hidden, -1))
    assert one.classes_.tolist() == [0, 9]
    assert one.predict_proba(X).shape == (40, 2)
    assert one.references_[1].any()


def test_search_and_pipeline(data):
    X, y, _ = data
    hidden = np.where(np.arange(90) < 30, y, -1)
    quicker = {**QUICK, "annealing": Annealing(stages=((3.0, 60.0, 1, 2),), n_frozen_iter=1)}
    grid = {"class_prior": ["uniform", None]}
    search = GridSearchCV(MultiReferenceClassifier(**quicker), grid, cv=SemiSupervisedSplit(2))
    assert search.fit(X, hidden).best_score_ > 0.5
    seed = make_pipeline(VolumeFlattener(), LogisticRegression())
    with pytest.raises(ValueError, match=r"estimator knows the classes \[-1\].*SelfTraining"):
        MultiReferenceClassifier(seed, **quicker).fit(X, hidden)


# --- Bad input -----------------------------------------------------------------------------------


class Unwanted(Guess):
    """A seed that is not to be fitted: what is wrong is said before."""

    def fit(self, X, y):
        raise AssertionError("work began")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"annealing__stages": [(3, 60, 1)]}, "must be rows of"),
        ({"annealing__stages": [(3, 60, 1, 4), (3, 60, 1)]}, "must be rows of"),
        ({"annealing__stages": [("a", 60, 1, 4)]}, "must be rows of"),
        ({"annealing__stages": [(3, np.nan, 1, 4)]}, "at most 180 degrees"),
        ({"annealing__stages": [(3, 60, np.inf, 4)]}, "whole n_shifts"),
        ({"annealing__stages": [(3, 60, 1.5, 4)]}, "whole n_shifts"),
        ({"annealing__stages": [(3, 60, 1, 0)]}, "whole n_shifts and n_iter from 1"),
        ({"annealing__stages": [(3, 200, 1, 4)]}, "at most 180 degrees"),
        ({"annealing__stages": [(4, 60, 1, 4), (3, 60, 1, 4)]}, "must be non-decreasing"),
        ({"annealing__n_frozen_iter": 9}, "n_frozen_iter=9, but the stages have 8 iterations"),
        ({"annealing__class_perplexity": 0.5}, "'class_perplexity' parameter"),
        ({"class_prior": [0.5, 0.5]}, "each of the 3 classes"),
        ({"class_prior": [1, 0, 0]}, "positive share"),
        ({"class_prior": [*"abc"]}, "positive share"),
        ({"n_init": True}, "'n_init' parameter"),
        ({"n_init": 1.0}, "'n_init' parameter"),
        ({"annealing__n_frozen_iter": False}, "'n_frozen_iter' parameter"),
        ({"annealing__class_perplexity": True}, "'class_perplexity' parameter"),
        ({"max_shift_voxels": True}, "'max_shift_voxels' parameter"),
        ({"tilt_range_deg": True}, "'tilt_range_deg' parameter"),
        ({"mask_radius_voxels": True}, "'mask_radius_voxels' parameter"),
        ({"volume_shape": True}, "'volume_shape' parameter"),
        ({"class_prior": "labels", "classes": [0, 1, 2, 3]}, "each of the 4 classes"),
        ({"tilt_range_deg": (50, 40)}, "tilt_range_deg"),
        ({"max_shift_voxels": -1}, "'max_shift_voxels' parameter"),
        ({"estimator": "network"}, "'estimator' parameter"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_bad_parameters_are_refused(data, params, message):
    X, _, hidden = data
    clf = MultiReferenceClassifier(**{**QUICK, "estimator": Unwanted()}).set_params(**params)
    with pytest.raises((ValueError, RuntimeError), match=message):
        clf.fit(X, hidden)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, 1:], y), r"must be cubes.*\(11, 12, 12\)"),
        (lambda X, y: (X[:, :2, :2, :2], y), "at least 4 voxels"),
        (lambda X, y: (np.zeros((90, 5)), y), "X has no power"),
        (lambda X, y: (X, np.full(90, -1)), "every label in y means 'unlabeled'"),
        (lambda X, y: (X, np.where(y == 0, 0, -1)), "there is one class, 0"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (np.where(np.arange(90)[:, None, None, None] == 7, np.nan, X), y), "index 7"),
    ],
)
def test_bad_data_are_refused(data, change, message):
    X, _, hidden = data
    with pytest.raises(ValueError, match=message):
        MultiReferenceClassifier(Unwanted(), **QUICK).fit(*change(X, hidden))


def test_score_without_any_label(data, fitted):
    with pytest.warns(UndefinedMetricWarning, match="every label in y is hidden"):
        assert np.isnan(fitted.score(data[0], np.full(90, -1)))


def test_a_wrong_label_is_kept_but_not_believed(data, fitted):
    X, y, hidden = data
    wrong = hidden.copy()
    wrong[9:30] = y[9:30]
    wrong[6] = (y[6] + 1) % 3
    with pytest.warns(LabelAgreementWarning, match=r"rows \[6\b"):
        again = clone(fitted).fit(X, wrong)
    assert again.label_agreement_ < 0.95
    assert again.transduction_[6] == wrong[6]
    assert again.predict(X[6:7]).tolist() == [y[6]]


def test_filtered_volumes_have_no_noise_to_measure(data):
    X, _, hidden = data
    filtered = GaussianLowPass(60.0, voxel_size_angstrom=10.0).fit_transform(X)
    with pytest.raises(ValueError, match="low-pass filtered or denoised"):
        MultiReferenceClassifier(**QUICK, noise="white").fit(filtered, hidden)
    clf = MultiReferenceClassifier(**QUICK).fit(filtered, hidden)
    assert np.isfinite(clf.predict_proba(filtered)).all()
    with pytest.raises(ValueError, match="constant"):
        MultiReferenceClassifier(**QUICK).fit(np.zeros_like(X), hidden)


def test_classes_without_a_label_begin_apart():
    codes = np.array([0, 0, -1, -1, -1])
    rng = np.random.RandomState(0)
    rows = starting_rows(codes, None, np.arange(4), rng)
    assert rows[0] in (0, 1)
    assert len(set(rows[1:])) == 3
    assert set(rows[1:]) == {2, 3, 4}
    seeds = np.array([[0.1, 0.9], [0, 1], [0.7, 0.3], [0.6, 0.4], [0.9, 0.1]])
    assert starting_rows(codes, seeds, np.arange(2), rng)[1] == 3  # not the labeled ones


# --- Complications of real data ------------------------------------------------------------------


def uneven(sizes, seed=0):
    """Volumes of the three classes, as many of each as stated."""
    parts = [simulate(n, (k,), noise=0.25, seed=seed + k)[0] for k, n in enumerate(sizes)]
    y = np.repeat(np.arange(len(sizes)), sizes)
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate(parts)[order], y[order]


GRADUAL = {
    "annealing": Annealing(stages=((3.0, 60.0, 1, 3), (4.0, 45.0, 3, 5), (4.0, 45.0, 3, 2))),
    "max_shift_voxels": 1.0,
    "random_state": 0,
}


def test_class_proportions_are_found():
    X, y = uneven((100, 30, 10))
    hidden = np.full(140, -1)
    for k, n in enumerate((10, 3, 2)):
        hidden[np.flatnonzero(y == k)[:n]] = k
    clf = MultiReferenceClassifier(**GRADUAL).fit(X, hidden)
    found = [(clf.transduction_[y == k] == k).mean() for k in range(3)]
    assert np.mean(found) > 0.95
    np.testing.assert_allclose(np.exp(clf.class_log_prior_), np.array([10, 3, 1]) / 14, atol=0.05)
    assert clf.label_agreement_ > 0.9
    even = clone(clf).set_params(class_prior="uniform").fit(X, hidden)
    assert (even.transduction_ == y).mean() < (clf.transduction_ == y).mean()


def test_inverted_contrast_is_named(data):
    X, y, _ = data
    hidden = np.where(np.arange(90) < 30, y, -1)
    X = X.copy()
    X[[3, 10, 20, 40, 50]] *= -1
    with pytest.warns(ImagingWarning, match=r"3 of 30 labeled volumes, rows \[3, 10, 20\]"):
        MultiReferenceClassifier(**QUICK).fit(X, hidden)
    # All of them inverted is no complication.
    whole = MultiReferenceClassifier(**QUICK).fit(-data[0], hidden)
    np.testing.assert_allclose(
        whole.references_,
        -MultiReferenceClassifier(**QUICK).fit(data[0], hidden).references_,
        atol=1e-4,
    )


def test_another_tilt_axis_is_named(data):
    X, _, hidden = data
    with pytest.warns(ImagingWarning, match="With tilt axis x, beam z and tilts from -60 to 60"):
        MultiReferenceClassifier(**QUICK).fit(np.rot90(X, axes=(2, 3)), hidden)


def test_colored_noise_is_measured_outside_of_particles(data):
    X, y, _ = data
    hidden = np.where(np.arange(90) < 30, y, -1)
    radius = SIZE * np.sqrt(squared_frequencies((SIZE,) * 3))
    noise = np.random.default_rng(1).normal(scale=0.25, size=X.shape)
    X = X + apply_fourier_filter(noise, np.where(radius < 2.5, 1.6, 0.4))
    clf = MultiReferenceClassifier(**GRADUAL, noise="shells").fit(X, hidden)
    assert (clf.transduction_ == y).mean() > 0.8
    # Of the measured part of the noise of the volumes, and that which was added.
    low, high = 0.35**2 + 0.4**2, 0.35**2 + 0.1**2
    assert clf.noise_power_[2] == pytest.approx(low, rel=0.35)
    assert clf.noise_power_[4] == pytest.approx(high, rel=0.35)
    assert np.isfinite(clf.score_samples(X)).all()


def test_scores_are_standardized_by_class(data, fitted):
    X, _, _ = data
    scores = fitted.score_samples(X)
    for k in range(3):
        own = scores[fitted.predict(X) == k]
        assert np.median(own) == pytest.approx(0, abs=0.25)
        assert np.median(np.abs(own)) == pytest.approx(1 / 1.4826, abs=0.4)


def test_more_than_one_reference_a_class(data):
    X, y, _ = data
    # Rods and triangles are one class of two conformations.
    hidden = np.where(np.arange(90) < 24, np.minimum(y, 1), -1)
    hidden = np.where((np.arange(90) < 24) & (y == 2), 1, np.where(hidden == 1, 0, hidden))
    clf = MultiReferenceClassifier(**QUICK, n_references=2).fit(X, hidden)
    assert clf.references_.shape == (4, SIZE, SIZE, SIZE)
    assert clf.reference_classes_.tolist() == [0, 0, 1, 1]
    assert (clf.transduction_ == (y == 2)).mean() > 0.95
    proba = clf.predict_proba(X)
    assert proba.shape == (90, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    found = clf.align(X[:5])
    assert np.array_equal(found.labels, clf.predict(X[:5]))
    assert np.isfinite(clf.score_samples(X[:5])).all()


@pytest.mark.filterwarnings("ignore::sksubtomo.exceptions.LabelAgreementWarning")
def test_search_reaches_into_the_annealing(data):
    X, _, hidden = data
    clf = MultiReferenceClassifier(max_shift_voxels=0.0, random_state=0)
    # The shortcut None is an object with its defaults, made when a setting is set.
    grid = {"annealing__stages": [[(3.0, 60.0, 1, 1)], [(3.0, 60.0, 1, 2)]]}
    search = GridSearchCV(clf, grid, cv=SemiSupervisedSplit(2)).fit(X, hidden)
    assert clf.annealing is None
    assert search.best_estimator_.annealing.n_frozen_iter == "auto"
    assert search.best_estimator_.n_iter_ == search.best_params_["annealing__stages"][0][3]
    shared = Annealing(stages=[(3.0, 60.0, 1, 2)])
    changed = MultiReferenceClassifier(annealing=shared).set_params(annealing__n_frozen_iter=1)
    assert (shared.n_frozen_iter, changed.annealing.n_frozen_iter) == ("auto", 1)


@pytest.mark.parametrize(("n_labels", "expected"), [(1, 2), (2, 3), (5, 6), (7, 8), (30, 8)])
def test_frozen_iterations_follow_the_number_of_labels(n_labels, expected):
    stages = check_stages(Annealing().stages, "auto")
    targets = np.concatenate([np.repeat(np.arange(4), n_labels), np.full(50, -1)])
    assert frozen_iterations("auto", stages, targets, 4) == expected
    assert frozen_iterations(5, stages, targets, 4) == 5
    assert frozen_iterations("auto", check_stages([(3, 60, 1, 1)], "auto"), targets, 4) == 1


def test_spread_of_scores_is_shrunk_to_that_of_all_classes():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [4000, 4000, 3])
    scores = rng.normal(size=8003) * np.array([1.0, 5.0, 1.0])[targets] + 10 * targets
    location, scale = score_moments(scores, targets, 4)
    np.testing.assert_allclose(location[:2], [0, 10], atol=0.3)
    np.testing.assert_allclose(scale[:2], [1, 5], rtol=0.1)
    # Too few, or none: those of all.
    assert location[2] == location[3] == np.median(scores)
    assert scale[2] == scale[3] > 0
    # Of twenty volumes, some alike by chance.
    alike = np.r_[np.zeros(20), rng.normal(size=60)]
    _, few = score_moments(alike, np.repeat([0, 1], [20, 60]), 2)
    assert few[0] > 0.05
    assert score_moments(np.zeros(5), np.zeros(5, int), 1)[1].tolist() == [1.0]


def one_label_a_class(y):
    first = [int(np.flatnonzero(y == k)[0]) for k in range(3)]
    hidden = np.full(len(y), -1)
    hidden[first] = y[first]
    return hidden


#: Of so few iterations, none is spent on annealing.
GIVEN = {**QUICK, "annealing": Annealing(stages=STAGES, class_perplexity=1)}


def test_given_references_are_begun_with(data):
    X, y, _ = data
    given = np.stack([molecule(k) for k in range(3)])
    hidden = one_label_a_class(y)
    start = MultiReferenceClassifier(**GIVEN, references_init=given).fit(X, hidden)
    assert (start.transduction_ == y).mean() > 0.95
    assert np.isfinite(start.history_[0]["temperature"])  # unlabeled volumes take part at once
    # Neither unit nor form matters.
    named = {k: 1000 * given[k] for k in (2, 0, 1)}
    other = MultiReferenceClassifier(**GIVEN, references_init=named).fit(X, hidden)
    np.testing.assert_allclose(other.references_, start.references_, atol=1e-4)
    # What a fit found can be begun with.
    again = MultiReferenceClassifier(**GIVEN, references_init=start.references_).fit(X, hidden)
    assert (again.transduction_ == start.transduction_).mean() > 0.9


def test_given_references_belong_to_their_classes(data):
    X, y, hidden = data
    names = np.array(["rod", "triangle", "ball"], dtype=object)
    labels = np.where(hidden >= 0, names[hidden], "unlabeled")
    given = {str(names[k]): np.stack([molecule(k)] * 2) for k in range(3)}
    clf = MultiReferenceClassifier(**GIVEN, n_references=2, references_init=given).fit(X, labels)
    assert (clf.transduction_ == names[y]).mean() > 0.9


def test_inverted_references_are_named(data):
    X, y, _ = data
    given = -np.stack([molecule(k) for k in range(3)])
    clf = MultiReferenceClassifier(**GIVEN, references_init=given)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, one_label_a_class(y))
    assert "references_init of inverted contrast" in str(caught[0].message)
    assert caught[0].category is ImagingWarning


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((2, SIZE, SIZE, SIZE)), r"has the shape \(2, 12, 12, 12\), but X needs \(3, 12"),
        (np.ones((3, 10, 10, 10)), "Crop or resample maps"),
        (np.full((3, SIZE, SIZE, SIZE), np.nan), "NaN or infinite"),
        (np.zeros((3, SIZE, SIZE, SIZE)), "are they constant"),
        ({0: molecule(0), 1: molecule(1)}, r"missing: \['2'\]"),
        ({0: molecule(0), 1: molecule(1), 2: molecule(2), 3: molecule(0)}, r"no class: \['3'\]"),
        ({0: molecule(0), 1: molecule(1), 2: np.ones(3)}, r"references_init\['2'\] has the shape"),
        ([["a"]], "has the shape"),
        (3.0, "'references_init' parameter"),
    ],
)
def test_bad_given_references_are_refused(data, given, message):
    X, _, hidden = data
    with pytest.raises(ValueError, match=message):
        MultiReferenceClassifier(**QUICK, references_init=given).fit(X, hidden)


def test_shifts_beyond_the_largest_are_named():
    X, y = simulate(60, noise=0.2, seed=3)
    far = np.stack([np.roll(x, 3 * (-1) ** k, axis=k % 3) for k, x in enumerate(X)])
    hidden = np.where(np.arange(60) < 24, y, -1)
    maps = np.stack([molecule(k) for k in range(3)])
    clf = MultiReferenceClassifier(
        **{**QUICK, "annealing": Annealing(stages=((4.0, 45.0, 3, 1),))}, references_init=maps
    )

    def is_named(X):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clf.fit(X, hidden)
        return any("set a larger max_shift_voxels" in str(warning.message) for warning in caught)

    assert is_named(far)
    assert not is_named(X)
    clf.set_params(max_shift_voxels=3.0)
    assert not is_named(far)
    clf.set_params(max_shift_voxels=0.0)
    assert not is_named(X)
