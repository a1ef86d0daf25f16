"""Several processes that train one network, each on its part of every batch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed
from torch.autograd.function import once_differentiable

from sksubtomo._torch._device import resolve_device

_sharing = False


@contextmanager
def distributed_training(wanted: bool, device: str) -> Iterator[None]:
    """Let the processes that a launcher started train together inside; or each by itself.

    Parameters
    ----------
    wanted : bool
        Whether they are to.
    device : str
        "auto", "cpu" or "cuda"; of several GPUs each process gets its own.

    Raises
    ------
    ImportError
        If Accelerate is not installed.
    ValueError
        If the device is not what the processes were started for.

    Warns
    -----
    UserWarning
        If there is one process only.
    """
    global _sharing
    if wanted:
        _join(device)
    before = _sharing
    _sharing = wanted and distributed.is_initialized()
    try:
        yield
    finally:
        _sharing = before


def _join(device: str) -> None:
    try:
        from accelerate import PartialState
    except ImportError:
        raise ImportError(
            "Training(accelerate=True) needs Accelerate. Install it with "
            "pip install 'sksubtomo[accelerate]'."
        ) from None
    kind = torch.device(resolve_device(device)).type
    started_for_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    state = PartialState(cpu=kind == "cpu" or started_for_cpu)
    if state.num_processes == 1:
        warnings.warn(
            "Training(accelerate=True), but this is the only process. Start the script "
            "with `accelerate launch --num_processes 4` on GPUs, or `torchrun --nproc_per_node 4`.",
            UserWarning,
            stacklevel=4,
        )
    elif ":" in device or state.device.type != kind:
        raise ValueError(
            f"device={device!r}, but each of {state.num_processes} processes has "
            f"{state.device}. Pass device={state.device.type!r}."
        )


def n_processes() -> int:
    """Return how many processes share the work, 1 where it is not shared."""
    return distributed.get_world_size() if _sharing else 1


def process_index() -> int:
    """Return which of them this is."""
    return distributed.get_rank() if _sharing else 0


def sum_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Add up a tensor over the processes, element by element, with a gradient."""
    return _Sum.apply(values) if n_processes() > 1 else values


def mean_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Average a tensor over the processes, element by element, with a gradient."""
    return sum_over_processes(values) / n_processes() if n_processes() > 1 else values


def of_first_process(values: torch.Tensor) -> torch.Tensor:
    """Return what the first process has, in all of them."""
    return sum_over_processes(values if process_index() == 0 else torch.zeros_like(values))


@torch.no_grad()
def average_gradients(parameters: Iterable[torch.Tensor]) -> None:
    """Replace gradients by their averages over the processes, with one message for all."""
    if n_processes() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    together = mean_over_processes(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = together.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        # Every process's result depends on every process's values.
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient
