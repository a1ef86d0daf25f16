"""Columns of candidates: the picker's score and the like."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sksubtomo._utils._arrays import as_array, without_data
from sksubtomo._utils._messages import plural
from sksubtomo._utils._rows import rows_by_name
from sksubtomo.semi_supervised._stacking import QUARTILE_OF_NORMAL

# A tomogram's own center counts half with so many candidates at most.
_COMMON_CANDIDATES = 10
# Fewer say nothing of the spread within a tomogram.
_LEAST_CANDIDATES = 4
# A feature of so few values has no offset.
_MOST_LEVELS = 5
# By how many standard deviations of one candidate a median of one may be off, and still be usual.
_MOST_BY_CHANCE = 3.0
# From the median, in ranges of the middle half of a column: no score is farther off.
_FARTHEST = 1e4
_FARTHEST_NINES = 20


# Median of each column, and the range of its middle half.
Usual = tuple[NDArray[np.float64], NDArray[np.float64]]


class Columns(NamedTuple):
    """Columns of candidates, and names of columns and rows where they have any."""

    values: NDArray[np.float64]
    names: list[str] | None
    rows: Any = None

    def row(self, number: Any) -> Any:
        """Return what a row is called."""
        return number if self.rows is None else self.rows[number]


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
    values = _numbers(covariates)
    if len(values) != n_samples:
        raise ValueError(
            f"covariates has {len(values)} rows, but there are {n_samples} candidates in X."
        )
    columns = Columns(
        values,
        None if names is None else [str(name) for name in names],
        covariates.index if hasattr(covariates, "iloc") else None,  # of pandas
    )
    rows, which = np.nonzero(~np.isfinite(values))
    if len(rows):
        raise ValueError(
            f"covariates has {values[rows[0], which[0]]:g} in row {columns.row(rows[0])} of column "
            f"{_named(columns, which[0])}, and {plural(len(rows), 'value')} in all that are NaN, "
            "infinite or masked. Leave these candidates out, or fill in the median."
        )
    return columns


def _numbers(covariates: Any) -> NDArray[np.float64]:
    """Return columns of numbers, NaN where they are missing or masked.

    Raises
    ------
    ValueError
        If they are of another shape or hold something else.
    """
    is_masked = bool(np.ma.is_masked(covariates))
    mask = np.ma.getmaskarray(covariates) if is_masked else False
    values = as_array(np.ma.getdata(covariates) if is_masked else covariates, "covariates")
    if len(values.shape) == 1:
        values, mask = values.reshape(-1, 1), np.reshape(mask, (-1, 1))
    if len(values.shape) != 2 or not values.shape[1]:
        raise ValueError(
            "covariates must be columns of numbers, of shape (n_samples,) or (n_samples, "
            f"n_covariates), but its shape is {values.shape}."
        )
    try:
        values = check_array(
            values,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name="covariates",
        )
    except ValueError as error:
        raise ValueError(without_data(str(error), "covariates")) from None
    return np.where(mask, np.nan, values)


def usual_of(columns: Columns) -> Usual:
    """Return median and spread of columns, nines that stand for missing numbers left out."""
    values = np.ma.array(columns.values, mask=_are_nines(columns.values))
    # Of the largest numbers that there are, differences are none.
    with np.errstate(over="ignore", invalid="ignore"):
        quartiles = [
            np.quantile(values[:, k].compressed(), [0.25, 0.5, 0.75])
            if values[:, k].count()
            else np.zeros(3)
            for k in range(values.shape[1])
        ]
        low, median, high = np.reshape(quartiles, (-1, 3)).T
        return median, high - low


def check_no_placeholders(columns: Columns, usual: Usual | None = None) -> None:
    """Refuse a number that stands for a missing one, such as -999 or 1e30 among scores near 1.

    The spread of the column would be that of such numbers, beside which others are all the same.

    Parameters
    ----------
    columns : Columns
        Of candidates.
    usual : tuple of ndarray, optional
        Median and spread of each column, of the candidates of the fit; by default, of these.

    Raises
    ------
    ValueError
        If a number is farther from the median than ten thousand times the range of the middle
        half, or one of nines only, such as -999, than twenty times.
    """
    median, spread = usual_of(columns) if usual is None else usual
    with np.errstate(over="ignore", invalid="ignore"):
        farthest = np.where(_are_nines(columns.values), _FARTHEST_NINES, _FARTHEST) * spread
        far = np.abs(columns.values - median) > farthest
    rows, which = np.nonzero(far & (spread > 0))
    if not len(rows):
        return
    row, column = rows[0], which[0]
    raise ValueError(
        f"covariates has {columns.values[row, column]:g} in row {columns.row(row)} of "
        f"column {_named(columns, column)}, whose median is {median[column]:g}: {len(rows)} such "
        "number(s) may stand for missing ones. Leave these candidates out, or fill in the median."
    )


def _are_nines(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which numbers are 999, 9999 and so on, of either sign: RELION has -999 for no score."""
    return np.isin(np.abs(values), 10.0 ** np.arange(3, 10) - 1)


