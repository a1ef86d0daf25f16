"""Columns of candidates, as a user gives them."""

import numpy as np
import pytest

from sksubtomo.semi_supervised._candidate_columns import (
    check_covariates,
    check_no_placeholders,
    check_same_columns,
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


@pytest.mark.parametrize(
    "columns",
    [
        SCORES,
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
