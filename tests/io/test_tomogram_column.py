import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, write_mrc


@pytest.fixture
def write(tmp_path):
    """A function that writes a CSV file beside a tomogram TS_1."""
    write_mrc(tmp_path / "TS_1.mrc", np.zeros((60, 100, 120), np.float32), 10.0)

    def make(label, first="TS_1", second="TS_9"):
        text = f"{label},x,y,z\n{first},50,40,30\n{second},60,40,30\n"
        (tmp_path / "a.csv").write_text(text)
        return {"path": tmp_path / "a.csv", "tomograms": {"TS_1": tmp_path / "TS_1.mrc"}}

    return make


@pytest.mark.parametrize(
    "label", ["tomo_name", "tomogram", "tomo_id", "experiment", "Tomogram Name", "tilt-series"]
)
def test_usual_names_of_the_column_of_tomograms_are_known(write, label):
    particles = read_particles(**write(label))
    assert particles.tomogram_names.tolist() == ["TS_1", "TS_9"]
    assert list(particles.tomogram_files) == ["TS_1"]


def test_those_of_programs_go_before_the_usual_names(write):
    given = write("experiment,run_name", "a,b", "a,c")
    assert read_particles(given["path"]).tomogram_names.tolist() == ["b", "c"]


def test_text_that_may_name_tomograms_is_asked_about(write):
    given = write("where")
    with pytest.raises(FileFormatError, match=r"a.csv .*'where'.*rlnTomoName"):
        read_particles(**given)
    assert len(read_particles(given["path"])) == 2
    for label, first, second in (
        ("where", "TS_1", "TS_1"),
        ("label", "a", "b"),
        ("number", 1, 2),
        ("rlnImageName", "1@a", "2@a"),
    ):
        assert read_particles(**write(label, first, second)).tomogram_names is None


def test_points_of_four_axes_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("index,axis-0,axis-1,axis-2,axis-3\n0,0,30,40,50\n1,0,20,40,60\n")
    with pytest.raises(FileFormatError, match=r"a.csv has points of more than three axes \(axis-3"):
        read_particles(path)
