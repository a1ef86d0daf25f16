import pytest
from bead_tables import RELION_PIXELS, star

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles


@pytest.mark.parametrize("case", ["missing", "not finite", "larger", "text"])
def test_coordinates_that_are_none_name_row_and_line(tmp_path, case):
    value = {"missing": "nan", "not finite": "inf", "larger": "1e30", "text": "abc"}[case]
    text = star(RELION_PIXELS, [1, 2, 3]).replace("\nTS_01 1 2 3\n", f"\nTS_01 1 {value} 3\n", 1)
    (tmp_path / "a.star").write_text("# comment\n\n" + text)
    with pytest.raises(FileFormatError, match=rf"a.star has .*{case}.*row 1 \(line 10\)"):
        read_particles(tmp_path / "a.star")
    (tmp_path / "a.csv").write_text(f"x,y,z\n1,2,3\n\n1,{value},3\n")
    with pytest.raises(FileFormatError, match=rf"a.csv has .*{case}.*row 2 \(line 4\)"):
        read_particles(tmp_path / "a.csv")
