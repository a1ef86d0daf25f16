"""Columns of candidates, as a user gives them."""

import numpy as np
import pandas as pd
import pytest

from sksubtomo.semi_supervised._candidate_columns import (
    check_covariates,
    check_no_placeholders,
    check_same_columns,
    check_tomograms,
    offsets_of,
    shrinkage_of,
    usual_of,
)

SCORES = np.linspace(0.1, 0.9, 60)


@pytest.mark.parametrize("placeholder", [1e30, -1e9, -1e6])
def test_numbers_that_stand_for_missing_ones_are_refused(placeholder):
    pandas = pytest.importorskip("pandas")
    scores = np.where(np.arange(60) % 20 == 7, placeholder, SCORES)
    table = pandas.DataFrame({"distance": SCORES, "rlnLCCmax": scores})
    message = r"in row 7 of column 'rlnLCCmax', whose median is 0\.\d+: 3 such number"
    with pytest.raises(ValueError, match=message):
        check_no_placeholders(check_covariates(table, 60))


@pytest.mark.parametrize("n_missing", [1, 20, 50])
def test_nines_stand_for_missing_numbers(n_missing):
    scores = np.where(np.arange(60) < n_missing, -999, SCORES)
    with pytest.raises(ValueError, match=rf"-999 in row 0 .* {n_missing} such number"):
        check_no_placeholders(check_covariates(scores, 60))


def test_what_is_far_is_told_by_the_candidates_of_the_fit():
    usual = usual_of(check_covariates(SCORES, 60))
    for one in (-999, 1e30):
        given = check_covariates([one], 1)
        check_no_placeholders(given)
        with pytest.raises(ValueError, match=r"in row 0 of column 0, whose median is 0\.5"):
            check_no_placeholders(given, usual)
    check_no_placeholders(check_covariates([30.0], 1), usual)


@pytest.mark.parametrize(
    "columns",
    [
        SCORES,
        np.arange(940.0, 1000.0),
        np.full(60, -999.0),
        np.zeros(60),
        np.where(np.arange(60) == 3, 50.0, 0.0),  # of a flag, nobody knows what is far
        np.random.default_rng(0).standard_cauchy(60),
        1e305 * SCORES,
        1.7e308 * (2 * SCORES - 1),
    ],
)
def test_columns_with_outliers_are_not(columns):
    check_no_placeholders(check_covariates(columns, 60))


def test_a_series_has_the_name_of_its_column():
    pandas = pytest.importorskip("pandas")
    given = check_covariates(pandas.Series(SCORES, name="a"), 60)
    assert given.names == ["a"]
    check_same_columns(given, ["a"], 1)
    with pytest.raises(ValueError, match="columns"):
        check_same_columns(given, ["b"], 1)
    assert check_covariates(pandas.Series(SCORES), 60).names is None


