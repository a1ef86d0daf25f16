import json

import numpy as np
import pytest
from bead_tables import (
    BEAD,
    CENTERED,
    FRACTIONS,
    OFF_CENTER,
    ORIGIN,
    ORIGIN_ANGST,
    RELION_PIXELS,
    SUBTOMOGRAM,
    X,
    Y,
    Z,
    star,
    with_tomogram,
)

from sksubtomo.cli import main
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    ParticleTable,
    make_particle_table,
    read_particles,
    write_mrc,
    write_particles,
)

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


@pytest.mark.parametrize("binning", [1, 2])
def test_the_size_of_the_pixels_of_shifts_answers_it(write, binning):
    given = write(**PIXELS, rlnImagePixelSize=20.0)
    with pytest.raises(FileFormatError, match=r"shift_pixel_size_angstrom=") as error:
        read_particles(**given, binning=binning)
    assert error.value.arguments == ("shift_pixel_size_angstrom", "shifts")
    # 4 pixels along x, of 20 or 5 A, in voxels of 10 A.
    for size in (20.0, 5.0):
        read = read_particles(**given, binning=binning, shift_pixel_size_angstrom=size)
        expected = np.array(PLACE) / binning - [0, 0, 4 * size / 10]
        np.testing.assert_allclose(read.coordinates, [expected] * 2, rtol=1e-6)
    with pytest.raises(ValueError, match=r"shift_pixel_size_angstrom=-1.0 must be a positive"):
        read_particles(**given, binning=binning, shift_pixel_size_angstrom=-1.0)


def test_shifts_in_pixels_beside_coordinates_in_angstrom(write):
    given = write(**PIXELS)
    columns = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    table = make_particle_table([PLACE] * 2, tomogram_names=["TS_1"] * 2, columns=PIXELS).table
    centered = 10 * (np.array(PLACE) - np.array([60, 100, 120]) / 2)
    table = table.rename(
        columns={f"rlnCoordinate{axis}": name for axis, name in zip("XYZ", columns, strict=True)}
    )
    table[columns] = centered[::-1]
    write_particles(given["path"], ParticleTable({"": table}, ""), overwrite=True)
    with pytest.raises(FileFormatError, match=r"not in pixels. Give .*shift_pixel_size_angstrom="):
        read_particles(**given)
    read = read_particles(**given, shift_pixel_size_angstrom=5.0)
    np.testing.assert_allclose(read.coordinates, [[30, 40, 48]] * 2, atol=1e-5)


def test_two_shifts_are_compared_by_the_size_that_is_given(write):
    given = write(**PIXELS | ANGSTROM)
    np.testing.assert_allclose(
        read_particles(**given, shift_pixel_size_angstrom=10.0).coordinates, [[30, 40, 46]] * 2
    )
    with pytest.raises(FileFormatError, match=r"not the same, with pixels of shift_pixel_size"):
        read_particles(**given, shift_pixel_size_angstrom=20.0)


def test_shifts_in_pixels_on_the_command_line(write, tmp_path, capsys):
    given = write(**PIXELS, rlnImagePixelSize=20.0)
    command = ["extract", "--particles", f"{given['path']}", "--box-size", "8", "--shifts", "apply"]
    command += ["--tomograms", f"{tmp_path}/TS_1.mrc", "--output", f"{tmp_path}/out"]
    command += ["--binning", "1", "--dry-run"]
    assert main(command) == 1
    assert "Here, that is said by --shift-pixel-size, --shifts." in capsys.readouterr().err
    assert main([*command, "--shift-pixel-size", "20"]) == 0


def test_two_shifts_that_differ_are_refused(tmp_path):
    columns = [*RELION_PIXELS, *ORIGIN, *ORIGIN_ANGST]
    given = with_tomogram(tmp_path, star(columns, [X, Y, Z, 1, 2, 3, 9, 9, 9]))
    with pytest.raises(FileFormatError, match=r"two shifts .*rlnOriginX.*rlnOriginXAngst.*Remove"):
        read_particles(**given, shifts="apply")
    assert read_particles(**given, shifts="ignore").coordinates[0].tolist() == list(BEAD)


def test_shifts_in_pixels_of_nothing_are_refused(tmp_path):
    for columns, values in ((CENTERED, OFF_CENTER), (RELION_PIXELS, FRACTIONS)):
        given = with_tomogram(tmp_path, star([*columns, *ORIGIN], [*values, 1, 2, 3]))
        with pytest.raises(
            FileFormatError, match=r"shifts in pixels \(rlnOriginX\), but .* not in"
        ):
            read_particles(**given, shifts="apply")
        np.testing.assert_allclose(read_particles(**given, shifts="ignore").coordinates, [BEAD] * 2)


def test_angles_that_turn_shifts_are_complete_and_finite(tmp_path):
    columns = [*RELION_PIXELS, *ORIGIN, *SUBTOMOGRAM]
    path = tmp_path / "a.star"
    path.write_text(star(columns[:-1], [X, Y, Z, 1, 2, 3, 10, 20]))
    with pytest.raises(
        FileFormatError, match=r"rlnTomoSubtomogramRot, rlnTomoSubtomogramTilt only"
    ):
        read_particles(path, shifts="apply")
    path.write_text(star(columns, [X, Y, Z, 1, 2, 3, 10, "nan", 30]))
    with pytest.raises(
        FileFormatError, match=r"row 1 \(line 14\) has .*rlnTomoSubtomogramTilt nan"
    ):
        read_particles(path, shifts="apply")
