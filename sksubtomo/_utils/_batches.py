"""How many volumes are read, sent or put through a network at once.

All sizes of batches and blocks are decided here. Of volumes in files, a block is what is read into
memory at a time.
"""

from __future__ import annotations

import math

#: Voxels of a batch whose maps a processor's cache holds, in part: 8 boxes of 28.
VOXELS_IN_CACHE = 2**18
#: Voxels of a batch that keeps a GPU busy and fits into it: 64 boxes of 28, 8 boxes of 64. Of a
#: block, 8 MiB of float32.
VOXELS_PER_BATCH = 2**21
LARGEST_BATCH = 64
#: Some, so that a fast worker helps a slow one; few, since each takes the fitted estimator along.
SHARDS_PER_WORKER = 4
#: Of volumes in memory, which travel with their shard.
BYTES_PER_SHARD = 2**26


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


def rows_per_block(voxels_per_sample: int) -> int:
    """Return how many volumes to read at a time where they go through no network.

    As many as have the voxels of a GPU's batch, however small they are, and at least one: enough
    that reading, not the loop, takes the time, and little beside a training in memory.

    Parameters
    ----------
    voxels_per_sample : int
        Size of a volume.
    """
    return max(1, VOXELS_PER_BATCH // voxels_per_sample)


def rows_per_shard(
    n_samples: int, voxels_per_sample: int, n_workers: int, bytes_per_sample: int = 0
) -> int:
    """Return the number of volumes that a worker predicts in one task.

    Four tasks for each worker, of whole batches, on the CPU those of a GPU, too: a row's place in
    its batch can matter to a bit.

    Parameters
    ----------
    n_samples : int
        How many volumes there are.
    voxels_per_sample : int
        Size of a volume.
    n_workers : int
        How many tasks run at the same time.
    bytes_per_sample : int, default=0
        What is sent to the worker for each volume. Tasks become smaller so that they take no more
        than 64 MiB, or one batch, along. 0 where workers read the volumes themselves.
    """
    batch = rows_per_batch(voxels_per_sample, "cuda")
    n_batches = math.ceil(n_samples / (SHARDS_PER_WORKER * n_workers * batch))
    if bytes_per_sample:
        n_batches = min(n_batches, BYTES_PER_SHARD // (batch * bytes_per_sample))
    return batch * max(1, n_batches)
