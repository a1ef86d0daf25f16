"""Symmetric references in a whole fit."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sksubtomo.alignment import Annealing
from sksubtomo.datasets import make_subtomograms
from sksubtomo.fourier import apply_fourier_filter, missing_wedge_mask
from sksubtomo.geometry import point_group, rotate_volume
from sksubtomo.model_selection import mask_labels
from sksubtomo.semi_supervised import MultiReferenceClassifier

SIZE = 14
STAGES = ((3.0, 60.0, 1, 3), (4.5, 36.0, 3, 4))


def blobs(points):
    grid = (np.stack(np.indices((SIZE,) * 3), axis=-1) - SIZE // 2)[..., ::-1]
    squares = ((grid[..., np.newaxis, :] - np.array(points)) ** 2).sum(axis=-1)
    return np.exp(-squares / 3).sum(axis=-1).astype(np.float32)


MAPS = (
    blobs([*point_group("C3").apply([4.0, 0, -1]), (0, 0, 3.5)]),
    blobs([(4, 0, 0), (-2, 3, 0), (0, -3, 2)]),
)


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    X = np.stack([rotate_volume(MAPS[k], Rotation.random(rng=rng)) for k in y])
    X += rng.normal(scale=0.25, size=X.shape).astype(np.float32)
    return apply_fourier_filter(X, missing_wedge_mask((SIZE,) * 3).astype(np.float32)), y


def test_a_symmetric_reference_has_its_axis_along_z(data):
    X, y = data
    given = {"annealing": Annealing(stages=STAGES), "max_shift_voxels": 1.0, "random_state": 0}
    hidden = np.where(np.arange(len(y)) < 12, y, -1)
    clf = MultiReferenceClassifier(symmetry={0: "C3"}, **given).fit(X, hidden)
    turn = Rotation.from_euler("z", 120, degrees=True)
    first, second = clf.references_
    assert correlation(rotate_volume(first, turn), first) > 0.99
    assert correlation(rotate_volume(second, turn), second) < 0.9
    assert clf.score(X, y) == 1.0
    # The axis has a direction, and the angle about it is free.
    truth = [
        rotate_volume(MAPS[0], Rotation.from_euler("zx", [angle, flip], degrees=True))
        for angle in range(0, 120, 10)
        for flip in (0, 180)
    ]
    best = max(correlation(first, one) for one in truth)
    assert best > 0.85


def test_symmetry_does_no_harm_where_particles_are_shifted():
    X, y = make_subtomograms(
        40,
        classes=["apoferritin", "ribosome_70s"],
        box_size=16,
        voxel_size_angstrom=20.0,
        snr=1.0,
        max_shift_voxels=1.0,
        return_X_y=True,
        random_state=0,
    )
    hidden = mask_labels(y, n_per_class=6, random_state=0)
    stages = ((4.0, 36.0, 1, 2), (4.5, 30.0, "auto", 6), (5.0, 30.0, "auto", 4))
    annealing = Annealing(stages=stages)
    clf = MultiReferenceClassifier(annealing=annealing, symmetry={0: "O"}, random_state=0)
    clf.fit(X, hidden)
    assert (clf.transduction_ == y).mean() > 0.95
    quarter = Rotation.from_euler("z", 90, degrees=True)
    assert correlation(rotate_volume(clf.references_[0], quarter), clf.references_[0]) > 0.98


def test_symmetry_is_checked_before_work(data, monkeypatch):
    X, y = data
    monkeypatch.setattr("sksubtomo.semi_supervised._reference_fit.all_coefficients", None)
    with pytest.raises(ValueError, match="'X9' is no point group"):
        MultiReferenceClassifier(symmetry="X9").fit(X, y)
    with pytest.raises(ValueError, match="symmetry names"):
        MultiReferenceClassifier(symmetry={7: "C2"}).fit(X, y)
