import json

import numpy as np
import pytest
from bead_tables import BEAD, DIALECTS, OFF_CENTER, VOXEL, star
from bead_tables import SHAPE as BEAD_SHAPE

from sksubtomo.cli import main
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import (
    SubtomogramStack,
    extract_subtomograms,
    read_particles,
    write_mrc,
    write_particles,
)
from sksubtomo.io._tables import read_blocks

# 60 x 100 x 120 voxels of 10 A: 4 pixels of 2.5 A.
SHAPE = (60, 100, 120)
CENTER = [30, 50, 60]


def loop(block, columns, *rows):
    lines = [" ".join(map(str, row)) for row in rows]
    return "\n".join([f"data_{block}", "", "loop_", *(f"_{one}" for one in columns), *lines]) + "\n"


def xyz(name, ending=""):
    return [f"{name}{axis}{ending}" for axis in "XYZ"]


@pytest.fixture
def write(tmp_path):
    """A function that writes a tomogram, RELION's table of it, and a table of particles."""

    def make(voxel, columns, row, *, binning=(4,), shape=SHAPE, pixel=2.5):
        write_mrc(tmp_path / "TS_1.mrc", np.zeros(shape, np.float32), voxel, overwrite=True)
        labels = ["rlnTomoName", "rlnTomoTiltSeriesPixelSize", *xyz("rlnTomoSize")]
        values = ["TS_1", pixel, 480, 400, 240]
        if binning:
            labels, values = [*labels, "rlnTomoTomogramBinning"], [*values, *binning]
        (tmp_path / "tomograms.star").write_text(loop("global", labels, values))
        text = loop("particles", ["rlnTomoName", *columns], ["TS_1", *row], ["TS_1", *row])
        (tmp_path / "a.star").write_text(text)
        return {
            "path": tmp_path / "a.star",
            "tomograms": tmp_path / "tomograms.star",
            "tomogram_files": {"TS_1": tmp_path / "TS_1.mrc"},
        }

    return make


CENTERED, PIXELS = xyz("rlnCenteredCoordinate", "Angst"), xyz("rlnCoordinate")
ROWS = {"centered": (CENTERED, [0, 0, 0]), "pixels": (PIXELS, [240, 200, 120])}


@pytest.mark.parametrize("kind", ROWS)
def test_files_beside_a_table_of_tomograms_are_compared_with_it(write, kind, tmp_path, capsys):
    assert read_particles(**write(10.0, *ROWS[kind])).coordinates.tolist() == [CENTER] * 2
    given = write(5.0, *ROWS[kind])
    with pytest.raises(
        FileFormatError, match=r"rlnTomoTomogramBinning.*is 10, but .*TS_1.mrc is 5"
    ):
        read_particles(**given)
    command = ["extract", "--particles", str(given["path"]), "--tomograms"]
    command += [str(given["tomograms"]), str(tmp_path / "TS_1.mrc"), "--box-size", "8"]
    assert main([*command, "--output", str(tmp_path / "out")]) == 1
    assert "TS_1.mrc is 5" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ROWS)
def test_the_header_says_a_binning_that_the_table_lacks(write, kind):
    given = write(10.0, *ROWS[kind], binning=())
    assert read_particles(**given).coordinates.tolist() == [CENTER] * 2
    alone = {**given, "tomogram_files": None}
    with pytest.raises(FileFormatError, match=r"does not say rlnTomoTomogramBinning.*as binning="):
        read_particles(**alone)
    assert read_particles(**alone, binning=4).coordinates.tolist() == [CENTER] * 2


def test_every_edge_of_a_voxel_is_compared(write):
    with pytest.raises(FileFormatError, match=r"is 10, but .*TS_1.mrc is 20"):
        read_particles(**write((20.0, 10.0, 10.0), *ROWS["centered"]))


