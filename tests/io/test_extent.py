from pathlib import Path

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, write_mrc
from sksubtomo.io._extent import check_extent, volume_outside

SHAPE = (20, 30, 40)


@pytest.mark.parametrize(
    ("center", "share"),
    [
        ((10, 15, 20), 0),
        ((4, 4, 4), 0),
        ((3, 15, 20), 1 / 16),
        ((-0.5, 15, 20), 1 / 2),
        ((-0.5, -0.5, -0.5), 7 / 8),
        ((19.5, 15, 20), 1 / 2),
        ((10, 15, 50), 1),
        ((10, np.nan, 20), np.nan),
    ],
)
def test_share_of_a_box_of_eight_voxels(center, share):
    # Around the center of voxel 4, such a box begins half a voxel into the tomogram.
    assert volume_outside([center], SHAPE, 8)[0] == pytest.approx(share, nan_ok=True)


def test_boxes_without_size_are_centers():
    centers = [[-0.5, 0, 0], [-0.51, 0, 0], [19.49, 29, 39], [19.5, 29, 39]]
    assert volume_outside(centers, SHAPE).tolist() == [0, 1, 0, 1]
    shapes = [SHAPE, SHAPE, SHAPE, [np.nan] * 3]
    assert np.isnan(volume_outside(centers, shapes)[3])


@pytest.mark.parametrize(("is_certain", "n_fine"), [(False, 10), (True, 50)])
def test_few_outside_are_fine_and_more_are_refused(is_certain, n_fine):
    """Once the unit is certain, only most are refused: they are of another tomogram."""
    centers = np.tile([15.0, 20.0, 30.0], (100, 1))
    shapes = np.tile(SHAPE, (100, 1)).astype(float)
    centers[:n_fine, 2] = 41
    check_extent(Path("a.star"), centers, shapes, is_certain=is_certain)
    centers[n_fine, 2] = 41
    message = rf"a.star has {n_fine + 1} of 100 particles outside .*41.*binning="
    with pytest.raises(FileFormatError, match=message):
        check_extent(Path("a.star"), centers, shapes, is_certain=is_certain)
    check_extent(Path("a.star"), centers, np.full_like(shapes, np.nan), is_certain=is_certain)


def test_a_corner_is_asked_about_unless_the_unit_is_certain():
    rng = np.random.default_rng(0)
    shapes = np.tile(SHAPE, (40, 1)).astype(float)
    centers = rng.uniform(0, np.array(SHAPE) / 4, size=(40, 3))
    with pytest.raises(FileFormatError, match=r"in one corner .*as binning="):
        check_extent(Path("a.star"), centers, shapes, is_certain=False)
    check_extent(Path("a.star"), centers, shapes, is_certain=True)
    check_extent(Path("a.star"), centers[:19], shapes[:19], is_certain=False)
    # Spread along one axis, they are in a slab, not in a corner.
    centers[:, 1] *= 4
    check_extent(Path("a.star"), centers, shapes, is_certain=False)


def test_tables_of_another_binning_are_refused(tmp_path):
    write_mrc(tmp_path / "TS_1.mrc", np.zeros(SHAPE, dtype=np.float32), 10.0)
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, SHAPE, size=(30, 3))[:, ::-1]
    tomograms = {"TS_1": tmp_path / "TS_1.mrc"}
    for factor, message in ((4.0, "outside their tomograms"), (0.25, "in one corner"), (1, None)):
        rows = "".join(f"{x},{y},{z},TS_1\n" for x, y, z in (factor * centers).tolist())
        (tmp_path / "a.csv").write_text(f"x,y,z,rlnTomoName\n{rows}")
        read = read_particles(tmp_path / "a.csv", tomograms=tomograms, binning=factor)
        np.testing.assert_allclose(read.coordinates, centers[:, ::-1])
        if message is not None:
            with pytest.raises(FileFormatError, match=message):
                read_particles(tmp_path / "a.csv", tomograms=tomograms)
