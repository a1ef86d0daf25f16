"""How PyTorch computes: device, precision, seeds, several processes; no volumes."""

from sksubtomo._torch._device import release_memory, resolve_device, synchronize
from sksubtomo._torch._distributed import (
    average_gradients,
    distributed_training,
    mean_over_processes,
    n_processes,
    of_first_process,
    process_index,
    sum_over_processes,
)
from sksubtomo._torch._float32 import PRODUCT_FLAGS
from sksubtomo._torch._map_edges import shortest_convolved_edge
from sksubtomo._torch._precision import (
    PRECISIONS,
    computing_in,
    holding_precision,
    preferred_precision,
    resolve_precision,
)
from sksubtomo._torch._recording import CudaRecording, PlainRecording, Recording
from sksubtomo._torch._seeding import PartSeeds, draw_seeds, seeded_cpu

__all__ = [
    "PRECISIONS",
    "PRODUCT_FLAGS",
    "CudaRecording",
    "PartSeeds",
    "PlainRecording",
    "Recording",
    "average_gradients",
    "computing_in",
    "distributed_training",
    "draw_seeds",
    "holding_precision",
    "mean_over_processes",
    "n_processes",
    "of_first_process",
    "preferred_precision",
    "process_index",
    "release_memory",
    "resolve_device",
    "resolve_precision",
    "seeded_cpu",
    "shortest_convolved_edge",
    "sum_over_processes",
    "synchronize",
]
