"""Columns of candidates: the picker's score and the like."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

# A tomogram's own center counts half with so many candidates.
_COMMON_CANDIDATES = 10
# From the median, in ranges of the middle half of a column: no score is farther off.
_FARTHEST = 1e4


class Columns(NamedTuple):
    """Columns of candidates, and their names where they have any."""

    values: NDArray[np.float64]
    names: list[str] | None


def check_covariates(covariates: Any, n_samples: int) -> Columns:
    """Return the columns of candidates as numbers; none where there are none.

    Raises
    ------
    ValueError
        If they are no finite numbers, or not one row a candidate.
    """
    if covariates is None:
        return Columns(np.empty((n_samples, 0)), None)
    names = getattr(covariates, "columns", None)
    if np.ndim(covariates) == 1:
        name = getattr(covariates, "name", None)
        names = None if name is None else [str(name)]
        covariates = np.asarray(covariates).reshape(-1, 1)
    values = check_array(
        covariates, dtype=np.float64, ensure_min_samples=0, input_name="covariates"
    )
    if len(values) != n_samples:
        raise ValueError(
            f"covariates has {len(values)} rows, but there are {n_samples} candidates in X."
        )
    return Columns(values, None if names is None else [str(name) for name in names])


def check_no_placeholders(columns: Columns) -> None:
    """Refuse a number that stands for a missing one, such as 1e30 or -1e9 among scores near 1.

    The spread of the column would be that of such numbers, beside which others are all the same.

    Raises
    ------
    ValueError
        If a number is farther from the median than ten thousand times the range of the middle half.
    """
    if not columns.values.size:
        return
    # Of the largest numbers that there are, differences are none.
    with np.errstate(over="ignore", invalid="ignore"):
        quartiles = np.quantile(columns.values, [0.25, 0.5, 0.75], axis=0)
        spread = quartiles[2] - quartiles[0]
        far = np.abs(columns.values - quartiles[1]) > _FARTHEST * spread
    rows, which = np.nonzero(far & (spread > 0))
    if not len(rows):
        return
    row, column = rows[0], which[0]
    name = f"{column}" if columns.names is None else repr(columns.names[column])
    raise ValueError(
        f"covariates has {columns.values[row, column]:g} in row {row} of column {name}, whose "
        f"median is {quartiles[1, column]:g}: {len(rows)} such number(s) may stand for missing "
        "ones. Leave these candidates out, or fill in the median."
    )


def check_same_columns(given: Columns, names: list[str] | None, n_columns: int) -> None:
    """Refuse other columns than those of the fit.

    Raises
    ------
    ValueError
        If their number or their names differ.
    """
    if given.values.shape[1] != n_columns:
        raise ValueError(
            f"There are {given.values.shape[1]} covariates, but CandidateClassifier was fitted "
            f"with {n_columns}. Pass the same columns as covariates=."
        )
    if names is not None and given.names is not None and names != given.names:
        raise ValueError(
            f"covariates has the columns {given.names}, but CandidateClassifier was fitted with "
            f"{names}, in this order."
        )


def check_tomograms(tomograms: Any, n_samples: int) -> NDArray | None:
    """Return the tomogram of each candidate as strings; 1.0 is 1.

    Raises
    ------
    ValueError
        If one is missing, or not one a candidate is given.
    """
    if tomograms is None:
        return None
    names = np.asarray(tomograms)
    if names.shape != (n_samples,):
        raise ValueError(
            f"tomograms has the shape {names.shape}, but must name one for each of the "
            f"{n_samples} candidates in X."
        )
    # Neither None nor NaN; of what pandas has for both, not even a comparison is true.
    is_named = np.array([one is not None and (one == one) is True for one in names.tolist()])
    if not is_named.all():
        missing = np.flatnonzero(~is_named)
        raise ValueError(
            f"tomograms has no name in {len(missing)} rows, the first of which is {missing[0]}. "
            "Name the tomogram of each candidate, or leave these candidates out."
        )
    if names.dtype.kind == "f" and (names == np.trunc(names)).all() and np.isfinite(names).all():
        # Whole numbers, as a column has them that has passed through one with missing values.
        names = names.astype(np.int64)
    return names.astype(str)


def check_same_offsets(names: NDArray | None, offsets: dict[str, NDArray[np.float64]]) -> None:
    """Refuse tomograms where the fit had none, and the other way round.

    Raises
    ------
    ValueError
        If so: features would be relative to something else.
    """
    if names is None and offsets:
        raise ValueError(
            "CandidateClassifier was fitted with tomograms=, relative to whose medians candidates "
            "are judged. Pass the tomogram of each candidate."
        )
    if names is not None and not offsets:
        raise ValueError(
            "CandidateClassifier was fitted without tomograms=. Leave them out, or fit with them."
        )


def offsets_of(
    features: NDArray[np.float64], tomograms: NDArray, center: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return by how much the medians of tomograms are off the common one, shrunk to it."""
    offsets = {}
    for name in np.unique(tomograms):
        own = features[tomograms == name]
        trust = len(own) / (len(own) + _COMMON_CANDIDATES)
        offsets[str(name)] = trust * (np.median(own, axis=0) - center)
    return offsets
