import re

import numpy as np
import pytest
from bead_tables import BEAD, DIALECTS, RELION_PIXELS, VOXEL, X, Y, Z, star, with_tomogram
from bead_tables import SHAPE as BEAD_SHAPE

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    SubtomogramStack,
    make_particle_table,
    read_particles,
    write_mrc,
    write_particles,
)

SHAPE = (60, 100, 120)
# z, y, x in pixels of 20 A, and in voxels of 10 A.
PIXELS, VOXELS = np.array([[15.0, 20, 30], [20, 30, 40]]), [[30, 40, 60], [40, 60, 80]]
WARP_3D = {"rlnPixelSize": 20.0, "rlnDetectorPixelSize": 20.0}
WARP_1 = {"rlnCtfImage": "a.mrc", "rlnDetectorPixelSize": 20.0}
RELION_4 = {"rlnTomoTiltSeriesPixelSize": 20.0}


def tomogram(path, voxel=10.0):
    """Write a tomogram; of unknown voxels where they are 0."""
    write_mrc(path, np.zeros(SHAPE, np.float32), voxel or 10.0, overwrite=True)
    if voxel == 0:
        content = bytearray(path.read_bytes())
        content[28:40] = bytes(12)
        path.write_bytes(content)
    return path


@pytest.fixture
def write(tmp_path):
    """A function that writes a table, with names of Warp's tilt series."""

    def make(places=PIXELS, names="TS_1.tomostar", **columns):
        names = np.broadcast_to(names, len(places))
        table = make_particle_table(places, tomogram_names=names, columns=columns)
        write_particles(tmp_path / "a.star", table, overwrite=True)
        return tmp_path / "a.star"

    return make


@pytest.mark.parametrize("columns", [WARP_3D, WARP_1, RELION_4])
def test_the_binning_is_asked_for_where_voxels_are_unknown(write, tmp_path, columns):
    path = write(**columns)
    unknown = {"TS_1": tomogram(tmp_path / "TS_1.mrc", 0)}
    with pytest.raises(FileFormatError, match=r"TS_1.mrc does not say its voxel size.* binning=;"):
        read_particles(path, tomograms=unknown)
    assert read_particles(path, tomograms=unknown, binning=0.5).coordinates.tolist() == VOXELS
    # One of two that is known does not speak for the other.
    path = write(names=["TS_1.tomostar", "TS_2.tomostar"], **columns)
    both = {**unknown, "TS_2": tomogram(tmp_path / "TS_2.mrc", 20.0)}
    with pytest.raises(FileFormatError, match=r"TS_1.mrc does not say its voxel size"):
        read_particles(path, tomograms=both)


@pytest.mark.parametrize("columns", [WARP_3D, WARP_1, RELION_4, {"rlnPixelSize": 20.0}])
def test_stacks_are_not_cut_from_other_voxels(write, tmp_path, columns):
    path, file = write(**columns), tomogram(tmp_path / "TS_1.mrc")
    particles = read_particles(path)
    for part in (particles, particles.subset([1])):
        with pytest.raises(ValueError, match=r"TS_1.mrc has voxels of 10 x 10 x 10 A.* 20 A by"):
            SubtomogramStack.from_particles(part, [file], 8)
    if "rlnTomoTiltSeriesPixelSize" in columns:
        with pytest.raises(ValueError, match=r"counts? in pixels of 20 A"):
            read_particles(path, tomograms={"TS_1": file})
    particles = read_particles(path, binning=0.5)
    stack = SubtomogramStack.from_particles(particles, [file], 8)
    np.testing.assert_array_equal(stack._centers, VOXELS)
    tomogram(file, 20.0)
    SubtomogramStack.from_particles(read_particles(path), [file], 8)
    tomogram(file, 0)
    if columns != {"rlnPixelSize": 20.0}:
        with pytest.raises(ValueError, match=r"TS_1.mrc does not say its voxel size"):
            SubtomogramStack.from_particles(read_particles(path), [file], 8)


def test_stacks_are_not_cut_from_other_files_than_was_read_with(write, tmp_path):
    file, other = tomogram(tmp_path / "TS_1.mrc"), tomogram(tmp_path / "TS_1.rec", 5.0)
    particles = read_particles(write(**WARP_3D), tomograms={"TS_1": file})
    assert particles.coordinates.tolist() == VOXELS
    SubtomogramStack.from_particles(particles, [file], 8)
    with pytest.raises(ValueError, match=r"TS_1.rec has voxels of 5 x 5 x 5 A"):
        SubtomogramStack.from_particles(particles, [other], 8)


@pytest.mark.parametrize("values", [[10.0, -10.0], [10.0, 0.0], [10.0, np.nan], ["a", "b"]])
@pytest.mark.parametrize("column", ["rlnPixelSize", "rlnImagePixelSize", "rlnDetectorPixelSize"])
def test_an_odd_pixel_size_is_an_error(write, column, values):
    with pytest.raises(FileFormatError, match=rf"a.star must have positive numbers .*{column}"):
        read_particles(write(**{column: values}))


