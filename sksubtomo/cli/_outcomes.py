"""What became of every particle of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural, shorten
from sksubtomo.cli._options import OK, PARTIAL, logger

_UNREADABLE, _NOT_FOUND = "unreadable", "tomogram not found"
# Why, and what can be done.
_REASONS = {
    "outside": ("center outside the tomogram", "Check binning and units if there are many."),
    "border": ("box beyond the tomogram", "Boxes are filled up by --border noise or pad."),
    "not finite": ("NaN or infinity in the box", "Mask the tomogram with numbers."),
}
# Rows that a message names.
_MOST_ROWS = 20


class Outcomes:
    """What became of every particle, told and counted.

    Parameters
    ----------
    table : Path
        File of the particles.
    names : ndarray of shape (n_particles,) of str
        Tomogram of each.
    coordinates : ndarray of shape (n_particles, 3)
        Centers z, y, x in voxels.
    border : str
        What is done about boxes that reach beyond the tomogram; "drop" leaves them out on purpose.
    absent : mapping of str to str
        Tomograms without a file, which fail at once, and why.

    Attributes
    ----------
    names : ndarray of shape (n_particles,) of str
        Tomogram of each.
    codes : ndarray of shape (n_particles,) of str
        As of :func:`sksubtomo.io.box_outcomes`, or "unreadable", or "tomogram not found".
    """

    def __init__(
        self,
        table: Path,
        names: NDArray,
        coordinates: NDArray[np.float64],
        border: str,
        absent: Mapping[str, str],
    ) -> None:
        self._table, self.names, self._coordinates = table, names, coordinates
        self._reasons = {
            code: reason
            for code, reason in _REASONS.items()
            if code != "border" or border == "error"
        }
        self._failed: list[str] = []
        self.codes: NDArray[np.str_] = np.full(len(names), "ok", dtype="<U18")
        for name, error in absent.items():
            self.fail(name, error, _NOT_FOUND)

    def rows(self, name: str) -> NDArray[np.intp]:
        """Return the rows of the particles of a tomogram."""
        return np.flatnonzero(self.names == name)

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Which particles could not be used."""
        return np.isin(self.codes, [_UNREADABLE, _NOT_FOUND, *self._reasons])

    def fail(self, name: str, error: object, code: str | None = None) -> None:
        """Leave the particles of a tomogram out, and tell why."""
        rows = self.rows(name)
        if code is None:
            code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _UNREADABLE
        self.codes[rows] = code
        self._failed.append(name)
        logger.error(
            "%s is left out, with its %s: %s", name, plural(len(rows), "particle"), shorten(error)
        )

    def finish(self) -> int:
        """Tell what was left out, and return the exit code.

        Raises
        ------
        ValueError
            If that is most of the particles.
        """
        n_particles = len(self.codes)
        for code, (reason, remedy) in self._reasons.items():
            rows = np.flatnonzero(self.codes == code)
            if len(rows):
                logger.warning(
                    "%s: %d of %s %s left out, %s: %s. %s",
                    *(self._table, len(rows), plural(n_particles, "particle")),
                    *("is" if len(rows) == 1 else "are", reason, self._named(rows), remedy),
                )
        if self._failed:
            shown = ", ".join(self._failed[:_MOST_ROWS])
            n_lost = int(np.isin(self.codes, [_UNREADABLE, _NOT_FOUND]).sum())
            logger.warning(
                "%d of %s %s left out, with %d of %s: %s",
                *(len(self._failed), plural(len(np.unique(self.names)), "tomogram")),
                *("was" if len(self._failed) == 1 else "were", n_lost),
                *(plural(n_particles, "particle"), shorten(shown, 300)),
            )
        n_bad = int(self.bad.sum())
        if 2 * n_bad > n_particles:
            raise ValueError(
                f"{self._table}: {n_bad} of {plural(n_particles, 'particle')} cannot be used, "
                "which is most of them; see above. Nothing was written."
            )
        return PARTIAL if n_bad else OK

    def _named(self, rows: NDArray[np.intp]) -> str:
        """Name rows, counted from 1, and say where the first particle is."""
        numbers = ", ".join(str(row + 1) for row in rows[:_MOST_ROWS])
        more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
        name = shorten(self.names[rows[0]], 80)
        place = ", ".join(f"{value:g}" for value in self._coordinates[rows[0]])
        which = "" if len(rows) == 1 else "the first "
        return (
            f"row{'s' if len(rows) > 1 else ''} {numbers}{more} ({which}in {name} at z, y, x = "
            f"{place})"
        )
