import math

import pytest

from sksubtomo._utils._batches import rows_per_batch, rows_per_block, rows_per_shard


@pytest.mark.parametrize(
    ("edge", "on_cpu", "on_gpu", "block"),
    [(1, 64, 64, 2**21), (28, 8, 64, 95), (64, 2, 8, 8), (128, 2, 1, 1), (256, 2, 1, 1)],
)
def test_batches_and_blocks_hold_about_as_many_voxels_whatever_the_box(edge, on_cpu, on_gpu, block):
    voxels = edge**3
    assert rows_per_batch(voxels, "cpu") == on_cpu
    assert rows_per_batch(voxels, "cuda:1") == on_gpu
    assert rows_per_block(voxels) == block


@pytest.mark.parametrize("edge", [1, 8, 28, 64, 128])
@pytest.mark.parametrize("n_workers", [1, 3, 16])
def test_shards_are_whole_batches_and_four_for_each_worker(edge, n_workers):
    n_samples, voxels = 10_000, edge**3
    size = rows_per_shard(n_samples, voxels, n_workers)
    assert size % rows_per_batch(voxels, "cuda") == 0
    n_batches = math.ceil(n_samples / (4 * n_workers) / rows_per_batch(voxels, "cuda"))
    assert size == n_batches * rows_per_batch(voxels, "cuda")


def test_shards_of_volumes_in_memory_take_64_mebibytes_along_or_one_batch():
    # Boxes of 28 in float32 are 86 KiB: 764 of them, so 11 batches of 64.
    assert rows_per_shard(10**6, 28**3, 1, 4 * 28**3) == 11 * 64
    assert rows_per_shard(10**6, 28**3, 1) > 11 * 64
    assert rows_per_shard(10**6, 256**3, 1, 8 * 256**3) == 1
