import re
import time

import numpy as np
import pandas as pd
import pytest
import starfile
from generated_tables import TEXT, TEXT_TYPE, assert_same, columns
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubtomo.exceptions import FileFormatError
from sksubtomo.io import read_particles
from sksubtomo.io._fields import MISSING
from sksubtomo.io._star import check_star, read_star, row_lines, write_star


def read(tmp_path, text):
    (tmp_path / "a.star").write_text(text, encoding="utf-8")
    return read_star(tmp_path / "a.star")


def written(blocks, path):
    check_star(path, blocks)
    write_star(blocks, path)
    return read_star(path)


@pytest.mark.parametrize("quick", [True, False])
def test_values_are_what_they_say(tmp_path, quick):
    text = (
        "# version 30001\n\ndata_general\n\n_note 'a b' # why\n_n 2\n_x 1e-3\n_rlnName 07\n\n"
        "data_particles\n\nloop_ \n_rlnTomoName #1\n _id #2\n_x\n_note #4\n\n"
        "TS_1.mrc\t001 1.0 a\n   2 2  -1e300 nan \n\n3 3 inf <NA>\n"
    )
    blocks = read(tmp_path, text if quick else text.replace(" a\n", ' "a"\n'))
    assert blocks["general"] == {"note": "a b", "n": 2, "x": 1e-3, "rlnName": "07"}
    table = blocks["particles"]
    assert table["rlnTomoName"].tolist() == ["TS_1.mrc", "2", "3"]
    # A number with leading zeros is a name, and makes its column text.
    assert table["id"].tolist() == ["001", "2", "3"]
    assert table["x"].tolist() == [1.0, -1e300, np.inf]
    assert table["note"].isna().tolist() == [False, True, True]
    assert row_lines(tmp_path / "a.star", "particles") == [18, 19, 21]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a 1 2\nb 1\nc 1 2\n", "line 7 has 2 fields for 3 columns"),
        ("a 1 2\nb 1 2 3\nc 1\n", "line 7 has 4 fields for 3 columns; so do 1 more"),
        ("a 1 2\n\n# of b\nb\t\t2\n", "line 9 has 2 fields for 3 columns"),
        ("a 1\n", "line 6 has 2 fields for 3 columns"),
        ("a 1 2\n'b 1 2\n", "line 7 has a quote that is not closed"),
        ("a 1 2\n_x 1\n", "line 7 begins with _ as labels do"),
        ("a 1 2\n_x 4 5\n", "line 7 begins with _ as labels do"),
        ("_x 4 5\n", "line 6 begins with _ as labels do"),
        ("a 1 2\nloop_\n_x\n1\n", "line 6: .* a loop beside a loop"),
    ],
)
def test_rows_of_other_lengths_are_refused_by_line(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, f"data_\nloop_\n_a\n_b\n_c\n{rows}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\ndata_\n_b 1\n", "line 1 stands before the first data block: 'a'"),
        ("data_\n_a\n", "line 2 is no label with one value"),
        ("data_\n_a 1 2\n", "line 2 is no label with one value"),
        ("data_\n_a 1\n_b 1\n_a 2\n", "line 4 names a a second time"),
        ("data_\nloop_\n_a\n_a\n1 2\n", "line 4 names a a second time"),
        ("data_\nloop_\n_a\n1\nloop_\n_b\n1\n", "a loop beside a loop"),
        ("data_\n_a 1\ndata_b\n\ndata_c\n_d 1\n", "line 3: it has an empty block"),
    ],
)
def test_what_is_no_star_file_is_refused_by_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_other_encodings_are_refused_by_line(tmp_path):
    (tmp_path / "a.star").write_bytes(b"data_\n_a 1\n_b \xe9\n")
    with pytest.raises(ValueError, match="line 3 is not text in UTF-8"):
        read_star(tmp_path / "a.star")


