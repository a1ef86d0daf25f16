"""What a model was made of and by, as its file tells it."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import shorten

# Of a tomogram, for its digest: headers and the first sections tell tomograms apart.
_DIGESTED = 2**20
_UNLABELED = -1
_LONGEST_LINE = 2000
#: Options that say nothing about the model.
_LEFT_OUT = {"command", "run", "quiet", "overwrite", "dry_run", "log", "allow_pickle", "o"} | {
    *("checkpoint", "checkpoint_minutes"),
}


def provenance(
    options: argparse.Namespace, files: Mapping[str, Path], y: NDArray[np.int64], classifier: Any
) -> dict[str, Any]:
    """Return how a model came about.

    Parameters
    ----------
    options : Namespace
        Of ``fit``.
    files : mapping
        Tomograms by their names.
    y : ndarray of shape (n_boxes,)
        Class numbers, -1 where unknown.
    classifier : Pipeline
        Fitted.

    Returns
    -------
    told : dict
        Text, numbers, lists and mappings.
    """
    known, counts = np.unique(y[y != _UNLABELED], return_counts=True)
    last = classifier[-1]
    return {
        "method": options.method,
        "options": {
            name: _plain(value)
            for name, value in sorted(vars(options).items())
            if name not in _LEFT_OUT
            and not name.startswith("_")
            and value is not None
            and not callable(value)
        },
        "seed": options.random_state,
        "n_boxes": len(y),
        "labels": dict(zip(known.tolist(), counts.tolist(), strict=True)),
        "tomograms": [_tomogram(name, files[name]) for name in sorted(files)],
        "n_iter": int(getattr(last, "n_iter_", 0)),
        "scores": _scores(last),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (bool, int, float)) else str(value)


def _tomogram(name: str, path: Path) -> dict[str, Any]:
    """Return what tells a tomogram from others, without reading all of it."""
    told = {"name": name, "file": str(path)}
    if not path.is_file():  # OME-Zarr is a folder
        return told
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read(_DIGESTED)).hexdigest()
    return {**told, "n_bytes": path.stat().st_size, "sha256_of_first_mebibyte": digest}


def _scores(fitted: Any) -> dict[str, float]:
    """Return what a fit measured on labels that it did not learn from, and its last losses."""
    agreement = getattr(fitted, "label_agreement_", None)
    scores = {} if agreement is None else {"label_agreement_left_out": float(agreement)}
    gained = getattr(fitted, "contributions_", {})
    scores |= {f"log_loss_without_{name}": float(value) for name, value in gained.items()}
    history = getattr(fitted, "history_", [])
    last = history[-1] if len(history) else {}
    names = ("train_loss", "valid_loss", "log_likelihood")
    return scores | {name: float(last[name]) for name in names if name in last}


def provenance_lines(told: Mapping[str, Any]) -> list[str]:
    """Return lines for ``info``."""
    labels = ", ".join(f"class {number}: {n}" for number, n in told["labels"].items())
    names = [str(one["name"]) for one in told["tomograms"]]
    shown = ", ".join(names[:10]) + (f", and {len(names) - 10} more" if len(names) > 10 else "")
    scores = ", ".join(f"{name} {value:.4g}" for name, value in told["scores"].items())
    lines = [
        f"fitted by --method {told['method']}, --random-state {told['seed']}",
        f"to {told['n_boxes']} boxes of {len(names)} tomograms: {shown}",
        f"labels {labels}",
        *([f"scores {scores}"] if scores else []),
    ]
    return [shorten(line, _LONGEST_LINE) for line in lines]
