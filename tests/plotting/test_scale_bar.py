import numpy as np
import pytest

from sksubtomo.plotting import add_scale_bar

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    ax.imshow(np.zeros((20, 20)))
    yield ax
    plt.close(figure)


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_bar_has_its_length_and_lies_in_the_lower_left_corner(ax, origin):
    ax.imshow(np.zeros((20, 20)), origin=origin)
    bar = add_scale_bar(ax, 16.0, 80.0)
    assert bar.get_width() == 5
    assert ax.texts[0].get_text() == "80 Å"
    corners = ax.transAxes.inverted().transform(bar.get_window_extent())
    assert (corners > 0).all()
    assert (corners[:, 1] < 0.1).all()


@pytest.mark.parametrize(
    ("voxel_size", "length", "message"),
    [
        (0.0, 100.0, "must be above 0"),
        (16.0, np.nan, "must be above 0"),
        (2.0, 100.0, "which is 40 A wide"),
    ],
)
def test_bars_that_cannot_be_drawn(ax, voxel_size, length, message):
    with pytest.raises(ValueError, match=message):
        add_scale_bar(ax, voxel_size, length)