def test_pixel_sizes_of_groups_that_are_not_told_apart(write):
    path = write()
    groups = "data_optics\n\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 20\n2 40\n\n"
    path.write_text(groups + path.read_text())
    with pytest.raises(FileFormatError, match=r"several rlnImagePixelSize and no rlnOpticsGroup"):
        read_particles(path)
    path.write_text(groups + write(rlnOpticsGroup=3).read_text())
    with pytest.raises(FileFormatError, match=r"rlnOpticsGroup \['3'\]"):
        read_particles(path)
    # A column without a value says nothing.
    assert len(read_particles(write(rlnPixelSize=np.nan))) == 2


@pytest.mark.parametrize("columns", [WARP_3D, RELION_4, {"rlnPixelSize": 20.0}])
def test_pixels_of_one_size_and_voxels_that_are_no_cubes(write, tmp_path, columns):
    file = tomogram(tmp_path / "TS_1.mrc", (40.0, 20.0, 20.0))
    path = write(**columns)
    with pytest.raises(FileFormatError, match=r"TS_1.mrc has voxels of 40 x 20 x 20 A \(z, y, x\)"):
        read_particles(path, tomograms={"TS_1": file})
    assert len(read_particles(path, tomograms={"TS_1": file}, binning=1)) == 2
    # Without pixel sizes, coordinates are in voxels.
    particles = read_particles(write(), tomograms={"TS_1": file})
    assert particles.coordinates.tolist() == PIXELS.tolist()
    assert len(SubtomogramStack.from_particles(particles, [file], 8)) == 2
    other = tomogram(tmp_path / "TS_1.rec", (20.0, 40.0, 20.0))
    with pytest.raises(ValueError, match=r"20 x 40 x 20 A .* count in 40 x 20 x 20 A by what"):
        SubtomogramStack.from_particles(particles, [other], 8)


@pytest.mark.parametrize("name", ["TS_01.mrc", "TS_01_5.00Apx.mrc", "rec_TS_01.mrc"])
@pytest.mark.parametrize("column", ["rlnTomoTiltSeriesPixelSize", "rlnPixelSize"])
def test_pixels_are_compared_with_the_tomogram_whatever_its_name(tmp_path, name, column):
    text = star([*RELION_PIXELS, column], [X / 2, Y / 2, Z / 2, 10], name="TS_01.tomostar")
    given = with_tomogram(tmp_path, text, name)
    with pytest.raises(FileFormatError, match=rf"a.star .*10.*{name} has voxels of 5 A.*binning="):
        read_particles(**given)
    assert read_particles(**given, binning=0.5).coordinates.tolist() == [list(BEAD)] * 2
    with_tomogram(tmp_path, text, name, voxel=10.0)
    assert read_particles(**given).coordinates[0, 0] == Z / 2


@pytest.mark.parametrize("column", ["rlnPixelSize", "rlnDetectorPixelSize", "rlnImagePixelSize"])
def test_no_binning_is_suggested_where_pixels_are_not_known(tmp_path, column):
    text = star([*RELION_PIXELS, "rlnTomoTiltSeriesPixelSize", column], [2 * X, 2 * Y, 2 * Z, 1, 3])
    given = with_tomogram(tmp_path, text)
    with pytest.raises(FileFormatError) as error:
        read_particles(**given)
    message = str(error.value)
    assert f"rlnTomoTiltSeriesPixelSize 1; {column} 3" in message
    assert "voxels of 5 A" in message
    assert re.findall(r"binning=\S*", message) == ["binning=;"]
    # The caller says which it is.
    with pytest.raises(FileFormatError, match=r"counts in pixels of 3 A.*binning=1.667"):
        read_particles(**given, pixel_size_angstrom=3.0)
    assert read_particles(**given, binning=2).coordinates[0].tolist() == list(BEAD)


def test_voxels_other_than_the_pixels_ask_for_the_binning(tmp_path):
    text, params = DIALECTS["RELION 4, unbinned pixels"]
    (tmp_path / "a.star").write_text(text)
    write_mrc(tmp_path / "TS_01.mrc", np.zeros(BEAD_SHAPE, dtype=np.float32), VOXEL)
    params = {**params, "tomograms": {"TS_01": tmp_path / "TS_01.mrc"}}
    particles = read_particles(tmp_path / "a.star", **params)
    np.testing.assert_allclose(particles.coordinates, [BEAD] * 2, atol=1e-5)
    del params["binning"]
    message = r"a.star counts in pixels of 2.5 A, but .*TS_01.mrc has voxels of 5 A.*binning=2"
    with pytest.raises(FileFormatError, match=message):
        read_particles(tmp_path / "a.star", **params)
    # A tomogram that cannot be read is told where it is read.
    (tmp_path / "TS_01.mrc").write_bytes(b"x" * 2000)
    read_particles(tmp_path / "a.star", **params)
