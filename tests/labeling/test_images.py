import io

import numpy as np
import pytest

from sksubtomo.labeling._images import gray_png, slice_png, tile_png, volume_bytes


def read(png):
    image = pytest.importorskip("matplotlib.image").imread(io.BytesIO(png), format="png")
    return np.round(255 * image).astype(int)


def test_a_png_has_the_gray_values():
    image = np.random.default_rng(0).integers(0, 256, size=(5, 9)).astype(np.uint8)
    np.testing.assert_array_equal(read(gray_png(image)), image)


def test_tiles_are_the_central_slice():
    box = np.random.default_rng(0).normal(size=(8, 6, 7)).astype(np.float32)
    tile = read(tile_png(box, 0))
    assert tile.shape == (6, 7)
    assert np.corrcoef(tile.ravel(), box[4].ravel())[0, 1] > 0.99
    assert read(tile_png(box, 8)).std() > 0
    assert (read(tile_png(np.ones((8, 8, 8), dtype=np.float32), 3)) >= 0).all()


def test_volumes_have_their_mean_at_the_middle():
    box = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    values = np.frombuffer(volume_bytes(box, 0), dtype="<u2").reshape(box.shape).astype(float)
    reach = np.abs(box - box.mean()).max()
    np.testing.assert_allclose((values - 32768) / 32767 * reach, box - box.mean(), atol=1e-3)


def test_slices_of_large_tomograms_are_binned():
    tomogram = np.zeros((9, 1300, 700), dtype=np.float32)
    tomogram[4, 650:, :] = 1
    tomogram[:, 0, 0] = np.nan
    image = read(slice_png(tomogram, 4))
    assert image.shape == (433, 233)
    assert image[300].min() == 255
    assert image[100].max() == 0
