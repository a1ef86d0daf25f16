import json

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles, write_mrc, write_particles

PLACE = [30.0, 40.0, 50.0]
PIXELS = {"rlnOriginX": 4.0, "rlnOriginY": 0.0, "rlnOriginZ": 0.0}
ANGSTROM = {"rlnOriginXAngst": 40.0, "rlnOriginYAngst": 0.0, "rlnOriginZAngst": 0.0}


@pytest.fixture
def write(tmp_path):
    """A function that writes a table of two particles beside a tomogram of 10 A."""
    write_mrc(tmp_path / "TS_1.mrc", np.zeros((60, 100, 120), np.float32), 10.0)

    def make(**columns):
        table = make_particle_table([PLACE] * 2, tomogram_names=["TS_1"] * 2, columns=columns)
        write_particles(tmp_path / "a.star", table, overwrite=True)
        tomograms = {"TS_1": tmp_path / "TS_1.mrc"}
        return {"path": tmp_path / "a.star", "tomograms": tomograms, "shifts": "apply"}

    return make


@pytest.mark.parametrize("zero", ["rlnOriginX", "rlnOriginXAngst"])
def test_two_columns_of_which_one_is_zero_differ(write, zero):
    given = write(**PIXELS | ANGSTROM | {zero: 0.0})
    with pytest.raises(FileFormatError, match=r"two shifts .*not the same"):
        read_particles(**given)
    assert read_particles(**{**given, "shifts": "ignore"}).coordinates[0].tolist() == PLACE
    zeros = dict.fromkeys(PIXELS | ANGSTROM, 0.0)
    assert read_particles(**{**write(**zeros), "shifts": None}).coordinates[0].tolist() == PLACE


def test_the_header_tells_that_two_columns_are_one_shift(write):
    given = write(**PIXELS | ANGSTROM)
    np.testing.assert_allclose(read_particles(**given).coordinates, [[30, 40, 46]] * 2)
    with pytest.raises(FileFormatError, match=r"not the same, with pixels of coordinates 5"):
        read_particles(**given, binning=2)


@pytest.mark.parametrize("binning", [1, 2])
def test_pixels_of_shifts_that_may_be_of_two_sizes_are_asked_about(write, binning):
    given = write(**PIXELS, rlnImagePixelSize=20.0)
    with pytest.raises(FileFormatError, match=r"rlnOriginX.*rlnImagePixelSize 20; coordinates "):
        read_particles(**given, binning=binning)
    # Pixels of a tilt series and of its images.
    given = write(**PIXELS, rlnTomoTiltSeriesPixelSize=2.5, rlnImagePixelSize=20.0)
    with pytest.raises(FileFormatError, match=r"TiltSeriesPixelSize 2.5; rlnImagePixelSize 20"):
        read_particles(**given, binning=4)
    # One reading, and shifts in angstrom.
    given = write(**PIXELS, rlnImagePixelSize=10.0)
    np.testing.assert_allclose(read_particles(**given).coordinates, [[30, 40, 46]] * 2)
    given = write(**ANGSTROM, rlnImagePixelSize=20.0)
    np.testing.assert_allclose(read_particles(**given, binning=1).coordinates, [[30, 40, 46]] * 2)


@pytest.mark.parametrize("shift", [PIXELS, ANGSTROM])
@pytest.mark.parametrize("axis", "YZ")
def test_a_shift_along_some_axes_only_is_refused(write, shift, axis):
    given = write(**{name: value for name, value in shift.items() if axis not in name[9:]})
    with pytest.raises(FileFormatError, match=rf"has no rlnOrigin{axis}"):
        read_particles(**given)
    assert read_particles(**{**given, "shifts": "ignore"}).coordinates[0].tolist() == PLACE


def test_translations_of_copick_are_asked_about(write, tmp_path):
    given = {**write(), "path": tmp_path / "a.json"}
    points = [{"location": {"x": 500, "y": 400, "z": 300}} for _ in range(2)]
    points[0]["transformation_"] = np.eye(4).tolist()
    content = {"pickable_object_name": "a", "run_name": "TS_1", "points": points}
    given["path"].write_text(json.dumps(content))
    read = read_particles(**{**given, "shifts": None})
    np.testing.assert_allclose(read.coordinates, [PLACE] * 2, rtol=1e-6)
    points[0]["transformation_"][0][3], points[0]["transformation_"][2][3] = 100, -20
    given["path"].write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=r"transformation_03.*shifts='apply'"):
        read_particles(**{**given, "shifts": None})
    np.testing.assert_allclose(read_particles(**given).coordinates, [[28, 40, 60], PLACE])
