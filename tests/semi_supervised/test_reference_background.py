"""A class without a reference, for what shows none of the structures."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.base import clone

from sksubtomo.alignment import Annealing, ClassPrior
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import rotate_volume
from sksubtomo.persistence import load_model, save_model
from sksubtomo.semi_supervised import MultiReferenceClassifier

SIZE = 14
STAGES = ((3.0, 60.0, 1, 3), (4.5, 45.0, 3, 4))
KINDS = ("noise", "sheet", "ball")


def blobs(points):
    grid = (np.stack(np.indices((SIZE,) * 3), axis=-1) - SIZE // 2)[..., ::-1]
    squares = ((grid[..., np.newaxis, :] - np.array(points)) ** 2).sum(axis=-1)
    return np.exp(-squares / 3).sum(axis=-1).astype(np.float32)


MAPS = {
    "rod": blobs([(0, 0, -4), (0, 0, -1.5), (0, 0, 1), (0, 0, 3.5)]),
    "wheel": blobs([(4, 0, 0), (-2, 3, 0), (-2, -3, 0), (0, 0, 2)]),
    "noise": np.zeros((SIZE,) * 3, np.float32),
    "sheet": np.exp(-((np.indices((SIZE,) * 3)[0] - SIZE // 2) ** 2) / 2.0).astype(np.float32),
    "ball": 12 * blobs([(0.5, -1, 0)]),
}


def simulate(names, seed):
    rng = np.random.default_rng(seed)
    X = np.stack([rotate_volume(MAPS[name], Rotation.random(rng=rng)) for name in names])
    X += rng.normal(scale=0.25, size=X.shape).astype(np.float32)
    return apply_fourier_filter(X, missing_wedge_mask((SIZE,) * 3).astype(np.float32))


def classifier(background="junk", **params):
    prior = ClassPrior(proportions=params.pop("proportions", "estimated"), background=background)
    annealing = Annealing(stages=STAGES)
    return MultiReferenceClassifier(
        annealing=annealing, max_shift_voxels=1.0, class_prior=prior, random_state=0, **params
    )


@pytest.fixture(scope="module")
def data():
    """As much junk as there are particles, and four labels of each class."""
    truth = np.array(["rod", "wheel"] * 12 + ["noise", "sheet", "ball"] * 8)
    given = np.where(np.arange(48) < 8, truth, "unlabeled")
    return simulate(truth, 0), given, np.where(np.isin(truth, KINDS), "junk", truth)


@pytest.fixture(scope="module")
def fitted(data):
    X, given, _ = data
    return classifier().fit(X, given)


def test_what_is_nothing_is_found_without_a_label(data, fitted):
    _, _, truth = data
    assert fitted.classes_.tolist() == ["junk", "rod", "wheel"]
    assert fitted.reference_classes_.tolist() == ["rod", "wheel"]
    assert fitted.references_.shape == (2, SIZE, SIZE, SIZE)
    assert (fitted.transduction_ == truth).mean() > 0.95
    assert np.exp(fitted.class_log_prior_).sum() == pytest.approx(1)
    assert np.exp(fitted.class_log_prior_)[0] == pytest.approx(0.5, abs=0.08)
    assert fitted.label_agreement_ == 1


def test_new_volumes(data, fitted):
    names = np.array(["rod", "wheel", *KINDS] * 4)
    X = simulate(names, 1)
    expected = np.where(np.isin(names, KINDS), "junk", names)
    proba = fitted.predict_proba(X)
    assert proba.shape == (20, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    predicted = fitted.predict(X)
    assert (predicted == expected).mean() > 0.9
    np.testing.assert_array_equal(predicted, fitted.classes_[proba.argmax(axis=1)])
    np.testing.assert_array_equal(predicted, fitted.classes_[fitted.decision_function(X).argmax(1)])
    # How well structures explain volumes: nothing of the background.
    scores = fitted.score_samples(X)
    assert scores[expected != "junk"].min() > scores[expected == "junk"].max()


@pytest.mark.parametrize("refine", [False, True])
def test_the_background_has_no_reference_in_poses(data, fitted, refine):
    X, _, _ = data
    poses = fitted.align(X, refine=refine)
    np.testing.assert_array_equal(poses.labels, fitted.predict(X))
    nothing = poses.labels == "junk"
    assert (poses.references[nothing] == -1).all()
    found = poses.references[~nothing]
    np.testing.assert_array_equal(fitted.reference_classes_[found], poses.labels[~nothing])
    assert len(poses.rotations) == len(poses.shifts) == len(X)
    averages = fitted.class_averages(X, poses, refine=refine)
    assert averages.n_volumes.sum() == (~nothing).sum()


def test_poses_of_the_fit(fitted):
    np.testing.assert_array_equal(fitted.poses_.labels, fitted.transduction_)
    nothing = fitted.transduction_ == "junk"
    np.testing.assert_array_equal(fitted.poses_.references == -1, nothing)


def test_junk_spoils_references_where_there_is_no_background(data, fitted):
    X, given, truth = data
    without = clone(fitted).set_params(class_prior="estimated").fit(X, given)
    particles = truth != "junk"
    right = [(clf.transduction_ == truth)[particles].mean() for clf in (without, fitted)]
    assert right[0] <= right[1]
    assert set(without.transduction_) == {"rod", "wheel"}


def test_labels_of_the_background_are_kept(data):
    X, given, truth = data
    given = given.copy()
    given[24:27] = "junk"
    clf = classifier().fit(X, given)
    assert (clf.transduction_[24:27] == "junk").all()
    assert (clf.transduction_ == truth).mean() > 0.95
    assert clf.label_agreement_ == 1


def test_a_wrong_label_of_the_background_is_named(data):
    X, given, _ = data
    given = given.copy()
    given[8:10] = "junk"
    with pytest.warns(match=r"left out.*rows \[8, 9\]"):
        clf = classifier().fit(X, given)
    assert clf.label_agreement_ == pytest.approx(0.8)


def test_one_class_and_the_background(data):
    X, given, truth = data
    rows = truth != "wheel"
    clf = classifier().fit(X[rows], given[rows])
    assert clf.classes_.tolist() == ["junk", "rod"]
    assert (clf.transduction_ == truth[rows]).mean() > 0.95
    scores = clf.decision_function(X[rows])
    np.testing.assert_array_equal(scores > 0, clf.predict(X[rows]) == "rod")
    several = classifier(n_references=2).fit(X[rows], given[rows])
    assert several.reference_classes_.tolist() == ["rod", "rod"]
    assert (several.transduction_ == truth[rows]).mean() > 0.9


@pytest.mark.parametrize("proportions", ["uniform", (0.5, 0.25, 0.25), None])
def test_stated_proportions(data, proportions):
    X, given, truth = data
    clf = classifier(proportions=proportions).fit(X, given)
    assert (clf.transduction_ == truth).mean() > 0.9
    if isinstance(proportions, tuple):
        np.testing.assert_allclose(np.exp(clf.class_log_prior_), proportions, rtol=1e-6)


def test_proportions_of_labels_need_labels_of_the_background(data):
    X, given, _ = data
    with pytest.raises(ValueError, match="positive share"):
        classifier(proportions="labels").fit(X, given)


@pytest.mark.parametrize("background", [3, -1, "unlabeled"])
def test_names_that_are_no_label(data, background):
    X, given, _ = data
    with pytest.raises(ValueError, match="background"):
        classifier(background=background).fit(X, given)


def test_integer_labels(data):
    X, given, truth = data
    codes = {"rod": 4, "wheel": 7, "junk": 5, "unlabeled": -1}
    clf = classifier(background=5).fit(X, np.array([codes[name] for name in given]))
    assert clf.classes_.tolist() == [4, 5, 7]
    assert clf.reference_classes_.tolist() == [4, 7]
    assert (clf.transduction_ == [codes[name] for name in truth]).mean() > 0.95
    with pytest.raises(ValueError, match="background=True"):
        classifier(background=True).fit(X, np.array([codes[name] for name in given]))


def test_the_background_alone_is_refused(data):
    X, given, _ = data
    with pytest.raises(ValueError, match="besides the background"):
        classifier().fit(X, np.where(given == "rod", "junk", "unlabeled"))


def test_starting_maps_are_those_of_structures(data):
    X, given, truth = data
    maps = {"rod": MAPS["rod"], "wheel": MAPS["wheel"]}
    clf = classifier(references_init=maps).fit(X, given)
    assert (clf.transduction_ == truth).mean() > 0.95
    with pytest.raises(ValueError, match=r"of no class: \['junk'\]"):
        classifier(references_init={**maps, "junk": MAPS["noise"]}).fit(X, given)


def test_settings_are_reached_through_the_shortcut():
    clf = MultiReferenceClassifier(class_prior="uniform")
    changed = clone(clf).set_params(class_prior__background="junk")
    assert changed.class_prior.get_params() == {"proportions": "uniform", "background": "junk"}
    assert clf.class_prior == "uniform"
    free = MultiReferenceClassifier(class_prior=None).set_params(class_prior__background=3)
    assert free.class_prior.proportions is None
    with pytest.raises(ValueError, match="proportions"):
        MultiReferenceClassifier(class_prior=ClassPrior(proportions="even")).fit(
            np.zeros((4, 8, 8, 8)), [0, 1, -1, -1]
        )


def test_models_are_saved_with_their_background(data, fitted, tmp_path):
    X, _, _ = data
    save_model(fitted, tmp_path / "model.sksubtomo")
    loaded = load_model(tmp_path / "model.sksubtomo")
    np.testing.assert_array_equal(loaded.predict_proba(X[:6]), fitted.predict_proba(X[:6]))
    assert loaded.class_prior.background == "junk"


def test_lines_may_have_a_background():
    rng = np.random.default_rng(0)
    waves = np.sin(np.arange(32) * np.array([[0.4], [1.1]]))
    X = np.concatenate([waves[np.arange(20) % 2], np.zeros((10, 32))])
    X += rng.normal(scale=0.2, size=X.shape)
    y = np.full(30, -1)
    y[:6] = np.arange(6) % 2
    clf = classifier(background=2).fit(X, y)
    truth = np.r_[np.arange(20) % 2, np.full(10, 2)]
    assert (clf.transduction_ == truth).mean() > 0.9


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_the_background_may_have_most_of_the_labels(data, order):
    # More in a row than are left out at once.
    X, _, truth = data
    given = np.where(np.arange(48) % 6 < 4, truth, "unlabeled")
    X, given = np.concatenate([X, X[24:]])[order], np.append(given, truth[24:])[order]
    fitted = classifier().fit(X, given)
    assert fitted.label_agreement_ > 0.5
    assert (fitted.transduction_ == np.append(truth, truth[24:])[order]).mean() > 0.8


def test_the_background_has_no_symmetry(data):
    X, given, _ = data
    with pytest.raises(ValueError, match="symmetry names 'junk', the background"):
        classifier(symmetry={"junk": "D7"}).fit(X, given)