def test_files_need_a_table_of_tomograms(write):
    given = write(10.0, *ROWS["pixels"])
    with pytest.raises(ValueError, match=r"tomogram_files need a tomograms.star"):
        read_particles(**{**given, "tomograms": None})


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("binning", [1, 2, 8])
def test_a_binning_that_is_given_is_compared_with_the_headers(
    write, kind, binning, tmp_path, capsys
):
    given = write(10.0, *ROWS[kind], binning=())
    with pytest.raises(
        FileFormatError, match=rf"by binning={binning} and .* is {2.5 * binning:g}, but .*mrc is 10"
    ):
        read_particles(**given, binning=binning)
    assert read_particles(**given, binning=4).coordinates.tolist() == [CENTER] * 2
    command = ["extract", "--particles", str(given["path"]), "--tomograms"]
    command += [str(given["tomograms"]), str(tmp_path / "TS_1.mrc"), "--box-size", "8"]
    command += ["--binning", str(binning), "--output", str(tmp_path / "out")]
    assert main(command) == 1
    assert "TS_1.mrc is 10" in capsys.readouterr().err
    # Of the table, too.
    with pytest.raises(FileFormatError, match=rf"binning is {binning}, but .* is 4"):
        read_particles(**write(10.0, *ROWS[kind]), binning=binning)


WARP_2D = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n\n"
IMAGES = "data_optics\n\n_rlnOpticsGroup 1\n_rlnImagePixelSize 5\n\n"


@pytest.mark.parametrize("table_says", [False, True])
def test_a_binning_is_of_the_pixels_that_coordinates_are_in(write, tmp_path, table_says):
    """Of the particle images of WarpTools, not of the tilt series of the table of tomograms."""
    given = write(10.0, PIXELS, [120, 100, 60], binning=(4,) if table_says else ())
    text = (tmp_path / "a.star").read_text().replace("\nTS_1 ", "\nTS_1.tomostar ")
    (tmp_path / "a.star").write_text(WARP_2D + IMAGES + text)
    for files in (given["tomogram_files"], None):
        with_files = {**given, "tomogram_files": files}
        assert read_particles(**with_files, binning=2).coordinates.tolist() == [CENTER] * 2
        if files or table_says:
            with pytest.raises(FileFormatError, match=r"a.star is ambiguous: .*binning"):
                read_particles(**with_files, binning=4)
    if not table_says:
        with pytest.raises(FileFormatError, match=r"pixels of the particle images, and .*binning="):
            read_particles(**{**given, "tomogram_files": None})
    # Without their size, they are asked about, and not taken for those of the tilt series.
    (tmp_path / "a.star").write_text(WARP_2D + text)
    alone = {"path": given["path"], "tomograms": {"TS_1": tmp_path / "TS_1.mrc"}}
    for known in (given, alone):
        with pytest.raises(FileFormatError, match=r"does not say their size \(rlnImagePixelSize\)"):
            read_particles(**known)
        for said in ({"binning": 2}, {"pixel_size_angstrom": 5.0, "binning": 2}):
            assert read_particles(**known, **said).coordinates.tolist() == [CENTER] * 2


# Tables that need the tomogram to say where particles are, by their columns and the row of CENTER.
NEEDY = {
    "RELION 5": (CENTERED, [0, 0, 0], ""),
    "M": (xyz("wrpCoordinate", "1"), [600, 500, 300], ""),
    "fractions": (PIXELS, [0.5, 0.5001, 0.5], ""),
    "WarpTools 3-D": (
        [*PIXELS, "rlnPixelSize", "rlnDetectorPixelSize"],
        [240, 200, 120, 2.5, 2.5],
        ".tomostar",
    ),
}


@pytest.fixture
def absent(tmp_path):
    """A function that writes a table of three particles, the last of an absent tomogram."""

    def make(kind, n_absent=1):
        columns, row, ending = NEEDY[kind]
        names = [f"TS_1{ending}"] * (3 - n_absent) + [f"TS_2{ending}"] * n_absent
        rows = [[name, *row, 1 + number % 2] for number, name in enumerate(names)]
        columns = ["rlnTomoName", *columns, "rlnClassNumber"]
        (tmp_path / "a.star").write_text(loop("particles", columns, *rows))
        rng = np.random.default_rng(0)
        voxels = rng.normal(size=SHAPE).astype(np.float32)
        write_mrc(tmp_path / "TS_1.mrc", voxels, 10.0, overwrite=True)
        return tmp_path / "a.star", {f"TS_1{ending}": tmp_path / "TS_1.mrc"}

    return make


