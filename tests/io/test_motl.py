import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import make_particle_table, read_particles, write_particles
from sksubtomo.io._motl import COLUMNS, check_motl, is_motl, read_motl, write_motl


def motl(n_particles=3):
    """Particles of the tomograms 1 and 12; centers at 1, 2, 3 and so on, counted from 0."""
    values = np.zeros((n_particles, 20))
    values[:, 3] = np.arange(n_particles) + 1
    values[:, 4] = np.where(np.arange(n_particles) % 2, 12, 1)
    values[:, 7:10] = np.arange(n_particles)[:, None] + [2, 3, 4]
    values[:, 19] = np.arange(n_particles) % 3
    return pd.DataFrame(values, columns=list(COLUMNS))


@pytest.mark.parametrize("name", ["a.em", "a.motl"])
def test_a_motive_list_is_told_by_its_bytes(tmp_path, name):
    write_motl(motl(), tmp_path / name)
    particles = read_particles(tmp_path / name)
    assert particles.coordinates.tolist() == [[3, 2, 1], [4, 3, 2], [5, 4, 3]]
    assert particles.tomogram_names.tolist() == ["1", "12", "1"]
    assert particles.class_numbers.tolist() == [0, 1, 2]


def test_shifts_are_added(tmp_path):
    table = motl()
    table[["x_shift", "z_shift"]] = [0.25, -0.5]
    write_motl(table, tmp_path / "a.em")
    with pytest.raises(FileFormatError, match=r"a.em shifts .* by z_shift, y_shift, x_shift"):
        read_particles(tmp_path / "a.em")
    shifted = read_particles(tmp_path / "a.em", shifts="apply").coordinates
    assert shifted[0].tolist() == [2.5, 2, 1.25]


def test_classes_go_back_and_nothing_else(tmp_path):
    write_motl(motl(), tmp_path / "a.em")
    particles = read_particles(tmp_path / "a.em")
    write_particles(tmp_path / "b.em", particles, class_numbers=[3, 2, 1])
    again = read_particles(tmp_path / "b.em")
    assert again.class_numbers.tolist() == [3, 2, 1]
    kept = [label for label in COLUMNS if label != "class"]
    assert again.table[kept].equals(particles.table[kept])
    with pytest.raises(ValueError, match="no place for other columns"):
        write_particles(tmp_path / "c.em", particles, probabilities=[[1.0]] * 3)
    with pytest.raises(ValueError, match="only a motive list"):
        write_particles(tmp_path / "c.em", make_particle_table([[1, 2, 3]]))
    write_particles(tmp_path / "c.star", particles, probabilities=[[1.0]] * 3)
    assert read_particles(tmp_path / "c.star").tomogram_names.tolist() == ["1", "12", "1"]


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(width=32), min_size=20, max_size=20), min_size=n, max_size=n
        )
    )
)
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    table = pd.DataFrame(np.array(rows).reshape(-1, 20), columns=list(COLUMNS))
    path = tmp_path_factory.mktemp("motl") / "a.em"
    check_motl(path, table)
    write_motl(table, path)
    pd.testing.assert_frame_equal(read_motl(path), table, check_exact=True)


@pytest.mark.parametrize("value", [0.1, 1e300, 2**24 + 1, "a"])
def test_what_is_no_float_of_32_bits_is_refused(tmp_path, value):
    table = motl(1).assign(score=[value])
    with pytest.raises(ValueError, match="a.em: score has what is no 32-bit float"):
        check_motl(tmp_path / "a.em", table)


def test_other_files_are_no_motive_lists(tmp_path):
    write_motl(motl(), tmp_path / "a.em")
    whole = (tmp_path / "a.em").read_bytes()
    for number, content in enumerate([b"", whole[:600], whole + b"1", b"\x06" + b"\0" * 2000]):
        (tmp_path / f"{number}.em").write_bytes(content)
        assert not is_motl(tmp_path / f"{number}.em")
        with pytest.raises(FileFormatError, match="cannot be read as a motive list") as error:
            read_particles(tmp_path / f"{number}.em")
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("value", [1.5, np.inf, 1e6, -2])
def test_absurd_classes_name_their_row(tmp_path, value):
    write_motl(motl().assign(**{"class": [1, value, 1]}), tmp_path / "a.em")
    with pytest.raises(FileFormatError, match=r"a.em has class .* whole numbers .*row 2 has"):
        read_particles(tmp_path / "a.em")
