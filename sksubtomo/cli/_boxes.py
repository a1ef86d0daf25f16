"""Boxes of a table that a classifier can be fitted to, and what is wrong with the others."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sksubtomo.cli._masks import outside_mask
from sksubtomo.cli._model import check_same_voxel_size, is_same_voxel_size
from sksubtomo.cli._model import voxel_size as stated_voxel_size
from sksubtomo.cli._outcomes import Outcomes
from sksubtomo.cli._sanity import Sanity, check_boxes_inside, check_voxel_sizes, file_shapes
from sksubtomo.cli._tilt_series import imaging_of
from sksubtomo.cli._tomograms import LocatedTomograms
from sksubtomo.exceptions import FileFormatError

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable


class Boxes(NamedTuple):
    """Usable boxes: a lazy stack, their rows, the one voxel size, and the exit code.

    ``evidence``: what candidates are judged by beside their boxes, by argument of the fit;
    ``ranges``: of its columns, see :func:`~sksubtomo.cli._column_ranges.column_ranges`.
    """

    stack: Any
    rows: NDArray[np.intp]
    voxel_size: float | None
    code: int
    evidence: Mapping[str, Any] = MappingProxyType({})
    ranges: list[dict[str, Any]] | None = None


def usable_boxes(
    particles: ParticleTable,
    located: LocatedTomograms,
    options: argparse.Namespace,
    sanity: Sanity,
) -> Boxes:
    """Return the boxes that can be used, and tell which cannot."""
    from sksubtomo.io import SubtomogramStack

    names, files, absent = located
    outcomes = Outcomes(options.particles, names, particles.coordinates, options.border, absent)
    sizes = _voxel_sizes(files)
    voxel_size, others = _one_voxel_size(names, files, sizes)
    for name, other in others.items():
        outcomes.fail(name, other)
    order = sorted(set(files) - set(others))
    outside = outside_mask(options, names, particles.coordinates, files)
    rows = np.flatnonzero(np.isin(names, order) & ~outside)
    stack = SubtomogramStack(
        [files[name] for name in order],
        particles.coordinates[rows],
        np.searchsorted(order, names[rows]),
        options.box_size,
        border=options.border,
        on_bad="skip",
        missing_chunks=options.missing_chunks,
        imaging=imaging_of(options, names[rows]),
    )
    outcomes.codes[rows] = stack.outcomes
    for number, error in stack.file_errors.items():
        name = order[number]
        outcomes.fail(name, error, outcomes.codes[outcomes.rows(name)[0]])
    code = outcomes.finish()
    check_voxel_sizes(sanity, sizes, voxel_size, of_model=False)
    shapes = file_shapes({name: files[name] for name in sizes}, options.missing_chunks)
    check_boxes_inside(sanity, outcomes, particles.coordinates, shapes, options.box_size)
    return Boxes(stack, rows[stack.index], voxel_size, code)


def _voxel_sizes(files: dict[str, Path]) -> dict[str, float | None]:
    """Return the voxel size of each tomogram that can be read, where it says it."""
    sizes = {}
    for name in sorted(files):
        try:
            sizes[name] = stated_voxel_size(files[name])
        except (FileFormatError, OSError):
            # The stack meets it, too, and says what is wrong.
            continue
    return sizes


def _one_voxel_size(
    names: NDArray, files: dict[str, Path], found: dict[str, float | None]
) -> tuple[float | None, dict[str, ValueError]]:
    """Return the voxel size of most particles, and what is wrong with tomograms of another one."""
    sizes = {name: size for name, size in found.items() if size is not None}
    most, n_most = None, 0
    for size in dict.fromkeys(sizes.values()):
        alike = [name for name, other in sizes.items() if is_same_voxel_size(other, size)]
        n_particles = int(np.isin(names, alike).sum())
        if n_particles > n_most:
            most, n_most = size, n_particles
    others: dict[str, ValueError] = {}
    for name, size in sizes.items():
        try:
            check_same_voxel_size(files[name], size, most)
        except ValueError as error:
            others[name] = error
    return most, others