@pytest.mark.parametrize("kind", NEEDY)
def test_an_absent_tomogram_costs_its_own_particles(absent, kind):
    path, tomograms = absent(kind)
    particles = read_particles(path, tomograms=tomograms)
    np.testing.assert_allclose(particles.coordinates[:2], [CENTER] * 2, atol=0.02)
    assert np.isnan(particles.coordinates[2]).all()
    with pytest.raises(ValueError, match="1 tomogram without a file"):
        SubtomogramStack.from_particles(particles, tomograms, 8)
    stack = SubtomogramStack.from_particles(particles, tomograms, 8, on_bad="skip")
    assert stack.outcomes.tolist() == ["ok", "ok", "tomogram not found"]
    assert stack.shape == (2, 8, 8, 8)
    assert "TS_2" in stack.file_errors[1]
    with pytest.raises(ValueError, match=r"not finite: particle 2"):
        extract_subtomograms(np.zeros(SHAPE), particles.coordinates, 8)
    # In a file of another kind, there is no position to write.
    if kind == "M":
        with pytest.raises(ValueError, match=r"b.csv: 1 of 3 particles have no position"):
            write_particles(path.with_name("b.csv"), particles)
    # Where most are absent, something else is wrong.
    path, tomograms = absent(kind, n_absent=2)
    with pytest.raises(FileFormatError, match=r"particles in \['TS_2.*not among .* 2 of 3 "):
        read_particles(path, tomograms=tomograms)


@pytest.mark.parametrize("kind", NEEDY)
def test_an_absent_tomogram_on_the_command_line(absent, kind, tmp_path, capsys):
    path, _ = absent(kind)
    where = ["--particles", f"{path}", "--tomograms", f"{tmp_path}/TS_1.mrc", "--quiet"]
    extract = ["extract", *where, "--box-size", "8", "--output", f"{tmp_path}/boxes"]
    for more in (["--dry-run"], []):
        assert main([*extract, *more]) == 3
        shown = capsys.readouterr().err
        assert "1 tomogram without a file: 'TS_2" in shown
        assert "with 1 of 3 particles" in shown
    assert len(list((tmp_path / "boxes").rglob("*.mrc"))) == 2
    fit = ["fit", *where, "--box-size", "8", "--method", "supervised", "--epochs", "1"]
    fit += ["--no-early-stopping", "--output", f"{tmp_path}/model.joblib"]
    assert main(fit) == 3
    model = ["--model", f"{tmp_path}/model.joblib", "--output", f"{tmp_path}/out.star"]
    assert main(["predict", *where, *model]) == 3
    written = read_blocks(tmp_path / "out.star")["particles"]["rlnClassNumber"]
    assert (written > 0).tolist() == [True, True, False]
    evaluate = ["evaluate", "--truth", f"{path}", "--predicted", f"{tmp_path}/out.star"]
    evaluate += ["--tomograms", f"{tmp_path}/TS_1.mrc", "--voxel-size", "10"]
    capsys.readouterr()
    assert main([*evaluate, "--tolerance-angstrom", "10", "--any-class"]) == 3
    shown = capsys.readouterr()
    assert shown.out.split()[-6:] == ["all", "2", "2", "1.000", "1.000", "1.000"]
    assert "1 tomogram is left out" in shown.err


def test_an_absent_row_of_a_table_of_tomograms(write, tmp_path):
    for columns, row in ROWS.values():
        given = write(10.0, columns, row)
        text = (tmp_path / "a.star").read_text()
        (tmp_path / "a.star").write_text(text + " ".join(map(str, ["TS_2", *row])) + "\n")
        particles = read_particles(**given)
        assert particles.coordinates[:2].tolist() == [CENTER] * 2
        assert np.isnan(particles.coordinates[2]).all()


def test_copick_of_an_absent_run(absent, tmp_path):
    _, tomograms = absent("M")
    point = {"location": {"x": 600.0, "y": 500.0, "z": 300.0}}
    content = {"pickable_object_name": "a", "run_name": "TS_2", "points": [point]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=r"a.json has particles in \['TS_2'\], not among"):
        read_particles(tmp_path / "a.json", tomograms=tomograms)