@pytest.mark.parametrize("digits", [19, 20, 400, 5000])
def test_whole_numbers_beyond_64_bits_are_text(tmp_path, digits):
    table = read(tmp_path, f"data_\nloop_\n_a\n_b\n1 2\n{'9' * digits} 2\n")[""]
    assert table["a"].tolist() == ["1", "9" * digits]
    assert table["b"].tolist() == [2, 2]


def test_names_that_look_like_the_beginning_of_a_block(tmp_path):
    table = read(tmp_path, "data_p\nloop_\n_file\n_x\ndata_1/a.mrc 1\ndata_2/b.mrc 2\n")["p"]
    assert table["file"].tolist() == ["data_1/a.mrc", "data_2/b.mrc"]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again(tmp_path_factory, data):
    n_rows = data.draw(st.integers(0, 4))
    table = pd.DataFrame(data.draw(columns(n_rows)))
    single = data.draw(columns(1))
    values = {label: one[0] for label, one in single.items() if not pd.isna(one[0])}
    blocks = {"general": {"rlnName": "a"} | values, "particles": table, "": table.iloc[:0]}
    path = tmp_path_factory.mktemp("star") / "a.star"
    again = written(blocks, path)
    assert list(again) == list(blocks)
    assert again["general"] == blocks["general"]
    assert_same(again["particles"], table)
    assert_same(again[""], table.iloc[:0])


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.one_of(st.just(np.nan), st.sampled_from(["1", "2.5", "nan", "<NA>", "a"])))
)
def test_text_of_numbers_stays_text(tmp_path_factory, values):
    table = pd.DataFrame(
        {"note": pd.Series(values, dtype=TEXT_TYPE), "x": np.arange(len(values)) + 0.5}
    )
    path = tmp_path_factory.mktemp("star") / "a.star"
    assert_same(written({"": table}, path)[""], table)


@settings(max_examples=100, deadline=None)
@given(text=TEXT.filter(lambda text: not set(text) & set("\"'#") and text.isprintable()))
def test_starfile_reads_the_same(tmp_path_factory, text):
    table = pd.DataFrame({"rlnGroupName": [f"a{text}b", "c d"], "x": [0.1, -1e-300]})
    path = tmp_path_factory.mktemp("star") / "a.star"
    written({"general": {"a": 1}, "particles": table}, path)
    theirs = starfile.read(path, always_dict=True)
    assert theirs["general"] == {"a": 1}
    assert theirs["particles"]["rlnGroupName"].tolist() == table["rlnGroupName"].tolist()
    np.testing.assert_allclose(theirs["particles"]["x"], table["x"], rtol=1e-15)


def test_text_like_a_label_is_text_in_quotes(tmp_path):
    for rows in ("'_x' 4 5\n", "1 4 5\n'_x' 4 5\n", "1 4 5\n'_x' '_b' \"\"\n"):
        block = read(tmp_path, f"data_\nloop_\n_a\n_b\n_c\n{rows}")[""]
        assert block["a"].iloc[-1] == "_x"
    assert read(tmp_path, "data_\nloop_\n_a\n'_x'\n''\n")[""]["a"].tolist() == ["_x", ""]


ROWS = [f"{row} {value!r} {row / 7:.6f} T{row} <NA>" for row, value in enumerate(range(-9, 9))]


