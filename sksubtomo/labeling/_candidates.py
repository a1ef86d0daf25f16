"""Boxes of candidates, without reading a voxel of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sksubtomo._utils._messages import listed, plural

if TYPE_CHECKING:
    from sksubtomo.io import ParticleTable, SubtomogramStack

logger = logging.getLogger("sksubtomo")


def locate_boxes(
    particles: ParticleTable,
    tomograms: Mapping[str, str | os.PathLike[str]],
    box_size: int,
    *,
    border: str,
    missing_chunks: str,
) -> tuple[NDArray[np.intp], SubtomogramStack]:
    """Return which candidates have a box, and the lazy stack of the boxes.

    Parameters are those of :meth:`LabelingSession.from_tomograms`. A box with NaN is not told
    from others, which would take a look at every voxel.

    Raises
    ------
    ValueError, FileNotFoundError, FileFormatError
        If a tomogram is not given or cannot be read, or none is left.
    """
    from sksubtomo.io import SubtomogramStack, open_volume

    given = particles.tomogram_names
    names = np.full(len(particles), "") if given is None else given.astype(str)
    files = {str(name): path for name, path in tomograms.items()}
    lacking = sorted(set(names.tolist()) - set(files))
    if lacking:
        raise ValueError(
            f"{plural(len(lacking), 'tomogram')} without a file: {listed(lacking)}. Give them, or "
            "leave out their candidates."
        )
    order = sorted(set(names.tolist()))
    which = np.searchsorted(order, names)
    coordinates = particles.coordinates
    is_inside = np.zeros(len(particles), dtype=bool)
    for number, name in enumerate(order):
        rows = np.flatnonzero(which == number)
        shape = np.array(open_volume(files[name], missing_chunks=missing_chunks).shape)
        centers = coordinates[rows]
        inside = ((centers >= -0.5) & (centers < shape - 0.5)).all(axis=1)
        if border in ("error", "drop"):
            first = np.floor(centers + 0.5) - box_size // 2
            inside &= ((first >= 0) & (first + box_size <= shape)).all(axis=1)
        is_inside[rows] = inside
    kept = np.flatnonzero(is_inside)
    if not len(kept):
        raise ValueError(
            "No candidate has a box in its tomogram. Check the order of the axes, the binning, and "
            "that these are voxels, not angstrom."
        )
    if len(kept) < len(particles):
        logger.warning(
            "%d of %s left out: their centers or boxes are outside their tomograms.",
            *(len(particles) - len(kept), plural(len(particles), "candidate")),
        )
    if given is not None:
        # Compares the voxels of the table with those of the files, too.
        stack = SubtomogramStack.from_particles(
            particles.subset(kept),
            {name: files[name] for name in order},
            box_size,
            border=border,
            missing_chunks=missing_chunks,
        )
        return kept, stack
    stack = SubtomogramStack(
        [files[name] for name in order],
        coordinates[kept],
        which[kept],
        box_size,
        border=border,
        missing_chunks=missing_chunks,
    )
    return kept, stack
