from sksubtomo._utils._messages import listed, plural, shorten


def test_short_text_stays():
    assert shorten("TS_1.mrc is compressed.") == "TS_1.mrc is compressed."


def test_long_text_keeps_its_beginning_and_its_end():
    short = shorten(f"What is wrong. {'x' * 10**6} What to do.", 100)
    assert len(short) == 100
    assert short.startswith("What is wrong.")
    assert short.endswith("What to do.")


def test_text_is_one_line_that_can_be_printed():
    assert shorten("a\n b\x00\x1b[31m\x07") == r"a b\x00\x1b[31m\x07"
    assert len(shorten("\x00" * 10**6, 100)) == 100


def test_plurals():
    assert [plural(n, "particle") for n in (0, 1, 2)] == [
        "0 particles",
        "1 particle",
        "2 particles",
    ]
    assert plural(2, "box", "boxes") == "2 boxes"


def test_lists_are_cut():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(range(8), 2) == "'0', '1' and 6 more"
    assert len(listed(["x" * 10**5] * 9)) < 500
