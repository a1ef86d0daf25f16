import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import SubtomogramStack, make_particle_table, read_tomogram_map, write_mrc


@pytest.fixture
def project(tmp_path):
    for name in ("a/tomogram.mrc", "b/tomogram.mrc"):
        (tmp_path / name).parent.mkdir()
        write_mrc(tmp_path / name, np.zeros((20, 20, 20), dtype=np.float32), 10.0)
    return tmp_path


MAPS = {
    "spaces.txt": "1 a/tomogram.mrc\nTS_02   b/tomogram.mrc\n",
    "headings.txt": "# ours\n\nname file\n1 a/tomogram.mrc\nTS_02 b/tomogram.mrc",
    "tabs.txt": "1\ta/tomogram.mrc\nTS_02\tb/tomogram.mrc\n",
    "commas.csv": "tomogram,path\n1,a/tomogram.mrc\nTS_02, b/tomogram.mrc\n",
    "mark.csv": '\ufeff1,a/tomogram.mrc\r\n"TS_02",b/tomogram.mrc\r\n',
    "two.star": "data_\n\nloop_\n_rlnMicrographName\n_rlnTomoReconstructedTomogram\n"
    "1 a/tomogram.mrc\nTS_02 b/tomogram.mrc\n",
    "relion.star": "data_global\n\nloop_\n_rlnTomoName\n_rlnTomoHand\n"
    '_rlnTomoReconstructedTomogram\n1 1 a/tomogram.mrc\nTS_02 1 b/tomogram.mrc\nTS_03 1 ""\n',
}


@pytest.mark.parametrize("name", MAPS)
def test_two_columns(project, name):
    (project / name).write_text(MAPS[name], encoding="utf-8")
    assert read_tomogram_map(project / name) == {
        "1": project / "a/tomogram.mrc",
        "TS_02": project / "b/tomogram.mrc",
    }


def test_files_with_equal_names_are_told_apart(project):
    (project / "map.txt").write_text(MAPS["spaces.txt"])
    table = make_particle_table([[9, 9, 9], [10, 10, 10]], tomogram_names=["TS_02.tomostar", "1"])
    files = read_tomogram_map(project / "map.txt")
    stack = SubtomogramStack.from_particles(table, files, 8)
    assert [path.parent.name for path in stack._paths] == ["b", "a"]
    assert stack.tomogram_index.tolist() == [0, 1]


def test_files_may_be_named_without_their_folder(project):
    (project / "deep").mkdir()
    (project / "a/tomogram.mrc").rename(project / "deep/TS_05.mrc")
    (project / "map.txt").write_text("5 TS_05.mrc\n")
    given = [project / "deep/TS_05.mrc"]
    assert read_tomogram_map(project / "map.txt", tomograms=given) == {"5": given[0]}


def test_names_with_spaces(project):
    (project / "a/tomogram.mrc").rename(project / "a/my tomogram.mrc")
    (project / "map.csv").write_text("my run 5,a/my tomogram.mrc\n")
    assert read_tomogram_map(project / "map.csv") == {"my run 5": project / "a/my tomogram.mrc"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 a/tomogram.mrc\n2\n", "has 1 fields? in line 2"),
        ("1 a/tomogram.mrc b\n", "has 3 fields in line 1"),
        ("1,\n", "has 2 fields in line 1|each line must be a name and a file"),
        ("1 a/tomogram.mrc\n1 b/tomogram.mrc\n", "names '1' again in line 2"),
        ("1 a/tomogram.mrc\n2 a/tomogram.mrc\n", "'1' and '2' would both be read from .*tomogram"),
        ("1 a/none.mrc\n", "names in line 1 the file 'a/none.mrc', which is not found"),
        ("1 a\n", "names in line 1 the file 'a', which is not found"),
        ("# nothing\n", "names no tomogram"),
        ("1 a\0b\n", "is a binary file, not a map of tomograms"),
    ],
)
def test_bad_maps(project, text, message):
    (project / "map.txt").write_text(text)
    with pytest.raises(FileFormatError, match=f"map.txt.*({message})"):
        read_tomogram_map(project / "map.txt")


def test_bad_star_maps(project):
    (project / "map.star").write_text("data_\n\nloop_\n_a\n_b\n_c\n1 2 3\n")
    with pytest.raises(FileFormatError, match=r"map.star has 0 blocks that say"):
        read_tomogram_map(project / "map.star")
    with pytest.raises(FileNotFoundError, match=r"none.star"):
        read_tomogram_map(project / "none.star")
