import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from generated_tables import assert_same, columns
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import ParticleTable, read_particles, write_mrc, write_particles

SIMPLE = """\
data_general
_note   kept

data_particles

loop_
_rlnTomoName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnCoordinateZ #4
_rlnClassNumber #5
_rlnAngleRot #6
TS_02 10.5 20.0 30.25 2 90.0
TS_01 1.0 2.0 3.0 1 -12.5
TS_02 7.0 8.0 9.0 0 0.0
"""


@pytest.fixture
def star(tmp_path):
    path = tmp_path / "particles.star"
    path.write_text(SIMPLE)
    return path


def test_reading(star):
    particles = read_particles(star)
    assert len(particles) == 3
    assert particles.coordinates.tolist() == [[30.25, 20.0, 10.5], [3.0, 2.0, 1.0], [9.0, 8.0, 7.0]]
    assert particles.tomogram_names.tolist() == ["TS_02", "TS_01", "TS_02"]
    assert particles.class_numbers.tolist() == [2, 1, 0]


def test_writing_classes_keeps_everything_else(star, tmp_path):
    particles = read_particles(star)
    out = tmp_path / "out.star"
    probabilities = [[0.1, 0.9], [0.7, 0.3], [0.5, 0.5]]
    write_particles(out, particles, class_numbers=[2, 1, 1], probabilities=probabilities)
    again = read_particles(out)
    assert again.class_numbers.tolist() == [2, 1, 1]
    assert again.table["rlnMaxValueProbDistribution"].tolist() == [0.9, 0.7, 0.5]
    assert again.table["sksubtomoProbability1"].tolist() == [0.1, 0.7, 0.5]
    assert again.table["sksubtomoProbability2"].tolist() == [0.9, 0.3, 0.5]
    kept = ["rlnTomoName", "rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ", "rlnAngleRot"]
    assert again.table[kept].equals(particles.table[kept])
    assert again.blocks["general"] == {"note": "kept"}
    assert particles.class_numbers.tolist() == [2, 1, 0]


def test_round_trip_of_an_untouched_table(star, tmp_path):
    particles = read_particles(star)
    write_particles(tmp_path / "out.star", particles)
    assert read_particles(tmp_path / "out.star").table.equals(particles.table)


def test_subset_keeps_columns_and_blocks(star, tmp_path):
    part = read_particles(star).subset([2, 0])
    write_particles(tmp_path / "part.star", part)
    again = read_particles(tmp_path / "part.star")
    assert again.coordinates.tolist() == [[9.0, 8.0, 7.0], [30.25, 20.0, 10.5]]
    assert again.blocks["general"] == {"note": "kept"}
    assert len(read_particles(star).subset(np.array([True, False, True]))) == 2


def test_missing_columns_are_none(tmp_path):
    (tmp_path / "a.star").write_text(
        "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n1 2 3\n4 5 6\n"
    )
    particles = read_particles(tmp_path / "a.star")
    assert particles.tomogram_names is None
    assert particles.class_numbers is None


def test_failed_write_leaves_the_old_file(star, monkeypatch):
    particles = read_particles(star)

    def fail_in_the_middle(blocks, path):
        path.write_text("data_part")
        raise OSError("disk full")

    monkeypatch.setattr("sksubtomo.io._star.write_star", fail_in_the_middle)
    with pytest.raises(OSError, match="disk full"):
        write_particles(star, particles, class_numbers=[1, 1, 1], overwrite=True)
    assert star.read_text() == SIMPLE
    assert [path.name for path in star.parent.iterdir()] == ["particles.star"]
    with pytest.raises(FileExistsError):
        write_particles(star, particles)


