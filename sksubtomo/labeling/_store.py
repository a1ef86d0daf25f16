"""What a session keeps in its folder besides the journal."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._files import atomic_path
from sksubtomo._utils._messages import listed, shorten
from sksubtomo.exceptions import FileFormatError
from sksubtomo.labeling._journal import MOST_CLASSES
from sksubtomo.labeling._queries import CandidateScores

_SETTINGS, _SCORES = "session.json", "scores.npz"
_VERSION = 1
_LONGEST_NAME = 60
DEFAULT_CLASSES = ("particle", "no particle")


def open_folder(
    folder: Path,
    coordinates: NDArray[np.float64],
    tomogram_names: NDArray,
    class_names: Sequence[str] | None,
) -> tuple[str, ...]:
    """Make the folder of a session, or check that it is of these candidates.

    Returns
    -------
    class_names : tuple of str
        Those that are given, or else those of the folder.

    Raises
    ------
    FileExistsError, ValueError, FileFormatError
        If it is no folder of a session, or of other candidates, or class names are wrong.
    """
    path = folder / _SETTINGS
    digest = _digest(coordinates, tomogram_names)
    known = _read_settings(path) if path.exists() else None
    if known is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{folder} exists and is no folder of a labeling session. Name another one."
        )
    if known is not None and known["candidates"] != digest:
        raise ValueError(
            f"{folder} is of other candidates: {known['n_candidates']} in another table, or with "
            f"other tomograms or boxes; now there are {len(coordinates)}. Give those that it was "
            "begun with, or another folder."
        )
    names = tuple(class_names or (known or {}).get("class_names", DEFAULT_CLASSES))
    _check_names(names)
    if known is not None and len(names) < len(known["class_names"]):
        raise ValueError(
            f"{folder} has the classes {listed(known['class_names'], 9)}. They may be renamed, or "
            "get more, but not fewer."
        )
    content = {
        "version": _VERSION,
        "class_names": list(names),
        "n_candidates": len(coordinates),
        "candidates": digest,
    }
    if content != known:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return names


def _digest(coordinates: NDArray[np.float64], tomogram_names: NDArray) -> str:
    """Return what tells one set of candidates from another."""
    digest = hashlib.sha256(np.ascontiguousarray(coordinates, dtype="<f8").tobytes())
    digest.update("\n".join(map(str, tomogram_names)).encode())
    return digest.hexdigest()


def _check_names(names: tuple[str, ...]) -> None:
    right = all(
        isinstance(name, str) and 0 < len(name.strip()) <= _LONGEST_NAME and name.isprintable()
        for name in names
    )
    if not right or not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise ValueError(
            f"class_names={shorten(names, 200)} must be 2 to {MOST_CLASSES} different names of at "
            f"most {_LONGEST_NAME} characters."
        )


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']!r} is not {_VERSION}")
        _check_names(tuple(content["class_names"]))
        if {"n_candidates", "candidates"} - set(content):
            raise ValueError("it does not say of which candidates it is")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{path} cannot be read as the settings of a labeling session: {shorten(error, 200)}."
        ) from error
    return content


def save_scores(folder: Path, scores: CandidateScores) -> None:
    """Write what models say of candidates."""
    values = {name: value for name, value in scores._asdict().items() if value is not None}
    with atomic_path(folder / _SCORES, overwrite=True) as temporary:
        np.savez(temporary, **values)


def load_scores(folder: Path, n_candidates: int, n_classes: int) -> CandidateScores:
    """Return what models said in an earlier session; nothing where it cannot be read.

    It is made anew by the next fit, and so is no reason to refuse the labels.
    """
    path = folder / _SCORES
    if not path.exists():
        return CandidateScores()
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in CandidateScores._fields if name in file}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return CandidateScores()
    shapes = {"probabilities": (n_candidates, n_classes)}
    for name, value in found.items():
        if value.shape != shapes.get(name, (n_candidates,)) or value.dtype != np.float64:
            return CandidateScores()
    return CandidateScores(**found)
