import numpy as np
import pandas as pd
import pytest
from generated_tables import FLOATS, INTEGERS, TEXT_TYPE, assert_same, column, columns
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles
from sksubtomo.io._separated import (
    check_separated,
    read_csv,
    read_spaced,
    row_lines,
    write_csv,
    write_spaced,
)

WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1).filter(
    lambda text: text.split() == [text]
)


def read(tmp_path, text, name="a.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_csv(tmp_path / name) if name == "a.csv" else read_spaced(tmp_path / name)


def test_fields_of_csv(tmp_path):
    table = read(tmp_path, '\ufeffname, x,"a, b"\r\n"1",1.5,\r\n\r\nb ,,"say ""c"""\r\n')
    assert table["name"].tolist() == ["1", "b"]
    np.testing.assert_array_equal(table["x"], [1.5, np.nan])
    assert table["a, b"].isna().tolist() == [True, False]
    assert table["a, b"][1] == 'say "c"'
    assert row_lines(tmp_path / "a.csv") == [2, 4]
    # Where everything is in quotes, numbers are, too.
    assert read(tmp_path, '"x","y"\n"1","2.5"\n')["x"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y,z\n1,2,3\n1,2\n", "line 3 has 2 fields for 3 columns"),
        ("x,y,z\n1,2,3\n\n1,2,3,\n", "line 4 has 4 fields for 3 columns"),
        ('x,y\n1,"2\n', "line 2 has a quote that is not closed"),
        ('x,y\n1,"2" 3\n', "line 2 has a quote that is not closed, or goes on"),
        ("x,x\n1,2\n", "line 1 names a column twice"),
        ("\n", "it is empty"),
    ],
)
def test_rows_of_csv_are_strict(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_rows_of_dynamo_are_strict(tmp_path):
    row = " ".join(map(str, range(35)))
    table = read(tmp_path, f"{row}\n{row}\n", "a.tbl")
    assert (table["x"].tolist(), table["tomo"].tolist()) == ([23, 23], [19, 19])
    with pytest.raises(ValueError, match="line 3 has 36 fields for 35 columns"):
        read(tmp_path, f"{row}\n\n{row} 1\n", "a.tbl")
    with pytest.raises(ValueError, match="line 2 has 34 fields for 35 columns"):
        read(tmp_path, f"{row}\n{row[:-3]}\n", "a.tbl")
    long = read(tmp_path, " ".join(map(str, range(44))), "a.tbl")
    assert long.columns[-3:].tolist() == ["eig2", "column43", "column44"]


def test_rows_of_coordinates_are_strict(tmp_path):
    (tmp_path / "a.coords").write_text("1 2 3\n4 5\n")
    with pytest.raises(ValueError, match="line 2 has 2 fields for 3 columns"):
        read_spaced(tmp_path / "a.coords", ["x", "y", "z"])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_csv_that_is_written_is_read_again(tmp_path_factory, data):
    n_rows = data.draw(st.integers(0, 4))
    table = pd.DataFrame({"x,y": np.arange(n_rows) + 0.5} | data.draw(columns(n_rows)))
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    check_separated(path, table)
    write_csv(table, path)
    assert_same(read_csv(path), table)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spaced_tables_that_are_written_are_read_again(tmp_path_factory, data):
    n_rows = data.draw(st.integers(0, 4))
    table = pd.DataFrame(
        {
            "tag": np.array(data.draw(column(INTEGERS, n_rows)), dtype=np.int64),
            "dx": np.array(data.draw(column(FLOATS, n_rows)), dtype=np.float64),
            "daxis": pd.Series(data.draw(column(WORDS, n_rows)), dtype=TEXT_TYPE),
        }
    )
    path = tmp_path_factory.mktemp("spaced") / "a.tbl"
    try:
        check_separated(path, table)
    except ValueError:
        # Text that would need quotes.
        assume(False)
    write_spaced(table, path)
    assert_same(read_spaced(path, list(table)), table)


@pytest.mark.parametrize("text", ["a b", "", "nan", "1"])
def test_text_that_needs_quotes_is_refused_without_them(tmp_path, text):
    with pytest.raises(ValueError, match="no way to say .* without quotes, in a of the table"):
        check_separated(tmp_path / "a.tbl", pd.DataFrame({"a": [text, text]}))
    with pytest.raises(ValueError, match="in a line, in a of the table"):
        check_separated(tmp_path / "a.csv", pd.DataFrame({"a": ["x\ny"]}))


@pytest.mark.parametrize(("ending", "mark"), [(".csv", ","), (".tbl", " ")])
def test_tables_of_more_columns_than_any_has_are_refused_at_once(tmp_path, ending, mark):
    """A million columns took a minute."""
    path = tmp_path / f"a{ending}"
    rows = [mark.join(f"{start}{n}" for n in range(5001)) for start in "ab"]
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(FileFormatError, match=r"line 1 has 5001 columns; at most 5000 are read"):
        read_particles(path)
