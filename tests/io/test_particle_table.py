"""Every way from a table of particles to boxes: in voxels of the tomogram, or an error."""

import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    SubtomogramStack,
    box_outcomes,
    extract_subtomograms,
    make_particle_table,
    open_volume,
    read_mrc,
    read_particles,
    read_volume,
    write_mrc,
    write_particles,
)

# A bead at this voxel z, y, x of a tomogram of 10 A; tables count in pixels of 5 A.
BEAD, SHAPE = (14, 20, 27), (32, 48, 64)
GENERAL = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n\n"
OPTICS = "data_optics\n\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 5\n\n"
TILT_SERIES = OPTICS.replace("rlnImagePixelSize", "rlnTomoTiltSeriesPixelSize")
#: What tables have besides coordinates, by the program.
PROGRAMS = {
    "WarpTools 2-D": (GENERAL + OPTICS, {"rlnOpticsGroup": 1}),
    "WarpTools 3-D": ("", {"rlnPixelSize": 5.0, "rlnDetectorPixelSize": 5.0}),
    "Warp 1": ("", {"rlnCtfImage": "a.mrc", "rlnDetectorPixelSize": 5.0}),
    "RELION 4": ("", {"rlnTomoTiltSeriesPixelSize": 5.0}),
    "RELION 4, optics": (TILT_SERIES, {"rlnOpticsGroup": 1}),
}


@pytest.fixture(params=PROGRAMS)
def table(request, tmp_path):
    """A table of two particles at the bead, in pixels of its own."""
    before, columns = PROGRAMS[request.param]
    made = make_particle_table(
        [2.0 * np.array(BEAD)] * 2, tomogram_names=["TS_1.tomostar"] * 2, columns=columns
    )
    write_particles(tmp_path / "a.star", made)
    text = (tmp_path / "a.star").read_text()
    (tmp_path / "a.star").write_text(before + text)
    tomogram = np.zeros(SHAPE, dtype=np.float32)
    tomogram[BEAD] = 1
    write_mrc(tmp_path / "TS_1.mrc", tomogram, 10.0)
    return tmp_path / "a.star"


def ways(particles, folder):
    """Ways from particles to boxes, for a tomogram of a file."""
    path = folder / "TS_1.mrc"
    voxels = read_mrc(path).data
    return [
        lambda: extract_subtomograms(voxels, particles.coordinates, 8),
        lambda: extract_subtomograms(voxels, particles, 8),
        lambda: extract_subtomograms(read_volume(path), particles, 8),
        lambda: extract_subtomograms(open_volume(path), particles.subset([1, 0]), 8),
        lambda: box_outcomes(voxels, particles.coordinates, 8),
        lambda: box_outcomes(read_mrc(path), particles, 8),
        lambda: SubtomogramStack([path], particles.coordinates, [0, 0], 8),
        lambda: SubtomogramStack.from_particles(particles, [path], 8),
        lambda: make_particle_table(particles.coordinates),
    ]


def test_pixels_of_a_table_are_never_taken_for_voxels(table):
    particles = read_particles(table)
    assert len(particles) == 2
    assert particles.positions is None
    for way in ways(particles, table.parent):
        with pytest.raises(ValueError, match=r" 5 A.*(tomograms=.*binning=|binning=)"):
            way()
    with pytest.raises(FileFormatError, match=r"a.star counts in pixels of 5 A.*") as error:
        particles.coordinates  # noqa: B018
    assert error.value.arguments == ("tomograms", "binning")


def test_once_said_they_are_voxels(table):
    file = {"TS_1": table.parent / "TS_1.mrc"}
    said = [read_particles(table, binning=2)]
    if "rlnTomoTiltSeriesPixelSize" not in table.read_text():
        # RELION's pixels are asked about, Warp's scaled.
        said.append(read_particles(table, tomograms=file))
    for particles in said:
        for way in ways(particles, table.parent):
            made = way()
            if isinstance(made, (np.ndarray, SubtomogramStack)) and np.ndim(made) == 4:
                assert np.asarray(made)[:, 4, 4, 4].tolist() == [1, 1]


