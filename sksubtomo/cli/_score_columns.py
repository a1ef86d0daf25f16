"""Columns of a table of particles that candidates are judged by, such as the picker's score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.cli._options import logger

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable

#: Columns with the score of a picker, by the programs that write them.
SCORE_COLUMNS = (
    "rlnAutopickFigureOfMerit",
    "rlnLCCmax",
    "wrpAutopickFigureOfMerit",
    "score",
)
_MOST_NAMED = 20


def score_columns(
    particles: ParticleTable,
    given: list[str] | None,
    labels: NDArray[np.int64] | None = None,
    rows: NDArray[np.intp] | None = None,
) -> list[str]:
    """Return the names of the columns to judge candidates by.

    Parameters
    ----------
    particles : ParticleTable
        Has the columns.
    given : list of str or None
        Names, ``["none"]`` for no column, or None for those that are known.
    labels : ndarray of shape (n_particles,) of int, optional
        Classes, 0 or less where unknown; without them, nothing is told of columns left out.
    rows : ndarray of int, optional
        Of the particles that are used; all by default.

    Raises
    ------
    ValueError
        If the table has none of a name, or it has other values than finite numbers, the same one
        in all rows, or the labels.
    """
    table = particles.table
    if given == ["none"]:
        return []
    if given is None:
        names = [name for name in SCORE_COLUMNS if name in table]
        return [name for name in names if _is_sound(name, table[name], labels, rows)]
    if "none" in given and "none" not in table:
        raise ValueError("--score-column: give either none or names of columns.")
    # As STAR files spell it.
    bare = [name if name in table else name.removeprefix("_") for name in given]
    for name in bare:
        if name not in table:
            numeric = [str(one) for one in table if table[one].dtype.kind in "iufb"]
            raise ValueError(
                f"--score-column {shorten(name, 100)}: the table of particles has no such column; "
                f"columns of numbers are {', '.join(numeric[:_MOST_NAMED])}."
            )
        trouble = _trouble(table[name]) or _nothing_in(table[name], labels, rows)
        if trouble:
            raise ValueError(f"--score-column {shorten(name, 100)}: the column {trouble}.")
    return list(dict.fromkeys(bare))


def _is_sound(
    name: str, column: Any, labels: NDArray[np.int64] | None, rows: NDArray[np.intp] | None
) -> bool:
    """Tell whether a column of scores that nobody asked for can be judged by; say why not."""
    trouble = _trouble(column) or _nothing_in(column, labels, rows)
    if trouble and labels is not None:
        logger.warning("Column %s is not judged by: it %s.", name, trouble)
    return trouble is None


def _trouble(column: Any, rows: NDArray[np.intp] | None = None) -> str | None:
    """Return what keeps a column from being judged by, of some rows."""
    if column.dtype.kind not in "iufb":
        return "holds text"
    is_bad = ~np.isfinite(column.to_numpy(dtype=float))
    bad = np.flatnonzero(is_bad) if rows is None else rows[is_bad[rows]]
    if len(bad):
        n_bad = plural(len(bad), "row")
        return f"has no finite number in {n_bad}, the first of which is row {bad[0] + 1}"
    return None


def _nothing_in(
    column: Any, labels: NDArray[np.int64] | None, rows: NDArray[np.intp] | None
) -> str | None:
    """Return why a fit would learn nothing of use from a column of finite numbers."""
    values = column.to_numpy(dtype=float)
    if rows is not None:
        values, labels = values[rows], None if labels is None else labels[rows]
    if len(values) > 1 and (values == values[0]).all():
        return f"has the same number, {values[0]:g}, in all rows"
    if labels is None:
        return None
    known = labels > 0
    if len(np.unique(labels[known])) > 1 and np.array_equal(values[known], labels[known]):
        return "holds the labels themselves"
    return None


def columns_of(particles: ParticleTable, names: list[str] | None, rows: NDArray[np.intp]) -> Any:
    """Return columns of some particles, rows called as in the file, from 1; None without names.

    Raises
    ------
    ValueError
        If one is missing or holds other values than finite numbers for these particles.
    """
    if not names:
        return None
    missing = [name for name in names if name not in particles.table]
    if missing:
        raise ValueError(
            f"The model judges candidates by {shorten(', '.join(missing), 100)} too; the table of "
            "particles has no such column. Add it, rename the one that is meant, or fit again with "
            "--score-column none."
        )
    for name in names:
        trouble = _trouble(particles.table[name], rows)
        if trouble:
            raise ValueError(
                f"The model judges candidates by {shorten(name, 100)} too, but the column "
                f"{trouble}. Leave these particles out, or fit again with --score-column none."
            )
    return particles.table[names].iloc[rows].astype(float).set_axis(rows + 1, axis=0)


def check_columns(classifier: Any, particles: ParticleTable, rows: NDArray[np.intp]) -> None:
    """Check that particles have the columns of the fit, before they are classified.

    Raises
    ------
    ValueError
        As :func:`columns_of`, and if one holds a number that stands for a missing one.
    """
    columns = columns_of(particles, getattr(classifier, "covariate_names_", None), rows)
    if columns is not None and len(columns):
        classifier.check_covariates(columns)
