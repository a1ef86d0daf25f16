import numpy as np
import pytest

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles, write_particles

HEADER = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n_rlnClassNumber\n"


def read(tmp_path, *classes):
    rows = "".join(f"1 2 3 {number}\n" for number in classes)
    (tmp_path / "a.star").write_text(HEADER + rows)
    return read_particles(tmp_path / "a.star")


@pytest.mark.parametrize("missing", ["nan", "NaN", "<NA>"])
def test_a_missing_class_is_no_class(tmp_path, missing):
    particles = read(tmp_path, 2, missing, -1, 3.0)
    assert particles.class_numbers.tolist() == [2, 0, -1, 3]
    write_particles(tmp_path / "b.star", particles)
    again = read_particles(tmp_path / "b.star")
    assert again.table.equals(particles.table)
    assert np.isnan(again.table["rlnClassNumber"][1])


@pytest.mark.parametrize("wrong", ["inf", "1.5", "1e300", "-2", "100001", "-inf", "1e-9"])
def test_numbers_that_are_no_class_name_row_and_line(tmp_path, wrong):
    with pytest.raises(FileFormatError, match=r"a.star has rlnClassNumber .*row 3 \(line 9\) has"):
        read(tmp_path, 1, "nan", wrong, 2)


def test_text_names_row_and_line(tmp_path):
    with pytest.raises(FileFormatError, match=r"text .* rlnClassNumber.*row 2 \(line 8\) has 'x'"):
        read(tmp_path, 1, "x", 2)


def test_new_classes_are_within_the_same_bounds(tmp_path):
    particles = make_particle_table([[1, 2, 3]])
    write_particles(tmp_path / "a.star", particles, class_numbers=[100_000])
    with pytest.raises(ValueError, match="whole numbers from 1"):
        write_particles(tmp_path / "b.star", particles, class_numbers=[100_001])


def test_columns_of_other_programs(tmp_path):
    (tmp_path / "a.csv").write_text("index,axis-0,axis-1,axis-2,class\n0,1,2,3,2\n1,1,2,3,\n")
    particles = read_particles(tmp_path / "a.csv")
    assert particles.class_numbers.tolist() == [2, 0]
    write_particles(tmp_path / "b.csv", particles, class_numbers=[1, 3])
    assert read_particles(tmp_path / "b.csv").class_numbers.tolist() == [1, 3]


@pytest.mark.parametrize("missing", ["<NA>", "nan", '""'])
def test_a_column_without_any_class_is_unlabeled(tmp_path, missing):
    head = "".join(f"_rlnCoordinate{axis}\n" for axis in "XYZ")
    rows = f"50 40 30 {missing}\n" * 2
    path = tmp_path / "a.star"
    if missing == '""':
        path = tmp_path / "a.csv"
        path.write_text("x,y,z,rlnClassNumber\n50,40,30,\n51,40,30,\n")
    else:
        path.write_text(f"data_\n\nloop_\n{head}_rlnClassNumber\n{rows}")
    assert read_particles(path).class_numbers.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("value", "number"), [("99999999999999999999", None), ("02", 2), ('"3"', 3)]
)
def test_numbers_that_are_text_in_the_table(tmp_path, value, number):
    head = "".join(f"_rlnCoordinate{axis}\n" for axis in "XYZ")
    path = tmp_path / "a.star"
    path.write_text(f"data_\n\nloop_\n{head}_rlnClassNumber\n50 40 30 1\n50 40 30 {value}\n")
    if number is None:
        with pytest.raises(FileFormatError, match=r"row 2 \(line 9\) has 1e\+20"):
            read_particles(path)
        return
    assert read_particles(path).class_numbers.tolist() == [1, number]
    path.write_text(f"data_\n\nloop_\n{head}50 40 30\n50 40 {value}\n")
    assert read_particles(path).coordinates[:, 0].tolist() == [30, number]


def test_a_heading_in_a_file_of_coordinates_is_named(tmp_path):
    path = tmp_path / "a.coords"
    path.write_text("X Y Z\n50 40 30\n")
    with pytest.raises(FileFormatError, match=r"row 1 \(line 1\) has 'Z'. Remove the line of head"):
        read_particles(path)
