import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubtomo.io import write_mrc
from sksubtomo.plotting import TomogramPicksDisplay

COORDINATES = np.array([[5, 3, 30], [6, 10, 4], [7, 12, 12], [16, 8, 8]], dtype=float)
CLASSES = np.array([1, 2, 1, 2])


@pytest.fixture
def tomogram():
    return np.random.default_rng(0).normal(size=(20, 16, 40)).astype(np.float32)


def test_slices_are_where_particles_are(tomogram, draw_all):
    display = TomogramPicksDisplay.from_predictions(
        tomogram, COORDINATES, CLASSES, box_size=4, smoothing=0, class_names={1: "a", 2: "b"}
    )
    assert display.planes.tolist() == [[5, 9], [15, 19]]
    np.testing.assert_allclose(display.slices[0], tomogram[5:9].mean(axis=0), atol=1e-6)
    upper, lower = display.axes_[:, 0]
    # x to the right, y up, both in voxels.
    assert [group.get_offsets().tolist() for group in upper.collections] == [
        [[30, 3], [12, 12]],
        [[4, 10]],
    ]
    assert [group.get_offsets().tolist() for group in lower.collections] == [[[8, 8]]]
    assert upper.get_title() == "z = 5 to 8"
    assert [text.get_text() for text in lower.get_legend().get_texts()] == ["a, 2", "b, 2"]
    draw_all(display)


def test_a_file_is_read_in_parts_and_says_its_voxel_size(tomogram, tmp_path):
    write_mrc(tmp_path / "a.mrc", tomogram, 10.0)
    of_file, of_array = (
        TomogramPicksDisplay.from_predictions(one, COORDINATES, CLASSES, box_size=4)
        for one in (tmp_path / "a.mrc", tomogram)
    )
    np.testing.assert_array_equal(of_file.slices, of_array.slices)
    assert of_file.voxel_size_angstrom == 10.0
    assert of_array.voxel_size_angstrom is None
    assert [text.get_text() for text in of_file.axes_[0, 0].texts] == ["100 Å"]


def test_large_tomograms_are_binned_for_the_eye_and_coordinates_stay():
    tomogram = np.zeros((3, 700, 1300), dtype=np.float32)
    tomogram[:, 600:603, 900:903] = 9.0
    display = TomogramPicksDisplay.from_predictions(
        tomogram, [[1, 601, 901]], ["a"], box_size=20, n_slices=1, smoothing=0
    )
    assert display.step == 3
    assert display.slices.shape == (1, 233, 433)
    (ax,) = display.axes_[:, 0]
    image, (left, right, bottom, top) = ax.images[0], ax.images[0].get_extent()
    row, column = np.unravel_index(image.get_array().argmax(), image.get_array().shape)
    assert left + (column + 0.5) * (right - left) / 433 == pytest.approx(901)
    assert bottom + (row + 0.5) * (top - bottom) / 233 == pytest.approx(601)
    assert image.get_array().max() == 9.0


def test_colors_go_by_all_classes(tomogram):
    some = TomogramPicksDisplay.from_predictions(
        tomogram, COORDINATES, [2, 2, 2, 0], classes=[1, 2], box_size=4
    )
    every = TomogramPicksDisplay.from_predictions(tomogram, COORDINATES, CLASSES, box_size=4)
    color = some.axes_[0, 0].collections[0].get_edgecolor()
    np.testing.assert_array_equal(color, every.axes_[0, 0].collections[1].get_edgecolor())
    texts = some.axes_[-1, 0].get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["2, 3", "no class, 1"]


def test_into_given_axes(tomogram):
    fig, axes = plt.subplots(2)
    display = TomogramPicksDisplay.from_predictions(
        tomogram, COORDINATES, CLASSES, box_size=4, axes=axes
    )
    assert display.figure_ is fig


def test_slices_thicker_than_the_tomogram(tomogram):
    display = TomogramPicksDisplay.from_predictions(tomogram, COORDINATES, CLASSES, box_size=64)
    assert display.planes.tolist() == [[0, 20]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coordinates": [[1, 2]]}, "centers \\(n_particles, 3\\)"),
        ({"coordinates": np.zeros((0, 3)), "y_pred": []}, "centers \\(n_particles, 3\\)"),
        ({"coordinates": COORDINATES * np.nan}, "coordinates holds NaN"),
        ({"y_pred": [1]}, "inconsistent numbers"),
        ({"tomogram": np.zeros((3, 3))}, "three axes"),
        ({"tomogram": np.full((20, 16, 40), np.nan)}, "NaN or infinity"),
        ({"box_size": 0}, "must be positive"),
        ({"smoothing": -1}, "not negative"),
    ],
)
def test_bad_input(tomogram, change, message):
    arguments = {"tomogram": tomogram, "coordinates": COORDINATES, "y_pred": CLASSES, "box_size": 4}
    with pytest.raises(ValueError, match=message):
        TomogramPicksDisplay.from_predictions(**{**arguments, **change})
