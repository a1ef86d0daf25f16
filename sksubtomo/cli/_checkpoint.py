"""The option by which ``fit`` goes on from where an earlier run was ended."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sksubtomo.cli._options import positive_float

if TYPE_CHECKING:
    from sksubtomo._utils._checkpoint import CheckpointPart

_MINUTES = 2.0


def add_checkpoint(group: Any) -> None:
    """Add the options."""
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="keep what was done in this file, every few minutes and when interrupted; the same "
        "command goes on from there, and ends with the same model. Removed with the fit's end",
    )
    group.add_argument(
        "--checkpoint-minutes",
        type=positive_float,
        default=_MINUTES,
        metavar="MINUTES",
        help=f"from one writing of it to the next, at least; default: {_MINUTES:g}",
    )


def check_checkpoint(options: argparse.Namespace) -> None:
    """Refuse a checkpoint that cannot be written, before any work.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such folder, it is no file, or it is the output.
    """
    path = options.checkpoint
    if path is None:
        return
    if options.output is not None and path.resolve() == options.output.resolve():
        raise ValueError(f"--checkpoint and --output are both {path}. Name two files.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for the checkpoint {path.name}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"The checkpoint {path} is no file. Name another one.")


@contextmanager
def opened_checkpoint(options: argparse.Namespace) -> Iterator[CheckpointPart | None]:
    """Yield what the fits inside keep; once all is written inside, the file is removed."""
    from sksubtomo._utils._checkpoint import Checkpoint, opened

    path = options.checkpoint
    given = None if path is None else Checkpoint(path, interval_s=60 * options.checkpoint_minutes)
    with opened(given) as checkpoint:
        yield checkpoint


def fit_by_name(
    classifier: Any,
    X: Any,
    y: Any,
    checkpoint: CheckpointPart | None,
    name: str,
    evidence: Mapping[str, Any] | None = None,
) -> Any:
    """Fit a pipeline, its last step with the part of a checkpoint that has a name, and evidence."""
    last = classifier.steps[-1][0]
    given = dict(evidence or {})
    if checkpoint is not None:
        given["checkpoint"] = checkpoint.part(name, needs_fingerprints=True)
    return classifier.fit(X, y, **{f"{last}__{key}": value for key, value in given.items()})
