"""Model files: a fitted classifier and what it has to be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sksubtomo._utils._messages import shorten
from sksubtomo.cli._box_statistics import BoxStatistics
from sksubtomo.cli._column_ranges import are_ranges
from sksubtomo.exceptions import FileFormatError

_KIND = "sksubtomo model"
# Header fields are rounded by many programs.
_VOXEL_SIZE_TOLERANCE = 0.02


class Model(NamedTuple):
    """A fitted classifier of boxes.

    Parameters
    ----------
    classifier : estimator
        Fitted; its ``classes_`` are class numbers.
    box_size : int
        Edge of the boxes in voxels.
    voxel_size_angstrom : float or None
        Of the tomograms that it was fitted to, where their headers say.
    box_statistics : dict, optional
        Of the boxes that it was fitted to, see :func:`box_statistics`; None in older files.
    provenance : dict, optional
        How it came about, see :func:`provenance`; None in older files.
    column_ranges : list of dict, optional
        Of the columns that it judges by, see :func:`column_ranges`; None without, and in older
        files.
    """

    classifier: Any
    box_size: int
    voxel_size_angstrom: float | None
    box_statistics: dict[str, Any] | None = None
    provenance: dict[str, Any] | None = None
    column_ranges: list[dict[str, Any]] | None = None


def save_model(path: Path, model: Model, *, overwrite: bool) -> None:
    """Write a model, whole or not at all, to a file that runs no code when it is read.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    """
    from sksubtomo import persistence

    told = {name: value for name, value in model._asdict().items() if name != "classifier"}
    metadata = {"kind": _KIND, **told}
    persistence.save_model(model.classifier, path, metadata=metadata, overwrite=overwrite)


def load_model(path: Path, *, allow_pickle: bool = False) -> Model:
    """Read a model.

    Parameters
    ----------
    path : Path
        The file.
    allow_pickle : bool, default=False
        Whether it may be a pickle, as earlier versions wrote, which can run any code.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is no model, or a pickle that is not allowed.
    """
    from sksubtomo import persistence

    if allow_pickle and path.is_file() and persistence.is_pickle(path):
        return _of_content(path, _load_pickle(path))
    classifier = persistence.load_model(path)
    return _of_content(path, {**persistence.model_info(path)["metadata"], "classifier": classifier})


def _load_pickle(path: Path) -> Any:
    import joblib

    try:
        return joblib.load(path)
    # Damaged pickles raise whatever they meet.
    except Exception as error:
        raise FileFormatError(
            f"{path} cannot be read as a model: {shorten(repr(error), 300)}"
        ) from error


def _of_content(path: Path, content: Any) -> Model:
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise FileFormatError(
            f"{path} is no model that `sksubtomo fit` wrote. Models of Python, which say nothing "
            "of boxes, are for sksubtomo.load_model."
        )
    # Older files have fewer fields.
    model = Model(**{name: content[name] for name in Model._fields if name in content})
    if not _is_plausible(model):
        raise FileFormatError(f"{path} says of itself what no model of `sksubtomo fit` does.")
    return model


def _is_plausible(model: Model) -> bool:
    """Tell whether what comes from a file is what the commands take it for."""
    size, edge, statistics = model.box_size, model.voxel_size_angstrom, model.box_statistics
    return (
        isinstance(size, int)
        and size > 0
        and (edge is None or (isinstance(edge, (int, float)) and edge > 0))
        and (statistics is None or isinstance(statistics, dict))
        and (statistics is None or set(statistics) == set(BoxStatistics._fields))
        and (model.provenance is None or isinstance(model.provenance, dict))
        and (model.column_ranges is None or are_ranges(model.column_ranges))
        and isinstance(getattr(model.classifier, "classes_", None), np.ndarray)
        and hasattr(model.classifier, "steps")
    )


def voxel_size(path: Path) -> float | None:
    """Return the edge of a voxel in angstrom that a tomogram's header states, if it does.

    Raises
    ------
    FileNotFoundError, FileFormatError
        If it cannot be read.
    """
    from sksubtomo.io import read_voxel_size

    sizes = read_voxel_size(path)
    return None if sizes is None else sizes[2]


def check_voxel_size(path: Path, expected: float | None) -> float | None:
    """Return the voxel size of a tomogram after comparing it with what is expected.

    Raises
    ------
    ValueError
        If the two differ.
    """
    found = voxel_size(path)
    check_same_voxel_size(path, found, expected)
    return found


def check_same_voxel_size(path: Path, found: float | None, expected: float | None) -> None:
    """Compare the voxel size of a tomogram with what is expected, where both are known.

    Raises
    ------
    ValueError
        If the two differ.
    """
    if found is None or expected is None:
        return
    if not is_same_voxel_size(found, expected):
        raise ValueError(
            f"{path} has voxels of {found:g} A, but {expected:g} A are expected. Bin it to "
            "that voxel size first."
        )


def is_same_voxel_size(found: float, expected: float) -> bool:
    """Tell whether two voxel sizes are one, written with more or fewer digits."""
    return abs(found / expected - 1) <= _VOXEL_SIZE_TOLERANCE
