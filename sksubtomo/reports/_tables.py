"""Tables of a report."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from sksubtomo._utils._messages import plural, shorten
from sksubtomo._version import __version__
from sksubtomo.reports._content import Content
from sksubtomo.reports._warnings import doubtful_labels

# Characters of a value; rows of a table.
_LONGEST = 300
_MOST_TOMOGRAMS = 2000
_VERSIONS = ("numpy", "scipy", "scikit-learn", "torch", "skorch")


class Table(NamedTuple):
    """A table that is sorted by its head.

    Parameters
    ----------
    name : str
        For the page, one word.
    caption : str
        What it is.
    columns : list of str
        Heads.
    numbers : list of str
        Columns that hold numbers.
    rows : list of tuple of str
        Cells.
    """

    name: str
    caption: str
    columns: list[str]
    numbers: list[str]
    rows: list[tuple[str, ...]]


def summary(content: Content) -> dict[str, str]:
    """Return the data in a few lines."""
    n = len(content.proba)
    counts = np.bincount(content.predicted, minlength=len(content.classes))
    box = " x ".join(str(edge) for edge in np.shape(content.X)[1:])
    size = content.voxel_size_angstrom
    labels = np.bincount(content.targets[content.labeled], minlength=len(content.classes))
    return {
        "Particles": str(n),
        "Tomograms": str(len(np.unique(content.tomogram_names)))
        if _has_names(content)
        else "not said",
        "Boxes": f"{box} voxels (z, y, x)",
        "Voxel size": "not said" if size is None else f"{size:.4g} Å",
        "Labels": _by_class(content, labels),
        "Predictions": _by_class(content, counts),
    }


def _has_names(content: Content) -> bool:
    return bool((content.tomogram_names != "").any())


def _by_class(content: Content, counts: NDArray[np.int64]) -> str:
    each = ", ".join(f"{name}: {n}" for name, n in zip(content.names, counts, strict=True))
    return f"{counts.sum()} ({each})"


def tomogram_table(content: Content) -> Table:
    """Return particles, labels and predictions of every tomogram."""
    names, which = np.unique(content.tomogram_names, return_inverse=True)
    best = content.proba.max(axis=1)
    predicted = [f"predicted {name}" for name in content.names]
    columns = ["tomogram", "particles", "labeled", *predicted, "mean probability"]
    rows = []
    for number, name in enumerate(names[:_MOST_TOMOGRAMS]):
        inside = which == number
        counts = np.bincount(content.predicted[inside], minlength=len(content.classes))
        cells = [inside.sum(), (content.targets[inside] >= 0).sum(), *counts]
        shown = shorten(name, _LONGEST) if _has_names(content) else "all"
        rows.append((shown, *map(str, cells), f"{best[inside].mean():.3f}"))
    more = len(names) - len(rows)
    caption = "Particles of every tomogram; a head sorts the table."
    if more:
        caption += f" {plural(more, 'tomogram is', 'tomograms are')} left out here."
    return Table("tomograms", caption, columns, columns[1:], rows)


def particle_tables(content: Content, most: int) -> list[Table]:
    """Return the particles that are worth a look."""
    doubtful = doubtful_labels(content)[:most]
    order = np.argsort(content.proba.max(axis=1), kind="stable")
    uncertain = order[content.targets[order] < 0][:most]
    judged = "" if content.held_out is None else ", by classifiers that did not learn from them"
    about = f"Doubtful labels: predictions clearly contradict them{judged}."
    tables = [_particles("doubtful", about, content, doubtful, content.judged)]
    about = "Unlabeled particles with the least certain predictions."
    tables.append(_particles("uncertain", about, content, uncertain, content.proba))
    return [table for table in tables if table.rows]


def _particles(
    name: str,
    caption: str,
    content: Content,
    which: NDArray[np.intp],
    proba: NDArray[np.float64],
) -> Table:
    places = [] if content.coordinates is None else ["z", "y", "x"]
    of_label = ["label", "its probability"] if name == "doubtful" else []
    columns = ["row", "tomogram", *places, "prediction", "probability", *of_label]
    rows = []
    for row in which:
        best = int(proba[row].argmax())
        cells = [str(row + 1), shorten(content.tomogram_names[row], _LONGEST)]
        if content.coordinates is not None:
            cells += [f"{value:.6g}" for value in content.coordinates[row]]
        cells += [content.names[best], f"{proba[row, best]:.3f}"]
        if of_label:
            target = content.targets[row]
            cells += [content.names[target], f"{proba[row, target]:.3f}"]
        rows.append(tuple(cells))
    numbers = [one for one in columns if one not in ("tomogram", "prediction", "label")]
    return Table(name, f"{caption} Rows are counted from 1.", columns, numbers, rows)


def parameters(estimator: Any) -> dict[str, dict[str, str]]:
    """Return the parameters of every step, by its name."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    told = {}
    for number, (_, step) in enumerate(steps, start=1):
        values = step.get_params(deep=False) if hasattr(step, "get_params") else {}
        prefix = f"{number}. " if len(steps) > 1 else ""
        told[f"{prefix}{type(step).__name__}"] = {
            name: shorten(repr(value), _LONGEST) for name, value in sorted(values.items())
        }
    return told


def origin(given: Mapping[str, Any]) -> dict[str, str]:
    """Return where the report comes from: what the caller knows, and versions."""
    versions = {}
    for package in _VERSIONS:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    told = {str(name): shorten(value, 10 * _LONGEST) for name, value in given.items()}
    return {
        **told,
        "sksubtomo": __version__,
        "Python": platform.python_version(),
        **versions,
    }
