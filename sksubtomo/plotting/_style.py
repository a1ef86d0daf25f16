"""Colors, sizes and axes that displays share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sksubtomo._utils._class_names import name_of_class
from sksubtomo._utils._messages import shorten

#: Width of a column of a journal.
COLUMN_INCHES = 3.5
#: Colors that color-blind people tell apart, without the yellow, which is faint on white.
#: Okabe & Ito, "Color universal design", 2008.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
#: What has no label; of a disagreement; of lines to compare with.
GRAY, RED = "#8C8C8C", "#D55E00"
# Shapes, too, tell classes apart: in gray print, and where there are more classes than colors.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
_SIZES = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
}


def import_pyplot() -> Any:
    """Return matplotlib's pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Displays need the package matplotlib: pip install 'sksubtomo[plot]'."
        ) from error
    return plt


@contextmanager
def column_style() -> Iterator[Any]:
    """Yield pyplot, with sizes of text that are legible at the width of a column."""
    plt = import_pyplot()
    with plt.rc_context(_SIZES):
        yield plt


def class_style(index: int) -> tuple[str, str]:
    """Return the color and the marker of a class by its place in ``classes_``."""
    # The two lists differ in length, so that pairs repeat late.
    return OKABE_ITO[index % len(OKABE_ITO)], MARKERS[index % len(MARKERS)]


def one_axes(ax: Any, plt: Any, height: float) -> Any:
    """Return the axes that were given, or those of a new figure as wide as a column."""
    if ax is None:
        _, ax = plt.subplots(figsize=(COLUMN_INCHES, height), layout="constrained")
    return ax


def grid_axes(
    n_rows: int, n_columns: int, *, axes: Any, fig: Any, plt: Any, height: float, **options: Any
) -> Any:
    """Return axes (n_rows, n_columns): those given, or of a figure, or of a new one.

    Raises
    ------
    ValueError
        If both are given, or other than n_rows * n_columns axes.
    """
    if axes is not None:
        if fig is not None:
            raise ValueError("Give axes or fig, not both.")
        given = np.asarray(axes, dtype=object)
        if given.size != n_rows * n_columns:
            raise ValueError(
                f"This plot needs {n_rows} x {n_columns} axes, but {given.size} are given."
            )
        return given.reshape(n_rows, n_columns)
    if fig is None:
        fig = plt.figure(figsize=(COLUMN_INCHES, height), layout="constrained")
    return fig.subplots(n_rows, n_columns, squeeze=False, **options)


def plain_text(text: object, limit: int = 40) -> str:
    """Return text of files or users as matplotlib shows it as it is."""
    shown = shorten(text, limit).replace("$", r"\$")
    # Legends leave out what begins with an underscore.
    return f" {shown}" if shown.startswith("_") else shown


def class_name(label: Any, class_names: Any) -> str:
    """Return what a class is called, for a plot; see :func:`name_of_class`."""
    return plain_text(name_of_class(label, class_names))
