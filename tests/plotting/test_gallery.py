import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from sksubtomo.fourier import gaussian_low_pass
from sksubtomo.io import SubtomogramStack, write_mrc
from sksubtomo.plotting import GalleryDisplay
from sksubtomo.plotting._style import RED


def test_rows_are_classes_from_most_to_least_probable(sorter, graded, draw_all):
    display = GalleryDisplay.from_estimator(sorter, graded, n_columns=3)
    # Six boxes are of class a (a tie goes to the first), the surest has mean 0; four are of b.
    assert display.rows.tolist() == [0, 2, 5, 9, 7, 6]
    assert display.counts.tolist() == [6, 4]
    np.testing.assert_allclose(display.probabilities, [1, 0.8, 0.5, 0.9, 0.7, 0.6], atol=1e-6)
    assert display.axes_.shape == (2, 3)
    assert display.axes_[1, 2].get_title() == "0.60"
    assert display.axes_[1, 0].get_ylabel() == "b\nn = 4"
    draw_all(display)


def test_labels_of_another_class_are_framed_and_named(sorter, graded):
    y = ["b", *["unlabeled"] * 8, "b"]
    display = GalleryDisplay.from_estimator(
        sorter, graded, y, n_columns=1, class_names={"a": "junk", "b": "ribosome"}
    )
    wrong, right = display.axes_[:, 0]
    assert wrong.get_title() == "1.00\nis ribosome"
    assert to_hex(wrong.spines["left"].get_edgecolor()) == RED.lower()
    assert right.get_title() == "0.90"
    assert right.get_ylabel() == "ribosome\nn = 4"


@pytest.mark.parametrize("view", ["slice", "projection"])
def test_images_are_filtered_slices_or_projections(view):
    boxes = np.random.default_rng(0).normal(size=(3, 8, 9, 10)).astype(np.float32)
    proba = np.eye(2)[[0, 0, 1]]
    shown = GalleryDisplay.from_predictions(
        boxes, proba, classes=[1, 2], view=view, low_pass=0.2
    ).images
    filtered = gaussian_low_pass(boxes, 0.2)
    expected = filtered[:, 4] if view == "slice" else filtered.mean(axis=1)
    np.testing.assert_array_equal(shown, expected)
    raw = GalleryDisplay.from_predictions(
        boxes, proba, classes=[1, 2], view=view, low_pass=None
    ).images
    np.testing.assert_array_equal(raw, boxes[:, 4] if view == "slice" else boxes.mean(axis=1))


def test_contrast_is_one_for_all_images(sorter, graded):
    display = GalleryDisplay.from_estimator(
        sorter, graded, n_columns=5, low_pass=None, contrast_percentile=(0, 100)
    )
    limits = {ax.images[0].get_clim() for ax in display.axes_.ravel() if ax.images}
    assert limits == {(0.0, np.float32(0.9))}


def test_only_shown_boxes_of_a_lazy_stack_are_read(tmp_path, monkeypatch):
    tomogram = np.random.default_rng(0).normal(size=(12, 12, 200)).astype(np.float32)
    write_mrc(tmp_path / "a.mrc", tomogram, 10.0)
    centers = np.array([[6, 6, x] for x in range(4, 196)])
    stack = SubtomogramStack([tmp_path / "a.mrc"], centers, np.zeros(192, int), 8)
    n_read = []
    read = SubtomogramStack._read
    monkeypatch.setattr(
        SubtomogramStack, "_read", lambda self, rows: n_read.append(len(rows)) or read(self, rows)
    )
    proba = np.full((192, 2), 0.5)
    display = GalleryDisplay.from_predictions(
        stack, proba, classes=[1, 2], low_pass=None, voxel_size_angstrom=10.0
    )
    assert sum(n_read) == 6
    np.testing.assert_array_equal(display.images[0], tomogram[6, 2:10, 0:8])
    assert [text.get_text() for text in display.axes_[0, 0].texts] == ["20 Å"]


def test_a_class_without_particles_has_an_empty_row(graded, draw_all):
    proba = np.tile([0.1, 0.9, 0.0], (10, 1))
    display = GalleryDisplay.from_predictions(
        graded, proba, classes=[1, 2, 3], voxel_size_angstrom=10.0
    )
    assert display.axes_[0, 0].get_ylabel() == "1\nn = 0"
    assert not display.axes_[0, 0].images
    draw_all(display)


def test_into_given_axes_or_a_given_figure(sorter, graded):
    fig, axes = plt.subplots(2, 2)
    given = GalleryDisplay.from_estimator(sorter, graded, n_columns=2, axes=axes)
    assert given.figure_ is fig
    assert given.axes_[1, 1] is axes[1, 1]
    other = plt.figure()
    assert given.plot(fig=other).figure_ is other
    with pytest.raises(ValueError, match="not both"):
        given.plot(fig=other, axes=axes)
    with pytest.raises(ValueError, match="2 x 2 axes, but 3"):
        given.plot(axes=axes.ravel()[:3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((10, 216))}, "Reshape flat rows"),
        ({"y_proba": np.zeros((9, 2))}, "X has 10 boxes, but y_proba 9 rows"),
        ({"y_proba": np.zeros((10, 3))}, "a column for each of the classes"),
        ({"y_proba": np.full((10, 2), 1.5)}, "no probabilities"),
        ({"y_proba": np.full((10, 2), np.nan)}, "no probabilities"),
        ({"y": ["a"] * 9}, "inconsistent numbers of samples"),
        ({"y": ["c"] * 10}, "not among the classes"),
        ({"view": "side"}, "view='side' must be one of"),
        ({"low_pass": 0.0}, "low_pass=0.0 must be positive"),
        ({"n_columns": 0}, "n_columns=0 must be 1 or more"),
        ({"contrast_percentile": (99, 1)}, "two rising numbers"),
        ({"contrast_percentile": 99}, "two rising numbers"),
        ({"class_names": {"a": "x"}}, "no name for the class"),
    ],
)
def test_bad_input(graded, sorter, change, message):
    arguments = {"X": graded, "y_proba": sorter.predict_proba(graded), "classes": ["a", "b"]}
    with pytest.raises(ValueError, match=message):
        GalleryDisplay.from_predictions(**{**arguments, **change})


def test_nan_in_a_shown_box_is_named(graded, sorter):
    graded[9, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in row 9"):
        GalleryDisplay.from_predictions(graded, np.full((10, 2), 0.5), classes=["a", "b"])
