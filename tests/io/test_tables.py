import pytest
from bead_tables import OTHER_FILES

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles, write_particles


def test_dynamo_has_its_own_columns(tmp_path):
    (tmp_path / "a.csv").write_text(OTHER_FILES["a.csv"][0])
    particles = read_particles(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="only a table of Dynamo"):
        write_particles(tmp_path / "b.tbl", particles)
    (tmp_path / "a.tbl").write_text(OTHER_FILES["a.tbl"][0])
    particles = read_particles(tmp_path / "a.tbl", shifts="ignore")
    with pytest.raises(ValueError, match="no column of probabilities"):
        write_particles(tmp_path / "b.tbl", particles, probabilities=[[1.0], [1.0]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.tbl"]
    with pytest.raises(FileFormatError, match=r"dz, dy, dx.*shifts='apply'"):
        read_particles(tmp_path / "a.tbl")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b\n1,2\n", "no particle coordinates"),
        ("a.csv", "", "cannot be read as a CSV file"),
        ("a.tbl", "1 2 3\n", "cannot be read as a table of Dynamo|no particle coordinates"),
        ("a.json", "{", "cannot be read as a copick file"),
        ("a.json", '{"points": [], "unit": "pixel"}', "its unit is 'pixel'"),
    ],
)
def test_bad_tables_other_than_star(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=rf"{name}.*({message})"):
        read_particles(tmp_path / name, pixel_size_angstrom=1.0)