@pytest.mark.parametrize(
    "more",
    [
        "",
        "19 1.5 1.5 \"T 1\" 'a b'",
        '19 1.5 1.5 T"1\'#a# b#"',
        '19 1.5 1.5 "a"b\' #c" \'d"\'  ',
        "\t19 1.5 1.5 \"\" ''",
        "19 '1.5' \"1.5\" \"nan\" '<NA>'",
        "'19' nan nan nan nan",
        "19 1.5 1.5 TÄ日 é",
        "19 1.5 1.5 T\xa01 é\xa0",
        "19 1.5 1.5 T\f a",
        "19 1.5 1.5 T\x02 a",
        "19 1.5 1.5 T 'a' # it's \"open",
        "19 1.5 1.5 T 'say \"a\"'",
        "19 1.5 1.5 T ' \"a\" '",
        "19 1.5 1.5 \"it's\" '\"'",
        "19 1.5 1.5 \"a #b\" '# c'",
        '19 1.5 1.5 "a""b" c',
        "# it's \"open\n \t# again",
        "19 1.5 1.5 \"T 1\" 'a b'\n# it's \"open\n\t # again",
        "19 1.5 1.5 T a#e\n\n# end",
        "١ ٢.٥ 1.5 T a",
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_quick_and_careful_reading_are_the_same(tmp_path, monkeypatch, more, first):
    lines = [more, *ROWS] if first else [*ROWS, more]
    text = "data_\nloop_\n_i\n_x\n_y\n_z\n_rlnTomoName\n" + "\n".join(lines)
    quick = read(tmp_path, text)[""]
    monkeypatch.setattr("sksubtomo.io._star.parse_spaced", lambda *_: None)
    assert_same(quick, read(tmp_path, text)[""])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.text("ab\"'#_ \t1.", max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    )
)
def test_quick_reading_takes_nothing_that_careful_reading_does_not(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("star") / "a.star"
    path.write_text("data_\nloop_\n_a\n_b\n" + "\n".join(map(" ".join, rows)))

    def outcome():
        try:
            return read_star(path)[""]
        except ValueError as error:
            return str(error)

    quick = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sksubtomo.io._star.parse_spaced", lambda *_: None)
        careful = outcome()
    if isinstance(careful, str):
        assert quick == careful
    else:
        assert_same(quick, careful)


def test_quotes_names_and_comments_do_not_make_reading_slow(tmp_path, monkeypatch):
    """Row by row, reading takes six times as long."""

    def fail(*_):
        raise AssertionError("read row by row")

    text = "data_\nloop_\n_i\n_x\n_y\n_z\n_rlnTomoName\n" + "\n".join(ROWS)
    more = "\n19 1.5 1.5 \"T 1\" 'a b' # c\n19 1.5 1.5 T#1 É'\n# end\n"
    monkeypatch.setattr("sksubtomo.io._star.transpose", fail)
    assert len(read(tmp_path, text + more)[""]) == len(ROWS) + 2


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\x00", "\ud800", "a\" b' c"])
def test_what_cannot_be_said_is_refused(tmp_path, text):
    table = pd.DataFrame({"rlnTomoName": pd.Series([text, "b"], dtype=object)})
    with pytest.raises(ValueError, match=r"a.star.*no way to say .* in rlnTomoName of the block"):
        check_star(tmp_path / "a.star", {"p": table})
    with pytest.raises(ValueError, match="white space in it; rename it"):
        check_star(tmp_path / "a.star", {"p": {"a b": 1}})


def test_missing_values_are_written_as_text(tmp_path):
    table = pd.DataFrame({"a": ["x", None], "b": [1.0, np.nan]})
    written({"p": table}, tmp_path / "a.star")
    assert (tmp_path / "a.star").read_text().split()[-4:] == ["x", "1.0", MISSING, "nan"]


