"""Running a fitted network over many volumes."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sksubtomo._torch import release_memory
from sksubtomo._utils._batches import rows_per_batch, rows_per_block
from sksubtomo._utils._interrupts import check_interrupt
from sksubtomo.exceptions import OutOfMemoryWarning
from sksubtomo.training._data import on_device, one_ahead

# PyTorch has no class of its own for what its allocator for the CPU and NVIDIA's libraries raise.
_OUT_OF_MEMORY = (
    *("can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED"),
    "MPS backend out of memory",
)


def forward_batches(
    function: Callable[[torch.Tensor], torch.Tensor],
    inputs: Any,
    to_tensor: Callable[[Any], torch.Tensor],
    *,
    module: torch.nn.Module,
    device: str,
    voxels_per_sample: int,
) -> Iterator[NDArray[np.float32]]:
    """Apply a function of the network to all rows of `inputs`, a batch at a time.

    Every batch has the same shape, the last being filled up with zeros: kernels are chosen by
    shape, so a row's result is the same bits whatever rows go with it. (Its place in the batch may
    change the last bit, where a CPU's kernel treats the rows at the edge of a tile apart.)

    Parameters
    ----------
    function : callable
        A method of `module`, from a batch to a tensor with as many rows.
    inputs : array-like of shape (n, ...)
        Sliced, batch by batch.
    to_tensor : callable
        Turns a slice into network input.
    module : Module
        Set to evaluation mode.
    device : str
        Where the module is.
    voxels_per_sample : int
        Size of a volume, which fixes the batch size.

    Yields
    ------
    rows : ndarray of shape (batch, ...) of float32
        Results, in order.

    Warns
    -----
    OutOfMemoryWarning
        Once, if a batch does not fit into memory. Batches are then halved until they do.
    """
    size = rows_per_batch(voxels_per_sample, device)
    warned = False
    module.eval()
    start = 0
    while start < len(inputs):
        with closing(_read_from(start, size, inputs, to_tensor, device)) as batches:
            for batch in batches:
                check_interrupt()
                rows = _rows_or_none(function, batch, size, device)
                if rows is None:
                    break
                yield rows
                start += len(rows)
        if start >= len(inputs):
            return
        # Outside the handler of the error, whose traceback holds on to the batch's tensors.
        del batch
        size //= 2
        release_memory(device)
        if not warned:
            warned = True
            warnings.warn(
                f"{device} has too little free memory for {2 * size} volumes at a time. Going on "
                "with fewer; results are the same but for rounding.",
                OutOfMemoryWarning,
                stacklevel=2,
            )


def _read_from(
    start: int, size: int, inputs: Any, to_tensor: Callable[[Any], torch.Tensor], device: str
) -> Generator[torch.Tensor]:
    """Yield batches from a row on; where it takes time, the next is read while one is worked on.

    From arrays, for the CPU, it takes none; for a GPU, batches are copied there ahead.
    """
    starts = iter(range(start, len(inputs), size))

    def read() -> torch.Tensor | None:
        first = next(starts, None)
        if first is None:
            return None
        return on_device(to_tensor(inputs[first : first + size]), device)

    if isinstance(inputs, np.ndarray) and torch.device(device).type != "cuda":
        yield from iter(read, None)
    else:
        yield from one_ahead(read)


@torch.inference_mode()
def _rows_or_none(
    function: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor, size: int, device: str
) -> NDArray[np.float32] | None:
    """Apply a function to a batch filled up to a size; None if there is not enough memory."""
    n_rows = len(batch)
    try:
        if n_rows < size:
            batch = torch.cat([batch, batch.new_zeros(size - n_rows, *batch.shape[1:])])
        return function(batch)[:n_rows].float().cpu().numpy()
    except (MemoryError, RuntimeError) as error:
        if size == 1 or not _is_out_of_memory(error):
            raise
        return None


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)


def collect(batches: Iterator[NDArray[np.float32]], n_rows: int) -> NDArray[np.float32]:
    """Put results into one array as they come.

    Small arrays that are kept among large ones that are freed would leave gaps too small for the
    next large one: with thousands of batches, memory would grow by gigabytes.

    Parameters
    ----------
    batches : iterator of ndarray
        What :func:`forward_batches` yields; at least one batch.
    n_rows : int
        How many rows there are in all.

    Returns
    -------
    rows : ndarray of shape (n_rows, ...) of float32
        All results, in order.
    """
    first = next(batches)
    rows = np.empty((n_rows, *first.shape[1:]), dtype=first.dtype)
    start = 0
    for batch in itertools.chain([first], batches):
        rows[start : start + len(batch)] = batch
        start += len(batch)
    return rows


def scaling_of(volumes: Any) -> tuple[float, float]:
    """Mean and standard deviation over all voxels of all volumes, read a block at a time.

    Parameters
    ----------
    volumes : array-like of shape (n, depth, height, width)
        Finite numbers.

    Returns
    -------
    offset, scale : float
        The scale is 1 where all voxels are equal.
    """
    size = rows_per_block(math.prod(volumes.shape[1:]))
    count, mean, spread = 0, 0.0, 0.0
    # Chan, Golub & LeVeque's pairwise update: no cancellation for a large offset.
    for start in range(0, len(volumes), size):
        block = np.asarray(volumes[start : start + size], dtype=np.float64)
        block_mean = block.mean()
        difference, total = block_mean - mean, count + block.size
        spread += block.var() * block.size + difference**2 * count * block.size / total
        mean += difference * block.size / total
        count = total
    deviation = math.sqrt(spread / count)
    negligible = 10 * np.finfo(np.float32).eps * abs(mean)
    return float(mean), deviation if deviation > negligible else 1.0
