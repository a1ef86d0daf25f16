"""Class averages of the classifier by references, their halves and their resolution."""

import pickle

import numpy as np
import pytest
from molecules import density
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch

from sksubtomo.alignment import Annealing
from sksubtomo.fourier import (
    apply_fourier_filter,
    fourier_shell_correlation,
    fsc_resolution,
    missing_wedge_mask,
)
from sksubtomo.geometry import rotate_volume
from sksubtomo.semi_supervised import MultiReferenceClassifier

SIZE = 16
STAGES = ((3.0, 60.0, 1, 3), (4.5, 40.0, 3, 4))
POINTS = (
    [(0, 0, -4), (0, 0, -1), (0, 1, 2), (0, 0, 4)],
    [(0, 3.4, 0), (0, -1.8, 3.1), (0, -1.2, -3.1), (2.5, 0, 0)],
)


def molecule(code):
    return density(POINTS[code], SIZE)


def simulate(n, noise, seed=0):
    """Volumes of two molecules in random poses, with a missing wedge and noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rotations, shifts = Rotation.random(n, random_state=seed), rng.uniform(-1, 1, (n, 3))
    poses = zip(y, rotations, shifts, strict=True)
    X = np.stack([rotate_volume(molecule(k), turn, shift=by) for k, turn, by in poses])
    X += rng.normal(scale=noise, size=X.shape).astype(np.float32)
    X = apply_fourier_filter(X, missing_wedge_mask((SIZE,) * 3).astype(np.float32))
    return X, y, Bunch(labels=y, references=y, rotations=rotations, shifts=shifts)


@pytest.fixture(scope="module")
def fitted():
    X, y, truth = simulate(80, noise=0.3)
    hidden = np.where(np.arange(len(y)) < 16, y, -1)
    clf = MultiReferenceClassifier(
        annealing=Annealing(stages=STAGES), max_shift_voxels=1.0, random_state=0
    )
    return clf.fit(X, hidden), X, y, truth


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def test_averages_in_the_true_poses_are_the_molecules(fitted):
    clf, X, y, truth = fitted
    found = clf.class_averages(X, truth, refine=False, voxel_size_angstrom=10.0)
    assert found.averages.shape == (2, SIZE, SIZE, SIZE)
    assert found.half_maps.shape == (2, 2, SIZE, SIZE, SIZE)
    assert found.n_volumes.tolist() == np.bincount(y).tolist()
    for k in (0, 1):
        # Better than the references, which have the low frequencies only.
        assert correlation(found.averages[k], molecule(k)) > 0.93
        assert correlation(found.averages[k], molecule(k)) > correlation(
            clf.references_[k], molecule(k)
        )
        fsc = fourier_shell_correlation(*found.half_maps[:, k], voxel_size_angstrom=10.0)
        np.testing.assert_allclose(found.fsc[k], fsc.correlation)
        assert found.resolution[k] == fsc_resolution(*fsc)
    assert (found.resolution < 45).all()
    np.testing.assert_allclose(found.frequency, np.arange(9) / 160)


def test_halves_of_a_class_are_every_second_volume(fitted):
    clf, X, _, truth = fitted
    both = clf.class_averages(X, truth, refine=False)
    for half in (0, 1):
        rows = np.concatenate([np.flatnonzero(truth.references == k)[half::2] for k in (0, 1)])
        part = Bunch(**{name: values[rows] for name, values in truth.items()})
        alone = clf.class_averages(X[rows], part, refine=False)
        # Up to the power of the signal, which is that of all or of a half.
        for k in (0, 1):
            assert correlation(alone.averages[k], both.half_maps[half, k]) > 0.99


def test_noise_without_a_reference_has_no_resolution(fitted):
    """In random poses, halves of noise have nothing in common."""
    clf, X, _, truth = fitted
    noise = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    found = clf.class_averages(noise, truth, refine=False)
    assert np.abs(found.fsc[:, 3:]).max() < 0.45
    assert found.resolution.min() > 4


def test_an_average_of_noiseless_volumes_without_a_pose_is_their_mean(fitted):
    """All measured alike, so that the wedge is the one thing that is missing."""
    clf, X, *_ = fitted
    same = np.repeat(X[:1], 6, axis=0)
    poses = Bunch(
        references=np.zeros(6, int), rotations=Rotation.identity(6), shifts=np.zeros((6, 3))
    )
    found = clf.class_averages(same, poses, refine=False)
    assert found.n_volumes.tolist() == [6, 0]
    np.testing.assert_allclose(found.fsc[0, 1:], 1.0, atol=1e-5)
    assert not found.averages[1].any()
    assert found.resolution.tolist() == [2.0, np.inf]


def test_poses_of_the_fit_save_the_search(fitted, monkeypatch):
    clf, X, *_ = fitted
    assert clf.poses_.labels.tolist() == clf.transduction_.tolist()
    searched = clf.align(X)
    agree = (clf.poses_.rotations * searched.rotations.inv()).magnitude() < 1e-9
    assert agree.mean() > 0.9
    np.testing.assert_allclose(searched.probabilities, clf.predict_proba(X))
    expected = clf.class_averages(X)
    monkeypatch.setattr(type(clf), "_compare", None)
    found = clf.class_averages(X, clf.poses_)
    for k in (0, 1):
        assert correlation(found.averages[k], expected.averages[k]) > 0.95
        assert correlation(found.averages[k], clf.references_[k]) > 0.8
    assert found.poses.shifts.shape == (len(X), 3)


def test_poses_survive_pickling_and_references_of_a_class(fitted):
    _, X, y, _ = fitted
    clf = MultiReferenceClassifier(
        annealing=Annealing(stages=STAGES), max_shift_voxels=1.0, n_references=2, random_state=0
    )
    clf = pickle.loads(pickle.dumps(clf.fit(X, y)))
    assert (clf.reference_classes_[clf.poses_.references] == y).all()
    found = clf.class_averages(X, clf.poses_, refine=False)
    assert found.n_volumes.tolist() == np.bincount(clf.poses_.references, minlength=4).tolist()


def test_odd_boxes(fitted):
    _, X, y, truth = fitted
    odd = MultiReferenceClassifier(
        annealing=Annealing(stages=STAGES), max_shift_voxels=1.0, random_state=0
    )
    cropped = X[:, 1:, 1:, 1:]  # the center is voxel 7 of 15
    odd.fit(cropped, y)
    found = odd.class_averages(cropped, truth, refine=False)
    assert found.fsc.shape == (2, 8)
    for k in (0, 1):
        assert correlation(found.averages[k], molecule(k)[1:, 1:, 1:]) > 0.95


def test_units_of_volumes_do_not_matter(fitted):
    clf, X, y, truth = fitted
    large = MultiReferenceClassifier(
        annealing=Annealing(stages=STAGES), max_shift_voxels=1.0, random_state=0
    )
    large.fit(X * 1e8, y)
    found = large.class_averages(X * 1e8, truth, refine=False)
    expected = clf.class_averages(X, truth, refine=False)
    np.testing.assert_allclose(found.fsc, expected.fsc, atol=0.05)
    assert correlation(found.averages[0], expected.averages[0]) > 0.99


def test_what_has_no_poses_is_refused(fitted):
    clf, X, y, truth = fitted
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.class_averages(X[:5], truth)
    with pytest.raises(ValueError, match="poses has no shifts"):
        clf.class_averages(X, Bunch(references=y, rotations=truth.rotations), refine=False)
    lines = MultiReferenceClassifier(random_state=0).fit(X[:, 0, 0], y)
    with pytest.raises(ValueError, match="have no poses"):
        lines.class_averages(X[:, 0, 0])


def test_a_fit_shows_its_progress(fitted, capsys):
    _, X, y, _ = fitted
    given = {
        "annealing": Annealing(stages=STAGES),
        "max_shift_voxels": 1.0,
        "random_state": 0,
        "n_init": 2,
    }
    hidden = np.where(np.arange(len(y)) < 16, y, -1)
    MultiReferenceClassifier(verbose=1, **given).fit(X, hidden)
    said = capsys.readouterr().err
    assert "Fitting references: 100% (14 of 14 iterations)" in said
    assert "log-likelihood" in said
    MultiReferenceClassifier(**given).fit(X, hidden)
    assert capsys.readouterr().err == ""