def test_every_given_file_is_read_as_starfile_reads_it(shared_data):
    compared = 0
    for path in sorted((shared_data / "star").rglob("*.star")):
        theirs = starfile.read(path, always_dict=True, parse_as_string=["rlnTomoName"])
        ours = read_star(path)
        assert list(ours) == list(theirs)
        for name, block in ours.items():
            if not hasattr(block, "columns"):
                assert {label: str(value) for label, value in block.items()} == {
                    label: str(value) for label, value in theirs[name].items()
                }
                continue
            assert block.shape == theirs[name].shape
            for label in block:
                column = theirs[name][label]
                if block[label].dtype.kind in "iuf":
                    np.testing.assert_allclose(block[label], column.astype(float), rtol=1e-15)
                else:
                    expected = ["" if value != value else str(value) for value in column]
                    assert block[label].tolist() == expected
        compared += 1
    assert compared > 20


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Text of 200,000 rows as RELION 5 writes them."""
    rng = np.random.default_rng(0)
    n_rows = 200_000
    floats = {f"rlnFloat{number}": rng.normal(size=n_rows) for number in range(16)}
    whole = {f"rlnNumber{number}": rng.integers(1, 99, n_rows) for number in range(5)}
    names = {
        "rlnTomoName": np.array([f"TS_{number % 50:02d}" for number in range(n_rows)]),
        "rlnTomoParticleName": np.array([f"TS_1/{number}" for number in range(n_rows)]),
        "rlnTomoVisibleFrames": np.full(n_rows, f"[{','.join('01' * 20)}]"),
        "rlnImageName": np.array(
            [f"Extract/job1/{number}_stack2d.mrcs" for number in range(n_rows)]
        ),
    }
    path = tmp_path_factory.mktemp("large") / "a.star"
    write_star({"particles": pd.DataFrame(names | floats | whole)}, path)
    return path.read_text(), floats["rlnFloat3"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TS_{}", '"TS {}"', "'TS {}'", "TÄ_{}"])
def test_reading_takes_about_as_long_as_starfile_takes(tmp_path, large, name):
    """Compared in one run, by processor time.

    Rows with quotes or other letters took six times as long where they were read one by one.
    """
    text, expected = large
    path = tmp_path / "a.star"
    text = re.sub(r"\nTS_(\d\d)\t", lambda match: f"\n{name.format(match[1])}\t", text)
    path.write_text(text + "# it's the end\n", encoding="utf-8")

    def seconds(read):
        spent = []
        for _ in range(3):
            start = time.process_time()
            read(path)
            spent.append(time.process_time() - start)
        return min(spent)

    ours, theirs = seconds(read_star), seconds(lambda path: starfile.read(path, always_dict=True))
    assert ours < 2 * theirs, (ours, theirs)
    np.testing.assert_allclose(read_star(path)["particles"]["rlnFloat3"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("".join(f"data_b{k}\n_a 1\n\n" for k in range(20_000)), "20000 data blocks"),
        ("data_\nloop_\n" + "".join(f"_c{k}\n" for k in range(20_000)), "more than 5000 labels"),
    ],
)
def test_more_blocks_or_labels_than_any_program_writes_are_refused_at_once(tmp_path, text, message):
    path = tmp_path / "a.star"
    path.write_text(text)
    start = time.perf_counter()
    with pytest.raises(FileFormatError, match=rf"a\.star.*{message}"):
        read_particles(path)
    assert time.perf_counter() - start < 10


def test_many_small_blocks_are_read_as_one_by_one(tmp_path):
    """The quick way of long tables takes ten times as long for one row as for none."""
    row = "1 2.5 TS_1 'two words' <NA>\n"
    loop = "loop_\n_a\n_b\n_rlnTomoName\n_c\n_d\n"
    n_rows = 400
    others = "".join(f"data_{n}\n{loop}{row}\n" for n in range(200))
    text = f"{others}data_short\n{loop}{row}\ndata_long\n{loop}{row * n_rows}"
    (tmp_path / "a.star").write_text(text)
    blocks = read_star(tmp_path / "a.star")
    assert len(blocks["long"]) == n_rows
    assert blocks["short"].equals(blocks["long"].iloc[:1])
    assert blocks["short"].dtypes.equals(blocks["long"].dtypes)


@pytest.mark.parametrize("n_blocks", [5001, 20_000])
def test_more_blocks_than_are_in_use_are_refused_at_once(tmp_path, n_blocks):
    block = "data_{}\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\n"
    (tmp_path / "a.star").write_text("".join(block.format(n) for n in range(n_blocks)))
    with pytest.raises(ValueError, match=f"it has {n_blocks} data blocks; at most 5000 are read"):
        read_star(tmp_path / "a.star")
