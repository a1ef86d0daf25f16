"""Model files: a fitted classifier and what it has to be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sksubtomo._utils._files import atomic_path
from sksubtomo._utils._messages import shorten
from sksubtomo._version import __version__
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
    """

    classifier: Any
    box_size: int
    voxel_size_angstrom: float | None
    box_statistics: dict[str, Any] | None = None


def save_model(path: Path, model: Model, *, overwrite: bool) -> None:
    """Write a model, whole or not at all.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    """
    import joblib

    content = {"kind": _KIND, "version": __version__, **model._asdict()}
    with atomic_path(path, overwrite=overwrite) as temporary:
        joblib.dump(content, temporary)


def load_model(path: Path) -> Model:
    """Read a model. Like every pickle, it can run code: load only what you trust.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If it is no model.
    """
    import joblib

    if not path.is_file():
        raise FileNotFoundError(f"There is no model {path}.")
    try:
        content = joblib.load(path)
    # Damaged pickles raise whatever they meet.
    except Exception as error:
        raise FileFormatError(
            f"{path} cannot be read as a model: {shorten(repr(error), 300)}"
        ) from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise FileFormatError(f"{path} is no model that `sksubtomo fit` wrote.")
    # Older files have fewer fields.
    return Model(**{name: content[name] for name in Model._fields if name in content})


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
