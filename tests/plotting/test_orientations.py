import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from sksubtomo.io import relion_angles_deg
from sksubtomo.plotting import OrientationDisplay


def test_directions_are_rot_and_tilt_of_relion():
    rotations = Rotation.random(50, random_state=0)
    display = OrientationDisplay.from_rotations(rotations)
    angles = relion_angles_deg(rotations.as_quat())
    np.testing.assert_allclose(display.tilt_deg, angles[:, 1], atol=1e-9)
    turns = (display.rot_deg - angles[:, 0] + 180) % 360 - 180
    np.testing.assert_allclose(turns, 0, atol=1e-9)


def test_uniform_orientations_have_one_color():
    display = OrientationDisplay.from_rotations(Rotation.random(100_000, random_state=0))
    (mesh,) = display.axes_[0, 0].collections
    values = mesh.get_array()
    assert values.size == 24 * 12
    assert values.mean() == pytest.approx(1)
    # A bin has 347 particles: five standard deviations of their number.
    assert np.abs(values - 1).max() < 5 / np.sqrt(347)


def test_a_panel_for_each_class_on_one_scale(draw_all):
    labels = np.repeat([1, 2, 3], [40, 30, 10])
    display = OrientationDisplay.from_rotations(
        Rotation.random(80, random_state=0), labels=labels, class_names={1: "a", 2: "b", 3: "c"}
    )
    assert display.axes_.shape == (2, 2)
    panels = display.axes_.ravel()
    assert [ax.get_title() for ax in panels[:3]] == ["a, n = 40", "b, n = 30", "c, n = 10"]
    assert len({ax.collections[0].get_clim() for ax in panels[:3]}) == 1
    assert not panels[3].axison
    draw_all(display)


class Aligner(BaseEstimator):
    poses_ = Bunch(
        rotations=Rotation.random(9, random_state=0), labels=np.repeat(["a", "b"], 5)[1:]
    )

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def align(self, X):
        return Bunch(rotations=self.poses_.rotations[: len(X)], labels=self.poses_.labels[: len(X)])


def test_a_background_has_no_orientations():
    """Its volumes have class and rotation, but no reference that they would be turned from."""
    aligner = Aligner()
    references = np.array([0, 0, 0, 0, -1, -1, -1, -1, -1])
    aligner.poses_ = Bunch(**Aligner.poses_, references=references)
    display = OrientationDisplay.from_estimator(aligner)
    assert display.labels.tolist() == ["a"] * 4
    expected = OrientationDisplay.from_rotations(Aligner.poses_.rotations[:4])
    np.testing.assert_array_equal(display.tilt_deg, expected.tilt_deg)
    aligner.poses_.references[:] = -1
    with pytest.raises(ValueError, match="All volumes are of the background"):
        OrientationDisplay.from_estimator(aligner)


def test_from_estimator_takes_poses_of_the_fit_or_aligns(sorter):
    assert len(OrientationDisplay.from_estimator(Aligner()).rot_deg) == 9
    assert len(OrientationDisplay.from_estimator(Aligner(), np.zeros((4, 3, 3, 3))).rot_deg) == 4
    with pytest.raises(ValueError, match="Sorter has no poses_"):
        OrientationDisplay.from_estimator(sorter)


def test_bad_input():
    with pytest.raises(ValueError, match="A stack of rotations"):
        OrientationDisplay.from_rotations(Rotation.identity())
    with pytest.raises(ValueError, match="One rot, tilt and label"):
        OrientationDisplay([1.0], [2.0], labels=[1, 2])
