import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator

from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.plotting import ClassAverageDisplay


def test_three_slices_and_the_correlation_of_each(averages, draw_all):
    display = ClassAverageDisplay.from_averages(
        averages, classes=["a", "b"], voxel_size_angstrom=8.0, class_names={"a": "x", "b": "y"}
    )
    assert display.axes_.shape == (2, 4)
    # The average is filtered at its resolution; one without a resolution is not.
    filtered = gaussian_low_pass(averages.averages[0], 8 / 18)
    images = [ax.images[0].get_array() for ax in display.axes_[0, :3]]
    for image, expected in zip(
        images, (filtered[3], filtered[:, 3], filtered[:, :, 3]), strict=True
    ):
        np.testing.assert_allclose(image, expected)
    np.testing.assert_array_equal(
        display.axes_[1, 0].images[0].get_array(), averages.averages[1][3]
    )
    curve = display.axes_[0, 3].get_lines()[-1]
    np.testing.assert_array_equal(curve.get_ydata(), averages.fsc[0])
    assert display.axes_[0, 0].get_ylabel() == "x\nn = 7"
    assert [ax.texts[-1].get_text() for ax in display.axes_[:, 3]] == ["18 Å", "no resolution"]
    draw_all(display)


def test_in_voxels_without_a_voxel_size(averages):
    display = ClassAverageDisplay.from_averages(averages, classes=[1, 2])
    assert display.axes_[0, 3].texts[-1].get_text() == "18 voxels"
    assert display.axes_[1, 3].get_xlabel() == "1/voxel"
    filtered = gaussian_low_pass(averages.averages[0], 1 / 18)
    np.testing.assert_allclose(display.axes_[0, 0].images[0].get_array(), filtered[3])


class ByReferences(BaseEstimator):
    """Stands for a classifier by references: fits take seconds."""

    def __init__(self, averages):
        self.references_ = averages.averages
        self.reference_classes_ = np.array(["a", "b"])
        self.asked = []
        self._averages = averages

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def class_averages(self, X, poses=None, *, refine=True, voxel_size_angstrom=None):
        self.asked.append((len(X), poses, refine, voxel_size_angstrom))
        return self._averages


def test_from_estimator_shows_references_or_averages(averages, draw_all):
    clf = ByReferences(averages)
    display = ClassAverageDisplay.from_estimator(clf)
    assert display.axes_.shape == (2, 3)
    np.testing.assert_array_equal(
        display.axes_[0, 1].images[0].get_array(), averages.averages[0][:, 3]
    )
    draw_all(display)
    assert not clf.asked
    volumes = np.zeros((4, 6, 6, 6))
    fig, axes = plt.subplots(2, 4)
    display = ClassAverageDisplay.from_estimator(
        clf, volumes, poses="poses", refine=False, voxel_size_angstrom=8.0, axes=axes
    )
    assert clf.asked == [(4, "poses", False, 8.0)]
    assert display.figure_ is fig


def test_bad_input(averages, sorter):
    with pytest.raises(ValueError, match="Sorter has no references_"):
        ClassAverageDisplay.from_estimator(sorter)
    with pytest.raises(ValueError, match="one for each class"):
        ClassAverageDisplay(averages.averages, classes=[1])
    with pytest.raises(ValueError, match="a row for each of 2 averages"):
        ClassAverageDisplay(averages.averages, classes=[1, 2], fsc=averages.fsc, frequency=[0, 1])
