"""Voxel sizes that a file can mean."""

from __future__ import annotations

import math

VoxelSize = tuple[float, float, float]

#: Edges in angstrom that are plausible, with room for atoms and for light microscopy.
SMALLEST, LARGEST = 1e-2, 1e6


def plausible_voxel_size(sizes: VoxelSize, oddities: list[str]) -> VoxelSize | None:
    """Return edges of a voxel in angstrom, or None where a file cannot mean them.

    Parameters
    ----------
    sizes : (float, float, float)
        Edges z, y, x, as a file says them. Not positive or not finite is a way to leave them open.
    oddities : list of str
        Gets a word about sizes that are positive, but not plausible.
    """
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        return None
    if min(sizes) >= SMALLEST and max(sizes) <= LARGEST:
        return sizes
    shown = " x ".join(f"{size:g}" for size in sizes)
    oddities.append(f"voxels of {shown} A (z, y, x), taken as of unknown size")
    return None