HEADER = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad.star"),
        ("no star at all\n", "bad.star"),
        ("data_\nloop_\n_rlnAngleRot\n1\n2\n", "no particle coordinates"),
        (HEADER + "1 2 x\n3 4 y\n", "text in the column rlnCoordinateZ"),
        (HEADER + "1 2 nan\n3 4 5\n", "missing or not finite"),
        (HEADER + "1 2\n3 4 5\n", "line 6 has 2 fields for 3 columns"),
        (HEADER + "_rlnOriginXAngst\n1 2 3 4.5\n1 2 3 0\n", "shifts .* by rlnOriginXAngst"),
        (
            HEADER + "_rlnCenteredCoordinateXAngst\n1 2 3 4\n1 2 3 0\n",
            "coordinates of several kinds",
        ),
        (HEADER + "_rlnClassNumber\n1 2 3 1.5\n1 2 3 1\n", "not whole numbers"),
        (
            HEADER.replace("data_", "data_a")
            + "1 2 3\n1 2 3\n\n"
            + HEADER.replace("data_", "data_b")
            + "1 2 3\n1 2 3\n",
            "several blocks",
        ),
    ],
)
def test_refused_files_name_themselves(tmp_path, text, message):
    (tmp_path / "bad.star").write_text(text)
    with pytest.raises(FileFormatError, match=message) as error:
        read_particles(tmp_path / "bad.star")
    assert "bad.star" in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*missing.star"):
        read_particles(tmp_path / "missing.star")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"class_numbers": [1, 2]}, r"shape \(2,\) do not suit 3 particles"),
        ({"class_numbers": [1, -1, 2]}, "whole numbers from 1"),
        ({"class_numbers": [1.0, 1.0, 2.0]}, "whole numbers from 1"),
        ({"probabilities": [0.5, 0.5, 0.5]}, r"shape \(3,\) do not suit 3 particles"),
        ({"probabilities": [[], [], []]}, r"shape \(3, 0\) do not suit 3 particles"),
        ({"probabilities": [[1.0, 0.0]] * 3, "probability_classes": [2, 2]}, "2 different"),
        ({"probabilities": [[1.0, 0.0]] * 3, "probability_classes": [1]}, "2 different"),
        ({"probability_classes": [1, 2]}, "of no use without"),
    ],
)
def test_bad_predictions_write_nothing(star, tmp_path, params, message):
    with pytest.raises(ValueError, match=message):
        write_particles(tmp_path / "out.star", read_particles(star), **params)
    assert not (tmp_path / "out.star").exists()


