"""Tell what is in a tomogram, a table of particles or a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from sksubtomo._utils._files import errors_of_damage
from sksubtomo._utils._messages import plural, shorten
from sksubtomo.cli._logs import show
from sksubtomo.cli._options import (
    OK,
    add_allow_pickle,
    add_missing_chunks,
    add_tomograms,
    positive_float,
    read_table,
)
from sksubtomo.cli._provenance import provenance_lines

EPILOG = "Files are told apart by their endings. A file that cannot be read is told, and exits 1."
_TABLES = {".star", ".tbl", ".csv", ".json", ".coords"}
# Characters of a list of names.
_LONGEST = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this subcommand."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    add_tomograms(parser, required=False)
    add_missing_chunks(parser)
    add_allow_pickle(parser)
    parser.add_argument(
        "--pixel-size",
        type=positive_float,
        metavar="ANGSTROM",
        help="of tables whose coordinates are in angstrom",
    )


def run(options: argparse.Namespace) -> int:
    """Run the subcommand and return the exit code."""
    for path in options.files:
        if not path.exists():
            raise FileNotFoundError(f"There is no file {path}.")
        if path.is_dir() and path.suffix.lower() != ".zarr":
            raise IsADirectoryError(f"{path} is a folder. Give the files in it.")
        show(str(path))
        for line in _describe(path, options):
            # What files bring along must not steer the terminal.
            show(f"  {''.join(c if c.isprintable() else '?' for c in line)}")
    return OK


def _describe(path: Path, options: argparse.Namespace) -> list[str]:
    if path.suffix.lower() in _TABLES or _is_motive_list(path):
        return _table(path, options)
    if path.suffix.lower() in {".sksubtomo", ".joblib", ".pkl"}:
        return _model(path, options)
    return _volume(path, options)


def _is_motive_list(path: Path) -> bool:
    """Tell whether an EM file holds 20 numbers for each particle, not a volume."""
    from sksubtomo.io import open_volume

    if path.suffix.lower() != ".em":
        return False
    depth, _, width = open_volume(path).shape
    return (depth, width) == (1, 20)


def _volume(path: Path, options: argparse.Namespace) -> list[str]:
    from sksubtomo.io import read_volume

    data, sizes = read_volume(path, missing_chunks=options.missing_chunks)
    depth, height, width = data.shape
    return [
        f"volume of {depth} x {height} x {width} voxels (z, y, x), {data.dtype}",
        "voxel size not stated"
        if sizes is None
        else f"voxels of {' x '.join(f'{size:g}' for size in sizes)} A (z, y, x)",
        f"mean {data.mean(dtype=np.float64):.4g}, "
        f"standard deviation {data.std(dtype=np.float64):.4g}, "
        f"from {data.min():.4g} to {data.max():.4g}",
    ]


def _table(path: Path, options: argparse.Namespace) -> list[str]:
    options.shifts, options.binning = "ignore", None
    particles = read_table(path, options, with_places=False)
    lines = [
        f"{plural(len(particles), 'particle')}; blocks {shorten(list(particles.blocks), _LONGEST)}",
        f"columns {shorten(list(particles.table.columns), _LONGEST)}",
    ]
    names, classes = particles.tomogram_names, particles.class_numbers
    if names is not None:
        lines.append(_counts("tomogram", names))
    if classes is not None:
        lines.append(_counts("class", classes))
    return lines


def _counts(what: str, values: np.ndarray) -> str:
    known, counts = np.unique(values, return_counts=True)
    shown = ", ".join(
        f"{shorten(value, 80)}: {n}" for value, n in zip(known[:10], counts[:10], strict=True)
    )
    more = f", and {len(known) - 10} more" if len(known) > 10 else ""
    return f"particles by {what}: {shown}{more}"


def _references(classifier: Any) -> str:
    """Tell which classes have no reference, and how many others have."""
    owners = getattr(classifier[-1], "reference_classes_", None)
    if owners is None:
        return ""
    nothing = np.setdiff1d(classifier.classes_, owners).tolist()
    each = len(owners) // len(np.unique(owners))
    return "".join(
        [
            *(f", of which {number} is the background" for number in nothing),
            f", {each} references of each class" if each > 1 else "",
        ]
    )


def _evidence(classifier: Any) -> list[str]:
    """Return what candidates are judged by; nothing for other models."""
    if not hasattr(classifier, "ingredients_"):
        return []
    columns = shorten(", ".join(classifier.covariate_names_ or []), _LONGEST)
    named = [
        f"{name} ({columns})" if name == "covariates" and columns else name
        for name in classifier.ingredients_
    ]
    relative = ", relative to medians of the tomogram" if classifier.tomograms_ else ""
    return [f"judges candidates by {', '.join(named)}{relative}"]


def _model(path: Path, options: argparse.Namespace) -> list[str]:
    from sksubtomo.cli._model import load_model
    from sksubtomo.persistence import is_pickle, model_info

    model = load_model(path, allow_pickle=options.allow_pickle)
    edge = model.voxel_size_angstrom
    lines = [
        f"model: {' > '.join(type(step).__name__ for _, step in model.classifier.steps)}",
        f"classes {model.classifier.classes_.tolist()}{_references(model.classifier)}",
        f"boxes of {plural(model.box_size, 'voxel')}, "
        + ("voxel size not stated" if edge is None else f"voxels of {edge:g} A"),
        *_evidence(model.classifier[-1]),
    ]
    if model.provenance is not None:
        with errors_of_damage(path, "a model file", "Fit the model again."):
            lines += provenance_lines(model.provenance)
    if is_pickle(path):
        return [*lines, "a pickle; write it again with `sksubtomo fit`"]
    info = model_info(path)
    versions = shorten(
        ", ".join(f"{one} {said}" for one, said in info["versions"].items()), _LONGEST
    )
    return [*lines, f"written {info['written']} in schema {info['schema']} by {versions}"]