@pytest.mark.parametrize("missing", [np.nan, np.inf, np.ma.masked])
@pytest.mark.parametrize("shape", [(60,), (60, 1)])
def test_missing_scores_are_named(missing, shape):
    scores = np.ma.array(SCORES.copy(), mask=False)
    scores[7] = missing
    with pytest.raises(ValueError, match="in row 7 of column 0, and 1 value in all"):
        check_covariates(scores.reshape(shape), 60)
    assert check_covariates(np.ma.array(SCORES), 60).values[7, 0] == SCORES[7]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a"] * 60, "covariates holds text"),
        (SCORES + 1j, "covariates holds complex numbers.$"),
        (np.array(["2020-01-01"] * 60, "datetime64[D]"), "must hold numbers"),
        (np.empty((60, 0)), r"its shape is \(60, 0\)"),
        (SCORES.reshape(60, 1, 1), r"its shape is \(60, 1, 1\)"),
        ({"score": SCORES}, r"its shape is \(\)"),
        (0.5, r"its shape is \(\)"),
        (SCORES[:59], "has 59 rows, but there are 60"),
    ],
)
def test_what_is_no_column_of_numbers_is_refused_in_few_words(columns, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_covariates(columns, 60)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_data_frames(library):
    frames = pytest.importorskip(library)
    given = check_covariates(frames.DataFrame({"a": SCORES, "b": np.arange(60) > 9}), 60)
    assert given.names == ["a", "b"]
    np.testing.assert_array_equal(given.values, np.column_stack([SCORES, np.arange(60) > 9]))


def test_masked_tomograms_are_missing():
    names = np.ma.array(["a"] * 60, mask=np.arange(60) == 5)
    with pytest.raises(ValueError, match="no name in 1 rows, the first of which is 5"):
        check_tomograms(names, 60)


@pytest.mark.parametrize("unit", [1.0, 1e200, 1e-200])
def test_a_large_offset_of_a_tomogram_is_taken_off_whole(unit):
    rng = np.random.default_rng(0)
    names = np.array(["a", "b", "c", "d"])[np.arange(80) % 4]
    scores = unit * rng.normal(size=(80, 1))
    for shift in (0.0, 100.0):
        shifted = scores + unit * shift * (names == "d")[:, np.newaxis]
        center = np.median(shifted, axis=0)
        shrinkage = shrinkage_of(shifted, names, center)
        offsets = offsets_of(shifted, names, center, shrinkage)
        relative = shifted - np.stack([offsets[name] for name in names])
        own, others = (np.median(relative[rows]) for rows in (names == "d", names != "d"))
        assert abs(own - others) < unit
        # Without offsets, medians of twenty candidates differ by chance.
        assert shrinkage == pytest.approx(10.0 if not shift else 0.0, abs=0.01)


def test_what_is_constant_within_tomograms_is_taken_off_whole():
    names = np.repeat(["a", "b"], 4)
    defocus = np.repeat([2.0, 3.0], 4)[:, np.newaxis]
    center = np.array([2.5])
    offsets = offsets_of(defocus, names, center, shrinkage_of(defocus, names, center))
    assert offsets == {"a": -0.5, "b": 0.5}
    flag = np.zeros((8, 1))
    assert shrinkage_of(flag, names, np.zeros(1)) == 10


@pytest.mark.parametrize("unit", [1.0, 1e200, 1e-200])
def test_a_new_tomogram_may_be_farther_off_than_those_of_the_fit(unit):
    """Of a single one, there is no telling by how much they differ."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(18, 1))
    spread, scores = unit * scores.std(axis=0), unit * scores
    for off, left in ((0, 0.4), (2, 0.4), (20, 0.1), (1000, 0.01), (-1000, 0.01)):
        shifted = scores - np.median(scores) + off * spread
        (offset,) = offsets_of(
            shifted, np.repeat("new", 18), np.zeros(1), np.array([10.0]), spread
        ).values()
        assert abs(off * spread[0] - offset[0]) <= left * spread[0]
    # A single candidate may as well be an unusual one, up to a point; with more, there is no cliff.
    for n, off, share in ((1, 3, 1 / 11), (1, 1000, 1), (9, 20, 1), (10, 20, 1)):
        (offset,) = offsets_of(
            np.full((n, 1), off * spread[0]),
            np.repeat("new", n),
            np.zeros(1),
            np.array([10.0]),
            spread,
        ).values()
        assert offset[0] == pytest.approx(share * off * spread[0], rel=0.03)


def test_tomograms_of_one_candidate_say_nothing_of_the_spread():
    """Each is its own median, as if all the spread were between tomograms."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 1))
    center = np.median(scores, axis=0)
    for names in (
        np.arange(300),
        np.arange(300) // 3,
        np.where(np.arange(300) < 250, np.arange(300), 300),
    ):
        assert shrinkage_of(scores, names.astype(str), center) == 10
    # What others have is not hidden by them.
    names = np.where(np.arange(300) < 100, np.arange(300), 300 + np.arange(300) % 4).astype(str)
    moved = scores + 50.0 * (names == "301")[:, np.newaxis]
    assert shrinkage_of(moved, names, center) < 0.01


def test_a_flag_has_no_offset():
    """Its median is 0 or 1 by chance."""
    names = np.repeat(["a", "b"], 50)
    flag = np.r_[np.arange(50) < 20, np.arange(50) < 30].astype(float)[:, np.newaxis]
    center, spread = np.zeros(1), np.full(1, 0.5)
    for levels in (flag, np.where(np.arange(100)[:, np.newaxis] % 10 == 3, 0.5, flag)):
        shrinkage = shrinkage_of(levels, names, center)
        assert offsets_of(levels, names, center, shrinkage) == {"a": 0, "b": 0}
        assert offsets_of(levels + 9, names, center, shrinkage, spread) == {"a": 0, "b": 0}


def test_no_features_have_no_shrinkage():
    names = np.repeat(["a", "b"], 10)
    assert shrinkage_of(np.empty((20, 0)), names, np.empty(0)).shape == (0,)


def test_names_of_tomograms_do_not_depend_on_others():
    rows = [0.5, 1.0, 2.0, 1e19]
    names = check_tomograms(rows, 4).tolist()
    assert names == ["0.5", "1", "2", "10000000000000000000"]
    assert check_tomograms([2.0], 1).tolist() == ["2"]
    values = [np.int64(3), np.float64(2), np.float32(2), "x", np.str_("y")]
    objects = pd.Series(values, dtype=object)
    assert check_tomograms(objects, 5).tolist() == ["3", "2", "2", "x", "y"]
    for missing in (None, float("nan"), pd.NA, pd.NaT, np.float64("nan")):
        with pytest.raises(ValueError, match="no name in 1 rows, the first of which is 1"):
            check_tomograms(np.array(["a", missing], dtype=object), 2)
