import numpy as np
import pytest

from sksubtomo.picking._binning import bin_template, bin_tomogram


def waves(shape, period, center=0):
    axes = [np.cos(2 * np.pi * (np.arange(edge) - center) / period) for edge in shape]
    return np.multiply.outer(np.multiply.outer(axes[0], axes[1]), axes[2]).astype(np.float32)


@pytest.mark.parametrize("binning", [2, 4])
def test_voxels_of_a_binned_tomogram_are_every_second_or_fourth(binning):
    tomogram = waves((32, 64, 48), 16)
    binned = bin_tomogram(tomogram, binning)
    # In single precision.
    np.testing.assert_allclose(binned, tomogram[::binning, ::binning, ::binning], atol=1e-6)


def test_edges_that_are_no_multiples():
    tomogram = np.zeros((13, 15, 17), np.float32)
    tomogram[8, 6, 10] = 1.0
    binned = bin_tomogram(tomogram, 2)
    assert binned.shape == (7, 8, 9)
    assert binned.dtype == np.float32
    assert np.unravel_index(binned.argmax(), binned.shape) == (4, 3, 5)


def test_high_frequencies_go():
    tomogram = waves((32, 32, 32), 2) + 3.0
    np.testing.assert_allclose(bin_tomogram(tomogram, 2)[2:-2], 3.0, atol=1e-5)


@pytest.mark.parametrize("size", [15, 16, 17, 18, 21])
@pytest.mark.parametrize("binning", [2, 4])
def test_the_center_of_a_template_stays(size, binning):
    axis = np.arange(size) - size // 2
    squares = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    template = np.exp(-squares / 18).astype(np.float32)
    binned = bin_template(template, binning)
    n = len(binned)
    assert n == -(-size // binning)
    axis = binning * (np.arange(n) - n // 2)
    squares = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    inside = squares < 36
    # The Gaussian is cut off at the border of the box, and has frequencies beyond the new ones.
    np.testing.assert_allclose(binned[inside], np.exp(-squares / 18)[inside], atol=0.05)


def test_without_binning_nothing_changes():
    volume = np.ones((5, 6, 7), np.float32)
    assert bin_tomogram(volume, 1) is volume
    assert bin_template(volume, 1) is volume