def test_tomograms_that_are_not_there_are_not_found(absent, tmp_path):
    path, tomograms = absent("M")
    given = {**tomograms, "TS_2": tmp_path / "TS_2.mrc"}
    particles = read_particles(path, tomograms=given)
    stack = SubtomogramStack.from_particles(particles, given, 8, on_bad="skip")
    assert stack.outcomes.tolist() == ["ok", "ok", "tomogram not found"]
    # Damaged is another matter.
    (tmp_path / "TS_2.mrc").write_bytes(b"x" * 2000)
    stack = SubtomogramStack.from_particles(particles, given, 8, on_bad="skip")
    assert stack.outcomes.tolist() == ["ok", "ok", "unreadable"]


def test_tomograms_that_do_not_say_their_voxels(tmp_path):
    emfile = pytest.importorskip("emfile")
    emfile.write(tmp_path / "TS_01.em", np.zeros(BEAD_SHAPE, dtype=np.float32))
    (tmp_path / "a.star").write_text(star(CENTERED, OFF_CENTER))
    given = {"path": tmp_path / "a.star", "tomograms": {"TS_01": tmp_path / "TS_01.em"}}
    with pytest.raises(FileFormatError, match=r"TS_01.em does not say its voxel size. Give it as"):
        read_particles(**given)
    for params in ({"pixel_size_angstrom": VOXEL}, {"pixel_size_angstrom": 1.25, "binning": 4}):
        particles = read_particles(**given, **params)
        np.testing.assert_allclose(particles.coordinates, [BEAD] * 2)


def test_tomograms_are_checked(tmp_path):
    (tmp_path / "a.star").write_text(DIALECTS["RELION 5"][0])
    with pytest.raises(FileFormatError, match=r"particles in \['TS_01'\], not among"):
        read_particles(tmp_path / "a.star", tomograms={"TS_02": tmp_path / "b.mrc"})
    write_mrc(tmp_path / "odd.mrc", np.zeros((31, 48, 64), dtype=np.float32), VOXEL)
    with pytest.warns(UserWarning, match="odd edge"):
        read_particles(tmp_path / "a.star", tomograms={"TS_01": tmp_path / "odd.mrc"})


@pytest.mark.filterwarnings("ignore:.*has an odd edge")
def test_edges_of_files_are_compared_where_positions_count_from_the_center(write):
    """A reconstruction that was trimmed has its center elsewhere."""
    trimmed = (50, 100, 120)
    with pytest.raises(
        FileFormatError, match=r"TS_1 has edges of \(60, 100, 120\) .* file has \(50, 100, 120\)"
    ):
        read_particles(**write(10.0, *ROWS["centered"], shape=trimmed))
    # Rounded edges are the same; pixels count from the first voxel.
    assert len(read_particles(**write(10.0, *ROWS["centered"], shape=(59, 100, 121)))) == 2
    assert len(read_particles(**write(10.0, *ROWS["pixels"], shape=trimmed))) == 2
    # As the file says it, it is another place.
    given = write(10.0, *ROWS["centered"], shape=trimmed)
    particles = read_particles(given["path"], tomograms=given["tomogram_files"])
    assert particles.coordinates[0].tolist() == [25, 50, 60]


@pytest.mark.parametrize("kind", ["RELION 5", "fractions"])
def test_stacks_are_not_cut_from_files_of_other_edges(absent, kind, tmp_path):
    path, tomograms = absent(kind)
    particles = read_particles(path, tomograms=tomograms)
    write_mrc(tmp_path / "TS_1.rec", np.zeros((50, 100, 120), np.float32), 10.0)
    other = {"TS_1": tmp_path / "TS_1.rec"}
    with pytest.raises(ValueError, match=r"TS_1.rec has \(50, 100, 120\) voxels .* of \(60, 100"):
        SubtomogramStack.from_particles(particles, other, 8, on_bad="skip")
    with pytest.raises(ValueError, match=r"The tomogram has \(50, 100, 120\) voxels"):
        extract_subtomograms(np.zeros((50, 100, 120)), particles.subset([0]), 8)
