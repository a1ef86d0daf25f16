"""Precision of the products in networks: float32, TF32 or bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache

import torch

from sksubtomo._torch._float32 import PRODUCT_FLAGS
from sksubtomo._torch._self_test import passes_self_test

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")

# Tensor cores multiply TF32 and bfloat16 from Ampere on.
_FIRST_CUDA_CAPABILITY = (8, 0)
# oneDNN's bfloat16 kernels for AVX512-BF16 (3.12, in PyTorch 2.13) give wrong gradients of the
# weights, and write outside their memory, where a 3 x 3 x 3 convolution reads a map with an edge of
# 2 voxels; with an edge of 1, results are infinite.
_SHORTEST_EDGE_ON_CPU = 3
_SHORTEST_EDGE = 2


def resolve_precision(precision: str, device: str, *, shortest_edge: int | None = None) -> str:
    """Return the precision that products are computed in: float32, unless another is safe.

    Parameters
    ----------
    precision : {"auto", "float32", "tf32", "bfloat16"}
        What is asked for. "auto" is float32 on CPUs and bfloat16 on GPUs that multiply it fast,
        from Ampere on. "tf32" is float32 on hardware without TF32.
    device : str
        "cpu", "cuda" or "cuda:1".
    shortest_edge : int, optional
        Shortest edge, in voxels, of the maps that the network's convolutions read. Where it is too
        short for the kernels of reduced precision, the result is float32.

    Returns
    -------
    precision : {"float32", "tf32", "bfloat16"}
        Reduced precision only if its self-test passes on the device.

    Raises
    ------
    ValueError
        If there is no such precision.

    Warns
    -----
    PrecisionWarning
        Once per process, device and precision, if the self-test fails.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} must be one of {', '.join(PRECISIONS)}.")
    wanted = preferred_precision(precision, device)
    if wanted == "float32":
        return wanted
    is_cpu = torch.device(device).type == "cpu"
    shortest = _SHORTEST_EDGE_ON_CPU if is_cpu else _SHORTEST_EDGE
    if shortest_edge is not None and shortest_edge < shortest:
        return "float32"
    return wanted if passes_self_test(wanted, device) else "float32"


def preferred_precision(precision: str, device: str) -> str:
    """Return the precision to use unless the network or the device rules it out."""
    if precision in ("float32", "bfloat16"):
        return precision
    has_units = torch.device(device).type == "cuda" and _has_tensor_cores(device)
    if not has_units:
        return "float32"
    return "bfloat16" if precision == "auto" else precision


def computing_in(precision: str, device: str) -> AbstractContextManager[None]:
    """Return a context in which the layers of a network compute in a resolved precision.

    Weights stay float32: with bfloat16, factors are rounded on the way in and sums are kept in
    float32, which is what PyTorch's automatic mixed precision does. Float32 and TF32 are told
    apart by :func:`holding_precision`.

    Parameters
    ----------
    precision : {"float32", "tf32", "bfloat16"}
        As :func:`resolve_precision` returns it.
    device : str
        "cpu", "cuda" or "cuda:1".
    """
    # PyTorch forgets the rounded weights that it caches at the end of the outermost context only;
    # in one around the whole training, all steps would go on with the weights of the first.
    return torch.autocast(
        torch.device(device).type,
        dtype=torch.bfloat16,
        enabled=precision == "bfloat16",
        cache_enabled=False,
    )


@contextmanager
def holding_precision(precision: str, device: str) -> Iterator[None]:
    """Compute products of float32 in float32 inside, or in TF32 if that is asked for.

    PyTorch's flags for this are global to the process, and by default let GPUs round what goes
    into float32 convolutions to TF32; automatic mixed precision that a user has switched on around
    reaches everything inside. Both are as they were at the end. Backward passes belong inside.

    Parameters
    ----------
    precision : {"float32", "tf32", "bfloat16"}
        As :func:`resolve_precision` returns it. With bfloat16, what is computed outside the
        layers is float32.
    device : str
        "cpu", "cuda" or "cuda:1".
    """
    kind = torch.device(device).type
    with ExitStack() as stack:
        stack.enter_context(PRODUCT_FLAGS.hold(tf32=precision == "tf32", device_type=kind))
        for name in {"cpu", kind}:
            stack.enter_context(torch.autocast(name, enabled=False))
        yield


@cache
def _has_tensor_cores(device: str) -> bool:
    return torch.cuda.get_device_capability(device) >= _FIRST_CUDA_CAPABILITY
