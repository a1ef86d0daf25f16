"""What columns of candidates were like in a fit, and tomograms in which they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import shorten
from sksubtomo._utils._rows import rows_by_name

if TYPE_CHECKING:
    from sksubtomo.cli._sanity import Sanity

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
# In standard deviations: how far off quantiles may be, and how far those of one candidate.
_MARGIN, _MARGIN_OF_ONE = 0.5, 2.5
# How far the median of a tomogram of the fit may be off its own, before it is thought another one.
_MOST_MOVED = 2.5
# Of fewer labels, classes do not tell the spread within them.
_LEAST_FREE = 10
# Flags have no scale.
_LEAST_VALUES = 3
_UNLABELED = -1


def column_ranges(
    columns: Any, tomograms: NDArray, y: NDArray[np.int64], *, relative: bool
) -> list[dict[str, Any]]:
    """Return in what range quantiles of each column are, in tomograms like those with labels.

    A tomogram is a mixture of the classes, whatever their shares in it: each quantile is between
    those of the classes, as labels have them, or those of a whole tomogram with labels. Relative to
    medians, that is so for similar shares only. Where one class is labeled, there are no ranges.

    Parameters
    ----------
    columns : DataFrame
        Of the candidates of a fit.
    tomograms : ndarray of shape (n_candidates,) of str
        Tomogram of each.
    y : ndarray of shape (n_candidates,)
        Class numbers, -1 where unknown.
    relative : bool
        Whether candidates are judged relative to the medians of their tomogram.

    Returns
    -------
    ranges : list of dict
        One a column that is no flag, of text and numbers: ``column``, ``low`` and ``high`` of each
        quantile, ``spread``, the standard deviation within a class, and ``medians`` of tomograms,
        if candidates are judged relative to these.
    """
    is_labeled = y != _UNLABELED
    groups = [np.flatnonzero(y == number) for number in np.unique(y[is_labeled])]
    if len(groups) < 2:
        return []
    with_labels = set(tomograms[is_labeled].tolist())
    ranges = []
    for column in columns:
        values = columns[column].to_numpy(dtype=float)
        if len(np.unique(values)) < _LEAST_VALUES:
            continue
        medians = _medians(values, tomograms) if relative else {}
        values = _relative(values, tomograms, relative=relative)
        spread = _spread(values, groups)
        whole = [rows for name, rows in rows_by_name(tomograms) if name in with_labels]
        bounds = [_bounds(values[rows], spread) for rows in [*groups, *whole]]
        low = np.min([one[0] for one in bounds], axis=0) - _MARGIN * spread
        high = np.max([one[1] for one in bounds], axis=0) + _MARGIN * spread
        ranges.append(
            {
                "column": str(column),
                "low": low.tolist(),
                "high": high.tolist(),
                "spread": spread,
                "medians": medians,
            }
        )
    return ranges


def check_ranges(
    sanity: Sanity, ranges: list[dict[str, Any]], columns: Any, tomograms: NDArray
) -> None:
    """Warn of tomograms whose columns are not as in the fit, once a column.

    Parameters
    ----------
    sanity : Sanity
        Gets the warnings.
    ranges : list of dict
        See :func:`column_ranges`.
    columns : DataFrame
        Of the candidates.
    tomograms : ndarray of shape (n_candidates,) of str
        Tomogram of each.
    """
    for known in ranges:
        raw = columns[known["column"]].to_numpy(dtype=float)
        medians: Mapping[str, float] = known["medians"]
        values = _relative(raw, tomograms, relative=bool(medians))
        unlike, moved = [], []
        for name, rows in rows_by_name(tomograms):
            below, above = _bounds(values[rows], known["spread"])
            if (above < known["low"]).any() or (below > known["high"]).any():
                unlike.append(name)
            elif name in medians and not _is_same(raw[rows], medians[name], known["spread"]):
                moved.append(name)
        if unlike and medians:
            sanity.warn(
                "The spread of %s in %s differs from that in tomograms with labels, even relative "
                "to the median. Probabilities are right only if candidates were picked alike, and "
                "about the same share of them is true.",
                *(known["column"], _listed(unlike)),
            )
        elif unlike:
            sanity.warn(
                "%s in %s is not as in tomograms with labels, whatever share of the candidates is "
                "true. Probabilities are right for scores on one scale only: pick alike, or label "
                "candidates in several tomograms and fit with --by-tomogram.",
                *(known["column"], _listed(unlike)),
            )
        if moved:
            sanity.warn(
                "The median of %s in %s differs from that in the fit. That is fine if these are "
                "some of the same candidates. If they were picked anew, or are of other tomograms "
                "with the same names, rename the tomograms or fit anew.",
                *(known["column"], _listed(moved)),
            )


def are_ranges(value: Any) -> bool:
    """Tell whether what comes from a file is what :func:`column_ranges` returns."""
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and set(one) == {"column", "low", "high", "spread", "medians"}
        and isinstance(one["column"], str)
        and all(_are_numbers(one[end], len(_QUANTILES)) for end in ("low", "high"))
        and _are_numbers([one["spread"]], 1)
        and isinstance(one["medians"], dict)
        and _are_numbers(list(one["medians"].values()), len(one["medians"]))
        for one in value
    )


def _are_numbers(values: Any, n: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == n
        and all(isinstance(one, (int, float)) for one in values)
    )


def _listed(names: list[str]) -> str:
    return shorten(", ".join(names), 200)


def _is_same(values: NDArray[np.float64], median: float, spread: float) -> bool:
    margin = _MOST_MOVED + _MARGIN_OF_ONE / np.sqrt(len(values))
    return bool(abs(np.median(values) - median) <= margin * spread)


def _relative(
    values: NDArray[np.float64], tomograms: NDArray, *, relative: bool
) -> NDArray[np.float64]:
    if not relative:
        return values
    medians = _medians(values, tomograms)
    return values - np.array([medians[name] for name in tomograms.tolist()])


def _medians(values: NDArray[np.float64], tomograms: NDArray) -> dict[str, float]:
    return {name: float(np.median(values[rows])) for name, rows in rows_by_name(tomograms)}


def _spread(values: NDArray[np.float64], classes: list[NDArray[np.intp]]) -> float:
    """Return the standard deviation within classes; of all where too few are labeled to say."""
    n_free = sum(len(rows) - 1 for rows in classes)
    if n_free < _LEAST_FREE:
        return float(values.std())
    squares = sum(((values[rows] - values[rows].mean()) ** 2).sum() for rows in classes)
    # All labels of a class may have one value.
    return float(np.sqrt(squares / n_free)) or float(values.std())


def _bounds(
    values: NDArray[np.float64], spread: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what quantiles are hardly below, and what hardly above, by chance."""
    quantiles = np.quantile(values, _QUANTILES)
    margin = _MARGIN_OF_ONE * spread / np.sqrt(len(values))
    return quantiles - margin, quantiles + margin
