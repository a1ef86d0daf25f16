"""Particles that are off the centers of their boxes: how far is searched, and what is said."""

import warnings

import numpy as np
import pytest
from molecules import POINTS, density
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import Annealing
from sksubtomo.exceptions import ImagingWarning
from sksubtomo.geometry import rotate_volume
from sksubtomo.persistence import Checkpoint
from sksubtomo.semi_supervised import MultiReferenceClassifier
from sksubtomo.semi_supervised._em_record import EMRecord
from sksubtomo.semi_supervised._reference_shifts import (
    ShiftsBeyond,
    first_shift,
    next_shift,
    warn_of_shifts,
    warn_of_wider_search,
)

SIZE = 18
QUICK = {
    "annealing": Annealing(stages=((4.0, 60.0, "auto", 2), (5.0, 45.0, "auto", 4))),
    "tilt_range_deg": 90.0,
    "random_state": 0,
}
WIDER = r"References are fitted again with shifts up to 4 voxels \(max_shift_voxels_\)"


def molecule(code):
    return density(POINTS[code], SIZE)


def simulate(n, farthest, noise=0.25, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rotations = Rotation.random(n, random_state=seed)
    shifts = rng.uniform(-farthest, farthest, (n, 3))
    poses = zip(y, rotations, shifts, strict=True)
    X = [rotate_volume(molecule(k), rotation, shift=shift) for k, rotation, shift in poses]
    return np.stack(X) + rng.normal(scale=noise, size=(n, *(SIZE,) * 3)).astype(np.float32), y


def fit(clf, X, y, **params):
    """Fit, and return the messages of warnings about imaging."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y, **params)
    return [str(one.message) for one in caught if issubclass(one.category, ImagingWarning)]


@pytest.fixture(scope="module")
def far():
    X, y = simulate(60, farthest=4.0)
    return X, y, np.where(np.arange(60) < 20, y, -1)


@pytest.fixture(scope="module")
def widened(far):
    X, _, hidden = far
    with pytest.warns(ImagingWarning, match=WIDER):
        return MultiReferenceClassifier(**QUICK).fit(X, hidden)


def test_larger_shifts_are_searched_where_particles_lie_there(far, widened):
    X, y, hidden = far
    assert widened.max_shift_voxels_ == 4.0
    assert np.abs(widened.poses_.shifts).max() == 4.0
    with pytest.warns(ImagingWarning, match="set a larger max_shift_voxels"):
        narrow = MultiReferenceClassifier(**QUICK, max_shift_voxels=2.0).fit(X, hidden)
    assert narrow.max_shift_voxels_ == 2.0
    right, right_narrow = (clf.transduction_[20:] == y[20:] for clf in (widened, narrow))
    assert right.mean() >= 0.95
    assert right.mean() > right_narrow.mean()
    assert widened.log_likelihood_ > narrow.log_likelihood_
    test, truth = simulate(40, farthest=4.0, seed=1)
    assert widened.score(test, truth) > narrow.score(test, truth)


def test_a_wider_search_finds_what_a_fit_finds_that_was_told(far, widened):
    X, _, hidden = far
    told = MultiReferenceClassifier(**QUICK, max_shift_voxels=4.0)
    assert fit(told, X, hidden) == []
    assert [len(s) for s in (told.history_, told.references_)] == [
        len(s) for s in (widened.history_, widened.references_)
    ]
    np.testing.assert_array_equal(told._finest.shifts, widened._finest.shifts)
    assert np.mean(told.transduction_ == widened.transduction_) >= 0.95


@pytest.mark.parametrize("noise", [0.25, 3.0])
def test_centered_particles_and_noise_are_searched_for_near_the_center(noise):
    X, y = simulate(40, farthest=1.0, noise=noise)
    clf = MultiReferenceClassifier(**QUICK)
    assert fit(clf, X, np.where(np.arange(40) < 20, y, -1)) == []
    assert clf.max_shift_voxels_ == 2.0


def test_the_search_is_no_wider_than_memory_allows(far, monkeypatch):
    X, _, hidden = far

    def refuse(estimator, stages, targets, n_classes, max_shift):
        if max_shift > 2:
            raise MemoryError

    monkeypatch.setattr("sksubtomo.semi_supervised._reference_fit.check_fit_memory", refuse)
    clf = MultiReferenceClassifier(**QUICK)
    (message,) = fit(clf, X, hidden)
    assert "bin the volumes: a search of larger shifts does not fit into memory" in message
    assert clf.max_shift_voxels_ == 2.0


def test_a_class_of_beads_anywhere_does_not_widen_the_search():
    X, _ = simulate(60, farthest=1.0)
    y = np.where(np.arange(60) % 2, 5, 7)
    rng, grid = np.random.default_rng(2), np.stack(np.indices((SIZE,) * 3), axis=-1)
    for k, place in zip(np.flatnonzero(y == 7), rng.uniform(4, 14, (30, 3)), strict=True):
        bead = 2 * np.exp(-((grid - place) ** 2).sum(axis=-1) / 2.4)
        X[k] = bead + rng.normal(scale=0.25, size=X[k].shape)
    clf = MultiReferenceClassifier(**QUICK)
    (message,) = fit(clf, X, np.where(np.arange(60) < 30, y, -1))
    assert "of the classes [7]." in message
    assert "set a larger max_shift_voxels" in message
    assert clf.max_shift_voxels_ == 2.0


@pytest.mark.parametrize("n_kept", [4, 10])
def test_a_wider_search_goes_on_with_the_same_bits(far, widened, tmp_path, monkeypatch, n_kept):
    X, _, hidden = far
    path, kept, keep = tmp_path / "fit.checkpoint", [], EMRecord._keep

    class Ended(KeyboardInterrupt):
        pass

    def end(self, **changes):
        keep(self, **changes)
        kept.append(1)
        if len(kept) == n_kept:
            raise Ended

    clf = MultiReferenceClassifier(**QUICK)
    with monkeypatch.context() as patched:
        patched.setattr(EMRecord, "_keep", end)
        with pytest.raises(Ended):
            fit(clf, X, hidden, checkpoint=Checkpoint(path))
    assert len(kept) == n_kept  # of 14, half of which are those of the first fit
    assert len(fit(clf, X, hidden, checkpoint=path)) == 1
    np.testing.assert_array_equal(clf.references_, widened.references_)
    assert clf.max_shift_voxels_ == 4.0


def test_shifts_double_up_to_a_quarter_of_the_box():
    assert first_shift("auto") == 2.0
    assert first_shift(np.float32(1.5)) == 1.5
    assert [next_shift(2.0, d) for d in (8, 10, 12, 28, 64)] == [None, 2.5, 3.0, 4.0, 4.0]
    assert next_shift(4.0, 28) == 7.0
    assert next_shift(7.0, 28) is None


@pytest.mark.parametrize("max_shift", [9.5, 20, np.float32(100)])
def test_shifts_beyond_half_of_the_box_are_refused(far, max_shift):
    X, _, hidden = far
    with pytest.raises(ValueError, match=r"more than half of the box of 18 voxels: .* at most 9"):
        MultiReferenceClassifier(**QUICK, max_shift_voxels=max_shift).fit(X, hidden)


def test_the_message_says_whose_particles_lie_where():
    found = ShiftsBeyond(9, 20, 4.0, np.array([0, 2]), in_most_classes=True)
    classes = np.array(["fas", "p97", "vat"])
    told = r"9 of 20 .* shifts larger than the 2 voxels .* about 4\. .* classes \['fas', 'vat'\]\."
    with pytest.warns(ImagingWarning, match=told + r" References are fitted again .* 4 voxels"):
        warn_of_wider_search(found, 2.0, 4.0, classes)
    with pytest.warns(ImagingWarning, match=told + r" Center the boxes"):
        warn_of_shifts(found, 2.0, classes, fits_memory=True)
