"""Generated tables, for what is written to be read again."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

# Everything but control characters and lone halves of characters, which no line of text can have.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
AWKWARD = st.sampled_from(
    [
        *("", " ", "nan", "NaN", "<NA>", "inf", "1", "001", "1e5", "1_000", "-0", "None", "null"),
        *(
            "it's",
            'say "a"',
            "a b",
            "#1",
            "a#1",
            "_a",
            "data_1",
            "loop_",
            ";",
            ",",
            "a,b",
            '"',
            "'",
        ),
        *("\u00e9\u4e2d", "\u00a0", "\u2028", "\u0661", "True", "1.5", "9" * 25),
    ]
)
# Of pandas 3, a type of its own; before, objects.
TEXT_TYPE = pd.Series(["text"]).dtype
FLOATS = st.floats(width=64)
INTEGERS = st.integers(-(2**63), 2**63 - 1)


def column(values, n_rows):
    return st.lists(values, min_size=n_rows, max_size=n_rows)


@st.composite
def columns(draw, n_rows):
    """Columns of text with missing values, floats and whole numbers."""
    text = st.one_of(TEXT, AWKWARD)
    missing = st.one_of(text, text, st.just(np.nan))
    return {
        "rlnTomoName": pd.Series(draw(column(text, n_rows)), dtype=TEXT_TYPE),
        "note": pd.Series(draw(column(missing, n_rows)), dtype=TEXT_TYPE),
        "rlnAngleRot": np.array(draw(column(FLOATS, n_rows)), dtype=np.float64),
        "rlnGroupNumber": np.array(draw(column(INTEGERS, n_rows)), dtype=np.int64),
    }


def assert_same(one, other):
    """Check that two tables are the same; without rows, types say nothing."""
    if len(other):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert list(one.columns) == list(other.columns)
    assert len(one) == len(other)
