import os
import shutil
import subprocess

import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles, write_mrc, write_particles

# Unbinned edges x, y, z, their pixel, and a place in voxels of a tomogram binned by 4.
SIZE, PIXEL, BINNING, PLACE = (256, 192, 128), 1.25, 4.0, (14.0, 20.0, 27.0)
CENTERED = [
    PIXEL * (BINNING * place - edge / 2) for place, edge in zip(PLACE[::-1], SIZE, strict=True)
]
UNBINNED = [BINNING * place for place in PLACE[::-1]]
APPLY = {"shifts": "apply"}


def loop(block, columns, *rows):
    header = "".join(f"_{column}\n" for column in columns)
    return f"data_{block}\n\nloop_\n{header}" + "".join(
        " ".join(map(str, row)) + "\n" for row in rows
    )


def xyz(name, ending=""):
    return [f"{name}{axis}{ending}" for axis in "XYZ"]


TOMOGRAM_COLUMNS = [
    "rlnTomoName",
    *xyz("rlnTomoSize"),
    "rlnTomoTiltSeriesPixelSize",
    "rlnTomoTomogramBinning",
    "rlnTomoReconstructedTomogram",
]
TOMOGRAM = ["001", *SIZE, PIXEL, BINNING, "Tomograms/001.mrc"]
SHIFTS = xyz("rlnOrigin", "Angst")
SET = """\
data_

_rlnTomoParticlesFile   Picks/job1/particles.star
_rlnTomoTomogramsFile   Tomograms/tomograms.star
_rlnTomoTrajectoriesFile ""
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Picks/job1").mkdir(parents=True)
    (tmp_path / "Tomograms").mkdir()
    (tmp_path / "Tomograms/tomograms.star").write_text(loop("global", TOMOGRAM_COLUMNS, TOMOGRAM))
    particles = loop(
        "particles", ["rlnTomoName", *xyz("rlnCenteredCoordinate", "Angst")], ["001", *CENTERED]
    )
    (tmp_path / "Picks/job1/particles.star").write_text(particles)
    (tmp_path / "Picks/job1/optimisation_set.star").write_text(SET)
    return tmp_path


def pixels_table(project, optics="", columns=(), values=(), name="001", place=UNBINNED):
    path = project / "pixels.star"
    path.write_text(
        optics
        + loop(
            "particles",
            ["rlnTomoName", *xyz("rlnCoordinate"), *columns],
            [name, *place, *values],
        )
    )
    return path


def optics(*rows):
    return loop("optics", ["rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"], *rows) + "\n"


def test_a_set_is_followed_without_opening_a_tomogram(project):
    particles = read_particles(project / "Picks/job1/optimisation_set.star")
    np.testing.assert_allclose(particles.coordinates, [PLACE], rtol=1e-12)
    assert particles.tomogram_names.tolist() == ["001"]
    # It is not there, so its path is as the table says it.
    assert [str(file) for file in particles.tomogram_files.values()] == ["Tomograms/001.mrc"]
    write_mrc(project / "Tomograms/001.mrc", np.zeros((32, 48, 64), dtype=np.float32), 5.0)
    particles = read_particles(project / "Picks/job1/optimisation_set.star").subset([0])
    assert particles.tomogram_files == {"001": project / "Tomograms/001.mrc"}


def test_table_and_mapping_say_the_same(project):
    write_mrc(project / "Tomograms/001.mrc", np.zeros((32, 48, 64), dtype=np.float32), 5.0)
    path = project / "Picks/job1/particles.star"
    by_table = read_particles(path, tomograms=project / "Tomograms/tomograms.star")
    by_file = read_particles(path, tomograms={"001": str(project / "Tomograms/001.mrc")})
    np.testing.assert_allclose(by_file.coordinates, by_table.coordinates)
    assert by_file.tomogram_files == by_table.tomogram_files
    assert read_particles(pixels_table(project)).tomogram_files is None
    with pytest.raises(FileFormatError, match=r"particles.star.*leave out binning=2"):
        read_particles(path, tomograms=by_file.tomogram_files, binning=2)


def test_files_of_a_set_are_found_from_parents_or_the_current_folder(project, monkeypatch):
    elsewhere = project.parent / f"{project.name}_set"
    elsewhere.mkdir()
    (elsewhere / "set.star").write_text(SET)
    with pytest.raises(FileFormatError, match=r"set.star names .*job1/particles.star'") as error:
        read_particles(elsewhere / "set.star")
    assert str(elsewhere / "Picks") in str(error.value)
    assert str(elsewhere.parent / "Picks") in str(error.value)
    monkeypatch.chdir(project)
    assert len(read_particles(elsewhere / "set.star")) == 1
    os.remove("Tomograms/tomograms.star")
    with pytest.raises(FileFormatError, match=r"set.star names .*tomograms.star'"):
        read_particles(elsewhere / "set.star")


def test_a_given_table_goes_before_that_of_the_set(project):
    (project / "other.star").write_text(
        loop("global", TOMOGRAM_COLUMNS, ["001", *SIZE, PIXEL, 2.0, "a.mrc"])
    )
    (project / "Tomograms/tomograms.star").unlink()
    particles = read_particles(
        project / "Picks/job1/optimisation_set.star", tomograms=project / "other.star"
    )
    np.testing.assert_allclose(particles.coordinates, [2 * np.array(PLACE)])


def test_shifts_beside_centered_coordinates(project):
    path = project / "Picks/job1/particles.star"
    columns = ["rlnTomoName", *xyz("rlnCenteredCoordinate", "Angst"), *SHIFTS]
    path.write_text(loop("particles", columns, ["001", *CENTERED, 10, 0, -5]))
    particles = read_particles(project / "Picks/job1/optimisation_set.star", shifts="apply")
    np.testing.assert_allclose(particles.coordinates, [[15.0, 20.0, 25.0]])


def test_the_table_says_the_binning_of_pixels(project):
    path, table = pixels_table(project), project / "Tomograms/tomograms.star"
    assert read_particles(path).coordinates.tolist() == [UNBINNED[::-1]]
    assert read_particles(path, tomograms=table).coordinates.tolist() == [list(PLACE)]
    assert read_particles(path, tomograms=table, binning=4).coordinates.tolist() == [list(PLACE)]
    with pytest.raises(FileFormatError, match=r"pixels.star.*binning is 2, but .* is 4"):
        read_particles(path, tomograms=table, binning=2)
    shifted = pixels_table(project, columns=SHIFTS, values=[5, 0, 0])
    assert read_particles(shifted, tomograms=table, shifts="apply").coordinates[0, 2] == 26.0


def test_the_pixel_of_the_tilt_series_is_that_of_coordinates(project):
    text = optics([1, 2.5], [2, 1.25])
    columns, values = ["rlnOpticsGroup", *SHIFTS], [2, 5, 0, 0]
    path = pixels_table(project, text, columns, values)
    # It is asked how many of these pixels are a voxel.
    with pytest.raises(FileFormatError, match=r"pixels.star counts in pixels of 1.25 A.*binning="):
        read_particles(path, **APPLY).coordinates  # noqa: B018
    pixels = {**APPLY, "binning": 1}
    assert read_particles(path, **pixels).coordinates[0, 2] == UNBINNED[0] - 4
    assert read_particles(path, binning=4, **APPLY).coordinates[0, 2] == PLACE[2] - 1
    assert read_particles(path, pixel_size_angstrom=1.255, **pixels).coordinates[0, 0] == 56
    with pytest.raises(FileFormatError, match=r"pixel_size_angstrom is 2.5, but .* is 1.25"):
        read_particles(path, pixel_size_angstrom=2.5, **APPLY)
    path = pixels_table(project, text, SHIFTS, [5, 0, 0])
    with pytest.raises(FileFormatError, match=r"pixels.star.*several .* no rlnOpticsGroup"):
        read_particles(path, **APPLY)
    path = pixels_table(project, text, columns, [3, 5, 0, 0])
    with pytest.raises(FileFormatError, match=r"pixels.star.*rlnOpticsGroup \['3'\]"):
        read_particles(path, **APPLY)
    path = pixels_table(project, optics([1, 2.5]), columns, [1, 5, 0, 0])
    with pytest.raises(FileFormatError, match=r"of .*tomograms.star is 1.25, but .* is 2.5"):
        read_particles(path, tomograms=project / "Tomograms/tomograms.star", **APPLY)


def test_optics_of_single_values(project):
    text = "data_optics\n\n_rlnOpticsGroup 1\n_rlnTomoTiltSeriesPixelSize 1.25\n\n"
    path = pixels_table(project, text, SHIFTS, [5, 0, 0])
    assert read_particles(path, **APPLY, binning=1).coordinates[0, 2] == UNBINNED[0] - 4
    path = pixels_table(project, text.replace("1.25", "0"), SHIFTS, [5, 0, 0])
    with pytest.raises(FileFormatError, match=r"pixels.star must have positive numbers"):
        read_particles(path, **APPLY)


def test_candidates_for_the_pixel_size_are_told(project):
    text = loop("optics", ["rlnOpticsGroup", "rlnImagePixelSize"], [1, 3.5]) + "\n"
    path = pixels_table(project, text, ["rlnPixelSize", *SHIFTS], [3.5, 5, 0, 0])
    with pytest.raises(
        FileFormatError, match=r"as pixel_size_angstrom.*rlnImagePixelSize 3.5; rlnPixelSize 3.5"
    ):
        read_particles(path, **APPLY)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (TOMOGRAM_COLUMNS[:-1], TOMOGRAM[:-1], None),
        (TOMOGRAM_COLUMNS[:-2], TOMOGRAM[:-2], "does not say rlnTomoTomogramBinning"),
        (["rlnTomoName", *TOMOGRAM_COLUMNS[4:]], ["001", *TOMOGRAM[4:]], "rlnTomoSizeX, Y and Z"),
        (TOMOGRAM_COLUMNS, ["1", *TOMOGRAM[1:]], r"particles in \['001'\], not among"),
        (TOMOGRAM_COLUMNS, [*TOMOGRAM[:4], "x", *TOMOGRAM[5:]], "positive numbers"),
        (TOMOGRAM_COLUMNS[:4], TOMOGRAM[:4], "not a table of tomograms"),
    ],
)
def test_incomplete_tables_of_tomograms(project, columns, row, message):
    table = project / "Tomograms/tomograms.star"
    table.write_text(loop("global", columns, row))
    path = project / "Picks/job1/particles.star"
    if message is None:
        assert read_particles(path, tomograms=table).tomogram_files is None
        return
    with pytest.raises(FileFormatError, match=message) as error:
        read_particles(path, tomograms=table)
    assert "tomograms.star" in str(error.value)


def test_tables_of_tomograms_are_checked(project):
    path, table = project / "Picks/job1/particles.star", project / "Tomograms/tomograms.star"
    table.write_text(loop("global", TOMOGRAM_COLUMNS, TOMOGRAM, TOMOGRAM))
    with pytest.raises(FileFormatError, match="several tomograms of the same rlnTomoName"):
        read_particles(path, tomograms=table)
    with pytest.raises(FileNotFoundError, match="no file .*missing.star"):
        read_particles(path, tomograms=project / "missing.star")
    table.write_text(loop("global", TOMOGRAM_COLUMNS, ["001", 255, *TOMOGRAM[2:]]))
    with pytest.warns(UserWarning, match="tomograms.star has an odd edge"):
        read_particles(path, tomograms=table)
    # Without the binning, pixels stay as they are, and so do centered ones once it is given.
    table.write_text(loop("global", TOMOGRAM_COLUMNS[:-2], TOMOGRAM[:-2]))
    particles = read_particles(path, tomograms=table, binning=4)
    np.testing.assert_allclose(particles.coordinates, [PLACE])


def test_a_set_of_several_files_is_refused(project):
    path = project / "set.star"
    path.write_text(loop("set", ["rlnTomoParticlesFile"], ["a.star"], ["b.star"]))
    with pytest.raises(FileFormatError, match="set.star must name exactly one file"):
        read_particles(path)


def test_a_reconstruction_of_another_binning_is_refused(project):
    table = project / "Tomograms/tomograms.star"
    path = project / "Picks/job1/particles.star"
    write_mrc(project / "Tomograms/001.mrc", np.zeros((32, 48, 64), dtype=np.float32), 10.0)
    with pytest.raises(FileFormatError, match=r"rlnTomoTomogramBinning of .* is 5, but .* is 10"):
        read_particles(path, tomograms=table)
    # A damaged one is told when it is read.
    (project / "Tomograms/001.mrc").write_bytes(b"x" * 2000)
    assert len(read_particles(path, tomograms=table)) == 1


@pytest.mark.parametrize("program", ["relion_convert_star", "relion_star_handler"])
def test_relion_reads_what_is_written(tmp_path, program):
    """Of RELION 3.1, which Debian has; it needs to be installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    names = ["TS 1", "it's", "TS_2", "TS_3"]
    particles = make_particle_table(
        np.arange(12).reshape(4, 3) + 0.25,
        tomogram_names=names,
        columns={
            "rlnMicrographName": [f"{name}.mrc" for name in names],
            "rlnImageName": [f"{row}.mrc" for row in range(4)],
            "rlnGroupNumber": [1, 2, 3, 4],
            "rlnAngleRot": [0.1, -179.999, 1e-7, 90.0],
            "rlnVoltage": 300.0,
            "rlnSphericalAberration": 2.7,
            "rlnAmplitudeContrast": 0.07,
            "rlnDetectorPixelSize": 5.0,
            "rlnMagnification": 10000.0,
        },
    )
    classes = np.array([2, 1, 0, 2])
    write_particles(
        tmp_path / "in.star",
        particles,
        class_numbers=classes,
        probabilities=[[0.25, 0.75], [0.5, 0.5], [0.0, 0.0], [0.125, 0.875]],
    )
    for number in range(4):
        box = np.zeros((8, 8, 8), dtype=np.float32)
        write_mrc(tmp_path / f"{number}.mrc", box, 5.0)
    arguments = [program, "--i", "in.star", "--o", "out.star"]
    kept = np.arange(4)
    if program == "relion_star_handler":
        arguments += ["--select", "rlnClassNumber", "--minval", "1", "--maxval", "2"]
        kept = np.flatnonzero(classes)
    run = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    again = read_particles(tmp_path / "out.star")
    assert again.tomogram_names.tolist() == [names[row] for row in kept]
    assert again.class_numbers.tolist() == classes[kept].tolist()
    np.testing.assert_allclose(again.coordinates, particles.coordinates[kept], atol=1e-6)
    written = read_particles(tmp_path / "in.star").table.iloc[kept]
    for column in ("rlnAngleRot", "rlnMaxValueProbDistribution", "sksubtomoProbability2"):
        np.testing.assert_allclose(again.table[column], written[column], atol=1e-5)