def _named(columns: Columns, column: Any) -> str:
    return f"{column}" if columns.names is None else repr(columns.names[column])


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
    if np.ma.is_masked(tomograms):
        names = names.astype(object)
        names[np.ma.getmaskarray(tomograms)] = None
    if names.shape != (n_samples,):
        raise ValueError(
            f"tomograms has the shape {names.shape}, but must name one for each of the "
            f"{n_samples} candidates in X."
        )
    # Neither None nor NaN; of what pandas has for both, not even a comparison is true.
    is_named = np.array([one is not None and _is_itself(one) for one in names.tolist()])
    if not is_named.all():
        missing = np.flatnonzero(~is_named)
        raise ValueError(
            f"tomograms has no name in {len(missing)} rows, the first of which is {missing[0]}. "
            "Name the tomogram of each candidate, or leave these candidates out."
        )
    # Whole numbers, as a column has them that has passed through one with missing values, each by
    # itself: a name does not depend on the others.
    return np.array([str(int(one)) if _is_whole(one) else str(one) for one in names.tolist()])


def _is_itself(value: Any) -> bool:
    try:
        return bool(value == value)
    except TypeError:  # of pandas' missing value
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) and value.is_integer()


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


def shrinkage_of(
    features: NDArray[np.float64], tomograms: NDArray, center: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return with how many candidates the median of a tomogram counts half, of each feature.

    At most ten; fewer where medians of tomograms differ by more than those of so many candidates
    would: shrunk by a fixed number, a tomogram with a hundredfold score would keep much of it.
    Infinitely many for a feature of few values, such as a flag, whose median tells no offset,
    unless tomograms have one each.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Of the candidates of the fit.
    tomograms : ndarray of shape (n,) of str
        Tomogram of each.
    center : ndarray of shape (n_features,)
        Common medians.
    """
    # In units of a power of two, as squares of very large or small numbers are none.
    _, exponent = np.frexp(np.abs(features - center).max(axis=0))
    inside = np.ldexp(features - center, -exponent)
    groups = [inside[rows] for _, rows in rows_by_name(tomograms)]
    # One candidate is its own median, as if there was no spread; two or three have too little.
    large = [group for group in groups if len(group) >= _LEAST_CANDIDATES]
    shrinkage = np.full(features.shape[1], float(_COMMON_CANDIDATES))
    if len(large) > 1:
        counts = np.array([len(group) for group in large])
        medians = np.stack([np.median(group, axis=0) for group in large])
        residuals = np.concatenate(
            [
                (group - median) * np.sqrt(len(group) / (len(group) - 1))
                for group, median in zip(large, medians, strict=True)
            ]
        )
        low, high = np.percentile(residuals, (25, 75), axis=0)
        # Variance of the median of one candidate of a normal distribution with these quartiles.
        within = np.pi / 2 * ((high - low) / (2 * QUARTILE_OF_NORMAL)) ** 2
        between = (medians**2).mean(axis=0) - within * (1 / counts).mean()
        differs = between * _COMMON_CANDIDATES > within
        shrinkage[differs] = within[differs] / between[differs]
    varies = np.any([np.ptp(group, axis=0) > 0 for group in groups], axis=0)
    most = min(_MOST_LEVELS, len(features) // 4)
    is_flag = np.array([len(np.unique(column)) <= most for column in features.T], dtype=bool)
    shrinkage[varies & is_flag] = np.inf
    return shrinkage


def offsets_of(
    features: NDArray[np.float64],
    tomograms: NDArray,
    center: NDArray[np.float64],
    shrinkage: NDArray[np.float64],
    spread: NDArray[np.float64] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return by how much the medians of tomograms are off the common one, shrunk to it.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Of candidates.
    tomograms : ndarray of shape (n,) of str
        Tomogram of each.
    center : ndarray of shape (n_features,)
        Common medians.
    shrinkage : ndarray of shape (n_features,)
        With how many candidates a median counts half, see :func:`shrinkage_of`.
    spread : ndarray of shape (n_features,), optional
        Standard deviations within tomograms. With it, a tomogram that is farther off than those of
        the fit, which may have been a single one, is shrunk less.
    """
    offsets = {}
    for name, rows in rows_by_name(tomograms):
        off = np.median(features[rows], axis=0) - center
        fewer = shrinkage
        if spread is not None:
            # As if the standard deviation of tomograms' medians were half of what this one is off
            # beyond chance.
            beyond = np.abs(off) - _MOST_BY_CHANCE * spread / np.sqrt(len(rows))
            far = (beyond > spread / 2) & np.isfinite(shrinkage)
            fewer = np.divide(spread, beyond, out=np.full_like(off, np.inf), where=far)
            fewer = np.minimum(shrinkage, 2 * np.pi * fewer**2)
        offsets[name] = len(rows) / (len(rows) + fewer) * off
    return offsets