def test_pixels_of_the_size_of_the_voxels_are_voxels(table):
    voxels, path = np.zeros(SHAPE, dtype=np.float32), table.parent / "TS_1.mrc"
    voxels[tuple(2 * np.array(BEAD))] = 1
    write_mrc(path, voxels, 5.0, overwrite=True)
    particles = read_particles(table)
    for made in (
        extract_subtomograms(read_volume(path), particles, 8),
        SubtomogramStack.from_particles(particles, [path], 8),
    ):
        assert np.asarray(made)[:, 4, 4, 4].tolist() == [1, 1]
    assert read_particles(table, tomograms={"TS_1": path}).coordinates[0, 0] == 2 * BEAD[0]


def test_tables_are_rewritten_without_it(table):
    particles = read_particles(table)
    write_particles(table.with_name("b.star"), particles, class_numbers=[2, 1])
    again = read_particles(table.with_name("b.star"))
    assert again.class_numbers.tolist() == [2, 1]
    np.testing.assert_array_equal(
        read_particles(table.with_name("b.star"), binning=2).coordinates, [BEAD] * 2
    )
    if len(particles.blocks) > 1:
        with pytest.raises(ValueError, match=r"b.csv can hold one block only"):
            write_particles(table.with_name("b.csv"), particles)
        return
    # A CSV file with the same columns says the same.
    write_particles(table.with_name("b.csv"), particles)
    with pytest.raises(FileFormatError, match=r"b.csv counts in pixels of 5 A"):
        read_particles(table.with_name("b.csv")).coordinates  # noqa: B018


def test_the_command_line_asks_where_no_tomogram_says_it(table, capsys):
    command = ["evaluate", "--truth", f"{table}", "--predicted", f"{table}"]
    command += ["--tolerance-angstrom", "10", "--voxel-size", "10"]
    assert main(command) == 1
    assert "Here, that is said by --tomograms, --binning" in capsys.readouterr().err
    assert main([*command, "--binning", "2"]) == 1
    assert "said by --tomograms, --truth-binning" in capsys.readouterr().err
    assert main([*command, "--binning", "2", "--truth-binning", "2"]) == 0
    assert main(["info", f"{table}"]) == 0


def test_a_size_that_may_be_of_anything_is_compared_with_the_volume(tmp_path):
    made = make_particle_table([BEAD] * 2, columns={"rlnPixelSize": 20.0})
    write_particles(tmp_path / "a.star", made)
    write_mrc(tmp_path / "TS_1.mrc", np.zeros(SHAPE, dtype=np.float32), 10.0)
    particles, volume = read_particles(tmp_path / "a.star"), read_volume(tmp_path / "TS_1.mrc")
    # By itself, it says nothing of the coordinates.
    assert particles.coordinates.tolist() == [list(BEAD)] * 2
    with pytest.raises(ValueError, match=r"voxels of 10 x 10 x 10 A .* 20 A by rlnPixelSize"):
        extract_subtomograms(volume, particles, 8)
    assert len(extract_subtomograms(volume, read_particles(tmp_path / "a.star", binning=1), 8)) == 2


def test_particles_of_several_tomograms_are_cut_one_by_one():
    particles = make_particle_table([BEAD] * 2, tomogram_names=["TS_1", "TS_2"])
    voxels = np.zeros(SHAPE, dtype=np.float32)
    with pytest.raises(ValueError, match=r"in several tomograms, \['TS_1', 'TS_2'\].*subset"):
        extract_subtomograms(voxels, particles, 8)
    part = particles.subset(particles.tomogram_names == "TS_2")
    assert extract_subtomograms(voxels, part, 8).shape == (1, 8, 8, 8)


def test_what_was_read_with_binning_is_compared_with_other_files(tmp_path):
    made = make_particle_table([BEAD] * 2, tomogram_names=["TS_1"] * 2)
    write_particles(tmp_path / "a.star", made)
    for name, voxel in (("TS_1.mrc", 10.0), ("TS_1.rec", 5.0)):
        write_mrc(tmp_path / name, np.zeros(SHAPE, dtype=np.float32), voxel)
    file = {"TS_1": tmp_path / "TS_1.mrc"}
    particles = read_particles(tmp_path / "a.star", tomograms=file, binning=2)
    SubtomogramStack.from_particles(particles, file, 8)
    with pytest.raises(ValueError, match=r"TS_1.rec has voxels of 5 x 5 x 5 A .* 10 A"):
        SubtomogramStack.from_particles(particles, [tmp_path / "TS_1.rec"], 8)
