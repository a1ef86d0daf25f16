"""In which numbers to compute."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import torch

PRECISIONS = ("auto", "float32", "bfloat16")

# What units for products of bfloat16 matrices are called.
_CPU_UNITS = ("amx_bf16", "avx512_bf16")
_FIRST_CUDA_CAPABILITY = (8, 0)


def resolve_precision(precision: str, device: str) -> str:
    """Replace "auto" by "bfloat16" where the hardware multiplies it faster, else by "float32".

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        What is asked for.
    device : str
        "cpu", "cuda" or "cuda:1".

    Raises
    ------
    ValueError
        If there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} must be one of {', '.join(PRECISIONS)}.")
    if precision != "auto":
        return precision
    return "bfloat16" if _multiplies_bfloat16(str(device)) else "float32"


def computing_in(precision: str, device: str) -> AbstractContextManager[None]:
    """Return a context in which networks compute in a precision.

    Weights stay float32: products are rounded on the way in, and sums are kept in float32, which
    is what PyTorch's automatic mixed precision does. Parameters and errors are those of
    :func:`resolve_precision`.
    """
    return torch.autocast(
        torch.device(device).type,
        dtype=torch.bfloat16,
        enabled=resolve_precision(precision, device) == "bfloat16",
    )


@cache
def _multiplies_bfloat16(device: str) -> bool:
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device) >= _FIRST_CUDA_CAPABILITY
    # Older releases of PyTorch do not say what the processor has.
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(unit) for unit in _CPU_UNITS)
