"""How many volumes go through a network at once."""

from __future__ import annotations

# Voxels in a batch: 64 boxes of 28, 8 boxes of 64. A bound on memory.
VOXELS_PER_BATCH = 2**21
LARGEST_BATCH = 64


def rows_per_batch(voxels_per_sample: int) -> int:
    """Return the number of volumes in a batch of a prediction.

    Parameters
    ----------
    voxels_per_sample : int
        Size of a volume.

    Returns
    -------
    n_rows : int
        From 1 to 64.
    """
    return min(LARGEST_BATCH, max(1, VOXELS_PER_BATCH // voxels_per_sample))