def test_without_pandas_the_extra_is_named(star, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'sksubtomo\[data\]'"):
        read_particles(star)


@pytest.mark.parametrize("ending", [".star", ".csv"])
def test_probabilities_replace_those_of_an_earlier_run(tmp_path, ending):
    table = pd.DataFrame({"rlnTomoName": ["001", "1e5"], "note": ["a", "b"]}, index=[7, 7])
    columns = ["x", "y", "z"] if ending == ".csv" else [f"rlnCoordinate{axis}" for axis in "XYZ"]
    table[columns] = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    path, again = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    first = [[0.2, 0.5, 0.3], [1 / 3, 1 / 3, 1 / 3]]
    write_particles(path, ParticleTable({"particles": table}, "particles"), probabilities=first)
    second = [[0.9, 0.1], [0.25, 0.75]]
    write_particles(again, read_particles(path), probabilities=second, probability_classes=[4, 2])
    expected = table.reset_index(drop=True).assign(
        rlnMaxValueProbDistribution=[0.9, 0.75],
        sksubtomoProbability4=[0.9, 0.25],
        sksubtomoProbability2=[0.1, 0.75],
    )
    pd.testing.assert_frame_equal(read_particles(again).table, expected)


PLACES = {"rlnCoordinateX": [1.0, 2.0], "rlnCoordinateY": [3, 4], "rlnCoordinateZ": [5.5, 6.5]}


@pytest.mark.parametrize("ending", [".star", ".csv"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_round_trip_is_lossless(tmp_path_factory, ending, data):
    rows = data.draw(st.integers(0, 4))
    table = pd.DataFrame(
        {column: np.arange(rows) + 5.1 for column in PLACES} | data.draw(columns(rows))
    )
    blocks = {"particles": table}
    if ending == ".star":
        optics = pd.DataFrame({"rlnOpticsGroupName": ["a b"], "rlnVoltage": [0.1 + 0.2]})
        blocks = {"general": {"rlnVoltage": 1 / 3, "rlnOpticsGroup": 2}, "optics": optics} | blocks
    path = tmp_path_factory.mktemp("lossless") / f"a{ending}"
    write_particles(path, ParticleTable(blocks, "particles"))
    again = read_particles(path)
    assert list(again.blocks) == list(blocks)
    assert_same(again.table, table)
    assert again.coordinates.tolist() == table[list(PLACES)[::-1]].astype(float).values.tolist()
    if ending == ".star":
        assert again.blocks["general"] == blocks["general"]
        assert_same(again.blocks["optics"], optics)


@pytest.mark.parametrize("column", ["rlnTomoName", "tomo", "rlnTomoParticleId"])
def test_names_of_digits_stay_text(tmp_path, column):
    table = pd.DataFrame({column: ["001", "010"], **PLACES})
    write_particles(tmp_path / "a.star", ParticleTable({"": table}, ""))
    particles = read_particles(tmp_path / "a.star")
    pd.testing.assert_frame_equal(particles.table, table)
    if column != "rlnTomoParticleId":
        assert particles.tomogram_names.tolist() == ["001", "010"]


@pytest.mark.parametrize("ending", [".star", ".csv"])
@pytest.mark.parametrize("name", ["a\tb", "a\nb", "\x1b"])
def test_text_that_would_not_come_back_is_refused(tmp_path, name, ending):
    path = tmp_path / f"a{ending}"
    table = pd.DataFrame({"rlnTomoName": [name, "b"], **PLACES})
    with pytest.raises(ValueError, match=rf"a{ending}.*no way to say .* in rlnTomoName"):
        write_particles(path, ParticleTable({"": table}, ""))
    assert not list(tmp_path.iterdir())


def test_labels_with_white_space_are_refused(tmp_path):
    table = pd.DataFrame({"my score": [1, 2], **PLACES})
    with pytest.raises(ValueError, match=r"a.star.*'my score' has white space"):
        write_particles(tmp_path / "a.star", ParticleTable({"": table}, ""))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["data_empty\n\n" + SIMPLE, SIMPLE.replace("loop_", "_single 1\nloop_"), SIMPLE * 2]
)
def test_parts_that_would_be_lost_are_refused(tmp_path, text):
    (tmp_path / "a.star").write_text(text)
    with pytest.raises(FileFormatError, match=r"a.star.*an empty block, two blocks of one name"):
        read_particles(tmp_path / "a.star")


@pytest.mark.parametrize("ending", [".star", ".csv", ".coords", ".tbl", ".json"])
def test_a_table_without_rows_is_one(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    head = {".star": HEADER, ".csv": "x,y,z\n", ".json": '{"points": []}'}
    path.write_text(head.get(ending, ""))
    particles = read_particles(path, pixel_size_angstrom=1.0)
    assert (len(particles), particles.coordinates.shape) == (0, (0, 3))
    if ending == ".json":
        return
    write_particles(tmp_path / f"b{ending}", particles)
    again = read_particles(tmp_path / f"b{ending}")
    assert list(again.table) == list(particles.table)


def test_particles_without_a_tomogram_name_their_row(tmp_path):
    text = SIMPLE.replace("TS_01 1.0", "<NA> 1.0")
    (tmp_path / "a.star").write_text(text)
    with pytest.raises(FileFormatError, match=r"a.star .*row 2 \(line 14\) has no rlnTomoName"):
        read_particles(tmp_path / "a.star")


@pytest.mark.parametrize("key", [1, "1"])
def test_tomograms_of_numbers_are_mapped(tmp_path, key):
    write_mrc(tmp_path / "TS_01.mrc", np.zeros((20, 30, 40), dtype=np.float32), 10.0)
    row = [1, 1, 0, *[0] * 16, 1, 1, 3, 0, 11, 12, 13, *[0] * 9]
    (tmp_path / "a.tbl").write_text(" ".join(map(str, row)) + "\n")
    header = "".join(f"_{name}\n" for name in ("tomo_num", "orig_x", "orig_y", "orig_z"))
    (tmp_path / "a.star").write_text(f"data_stopgap_motivelist\nloop_\n{header}1 11 12 13\n")
    for name in ("a.tbl", "a.star"):
        particles = read_particles(tmp_path / name, tomograms={key: tmp_path / "TS_01.mrc"})
        assert particles.coordinates.tolist() == [[12, 11, 10]]
        assert particles.tomogram_files == {"1": tmp_path / "TS_01.mrc"}


def test_binary_files_are_told_and_not_quoted(tmp_path):
    write_mrc(tmp_path / "a.mrc", np.zeros((50, 50, 50), dtype=np.float32), 10.0)
    with pytest.raises(FileFormatError, match="a.mrc is an MRC volume, not a table") as error:
        read_particles(tmp_path / "a.mrc")
    assert len(str(error.value)) < 300
    (tmp_path / "a.star").write_text("x" * 100_000)
    with pytest.raises(FileFormatError, match="line 1 stands before") as error:
        read_particles(tmp_path / "a.star")
    assert len(str(error.value)) < 300


def test_a_repaired_file_is_read_anew(star):
    star.write_text(SIMPLE.replace("30.25 2 90.0", "30.25 2"))
    with pytest.raises(FileFormatError):
        read_particles(star)
    star.write_text(SIMPLE)
    assert len(read_particles(star)) == 3


def test_real_particles(shared_data):
    particles = read_particles(shared_data / "real/microtubules/particles.star")
    assert len(particles) == 380
    assert set(particles.tomogram_names) == {"13pf_MT", "14pf_MT"}
    assert set(particles.class_numbers) == {1, 2}
    assert np.array_equal(particles.coordinates[0], [14.92, 133.12, 14.44])


def test_shifted_particles_are_refused(shared_data):
    with pytest.raises(FileFormatError, match="rlnOriginXAngst"):
        read_particles(shared_data / "star/portal/relion_4_star.star")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_tables_give_particles_or_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.star"
    whole = bytearray(SIMPLE.encode())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    path.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            particles = read_particles(path)
            assert np.isfinite(particles.coordinates).all()
            outcome = str(particles.class_numbers)
        except FileFormatError as error:
            outcome = str(error) if "a.star" in str(error) else ""
    assert outcome
    assert path.read_bytes() == damaged
    assert [file.name for file in path.parent.iterdir()] == ["a.star"]
