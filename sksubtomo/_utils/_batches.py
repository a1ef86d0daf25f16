"""How many volumes go through a network at once."""

from __future__ import annotations

#: Voxels of a batch whose maps a processor's cache holds, in part: 8 boxes of 28.
VOXELS_IN_CACHE = 2**18
#: Voxels of a batch that keeps a GPU busy and fits into it: 64 boxes of 28, 8 boxes of 64.
VOXELS_PER_BATCH = 2**21
LARGEST_BATCH = 64


def rows_per_batch(voxels_per_sample: int, device: str) -> int:
    """Return the number of volumes in a batch of a prediction, a power of two.

    Parameters
    ----------
    voxels_per_sample : int
        Size of a volume.
    device : str
        On the CPU batches are smaller, and go a whole number of times into those of a GPU.

    Returns
    -------
    n_rows : int
        From 1 to 64.
    """
    on_cpu = str(device).startswith("cpu")
    fit = (VOXELS_IN_CACHE if on_cpu else VOXELS_PER_BATCH) // voxels_per_sample
    # Kernels for the CPU take a slow way for a single volume.
    fit = min(LARGEST_BATCH, max(2 if on_cpu else 1, fit))
    return 2 ** (fit.bit_length() - 1)
