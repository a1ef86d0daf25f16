import numpy as np
import pytest

from sksubtomo.cli import main
from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, write_mrc

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
