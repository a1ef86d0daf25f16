"""How many volumes go through a network at once."""

from __future__ import annotations

#: Voxels of a batch whose maps a processor's cache holds, in part: 8 boxes of 28.
VOXELS_IN_CACHE = 2**18
#: Voxels of a batch that keeps a GPU busy and fits into it: 64 boxes of 28, 8 boxes of 64.
VOXELS_PER_BATCH = 2**21
LARGEST_BATCH = 64


def rows_per_batch(voxels_per_sample: int, device: str = "cuda") -> int:
    """Return the number of volumes in a batch of a prediction, a power of two.

    Parameters
    ----------
    voxels_per_sample : int
        Size of a volume.
    device : str, default="cuda"
        On the CPU batches are smaller, and go a whole number of times into others.

    Returns
    -------
    n_rows : int
        From 1 to 64.
    """
    budget = VOXELS_IN_CACHE if str(device) == "cpu" else VOXELS_PER_BATCH
    fit = min(LARGEST_BATCH, budget // voxels_per_sample)
    if fit <= 1:
        # Kernels for the CPU have a slow way for one volume.
        return 2 if voxels_per_sample <= budget else 1
    return 2 ** (fit.bit_length() - 1)
