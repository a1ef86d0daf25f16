"""Tables in files of another kind than they were read from, so that they say the same there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import plural
from sksubtomo.io._dialects import Dialect, find_dialect
from sksubtomo.io._tables import kind_of

if TYPE_CHECKING:
    import pandas as pd

_VOXELS = ("rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ")
_NAME, _OTHER_NAMES = "rlnTomoName", ("rlnMicrographName", "wrpSourceName")
_CLASS, _OTHER_CLASS = "rlnClassNumber", "class"
# Kinds of files that hold any columns.
_GENERAL = (".star", ".csv")


def written_table(
    path: Path,
    blocks: Mapping[str, Any],
    block: str,
    *,
    kind: str | None,
    positions: NDArray[np.float64] | None,
    names: NDArray | None,
) -> pd.DataFrame:
    """Return a table of particles that says where they are in the file to be written, too.

    Where the reader of that kind of file would not find the coordinates, or take them for others,
    they are written as ``rlnCoordinateX``, ``Y`` and ``Z`` in voxels, with ``rlnTomoName`` and
    ``rlnClassNumber``. Columns that it would take for coordinates or shifts besides are left out.

    Parameters
    ----------
    path : Path
        The file to be written.
    blocks : mapping of str to DataFrame or dict
        All blocks.
    block : str
        Name of that of the particles.
    kind : str or None
        Ending of the kind of file that they were read from.
    positions : ndarray of shape (n_particles, 3) or None
        Centers z, y, x in voxels, counted from 0.
    names : ndarray of shape (n_particles,) or None
        Tomogram of each particle.

    Raises
    ------
    ValueError
        If the file would say other coordinates by the same columns.
    """
    table = blocks[block]
    ending = _ending(path)
    target = find_dialect(Path(f"a{ending}"), blocks, table)
    source = target if kind is None else find_dialect(Path(f"a{kind}"), blocks, table)
    if positions is None or (target is not None and _are_alike(source, target)):
        return table
    if ending not in _GENERAL or set(_VOXELS) & set(table):
        there = "no coordinates" if target is None else f"those of {target.name}"
        raise ValueError(
            f"{path}: the coordinates of the particles ({_named(source)}) would be read from it as "
            f"{there}; write a STAR file."
        )
    lost = int(np.isnan(positions).any(axis=1).sum())
    if lost:
        raise ValueError(
            f"{path}: {lost} of {plural(len(table), 'particle')} have no position, as their "
            "tomograms are not given or cannot be read; leave them out by subset, or write a file "
            "of the kind that they are from."
        )
    known = set() if target is None else set(target.coordinates)
    left = table.drop(columns=[label for label in table if label in known])
    if _OTHER_CLASS in left and _CLASS not in left:
        left = left.rename(columns={_OTHER_CLASS: _CLASS})
    new: dict[str, Any] = {}
    if names is not None and not {_NAME, *_OTHER_NAMES} & set(left):
        new[_NAME] = names
    new |= {label: positions[:, 2 - place] for place, label in enumerate(_VOXELS)}
    written = left.assign(**new)
    found = find_dialect(Path(f"a{ending}"), {**blocks, block: written}, written)
    shifts = set() if found is None else {name for one in found.shifts for name in one.columns}
    return written.drop(columns=[label for label in written if label in shifts])


def _ending(path: Path) -> str:
    """Return the kind of file that is written, whatever was there before."""
    ending = path.suffix.lower()
    return ending if kind_of(Path(f"a{ending}")) == ending else ".star"


def _are_alike(one: Dialect | None, other: Dialect) -> bool:
    return one is not None and (one.coordinates, one.unit, one.origin, one.binned) == (
        *(other.coordinates, other.unit, other.origin, other.binned),
    )


def _named(dialect: Dialect | None) -> str:
    return "of no known program" if dialect is None else dialect.name
