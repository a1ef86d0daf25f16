"""Device selection, and what differs between devices."""

from __future__ import annotations

import os

import torch

from sksubtomo._torch._self_test import ADVICE, known_mismatch, passes_self_test

#: Environment variable that says what device="auto" is.
DEVICE_VARIABLE = "SKSUBTOMO_DEVICE"


def resolve_device(device: str, *, needs_float64: bool = False) -> str:
    """Replace "auto" by "cuda" where there is such a device, by "mps" where it is right, or "cpu".

    The environment variable ``SKSUBTOMO_DEVICE`` overrides what "auto" is, for example to keep a
    program off the GPUs. Apple's GPU, "mps", is taken by "auto" if layers, transforms and
    interpolations give there what they give on the CPU, which is tried once per process.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    needs_float64 : bool, default=False
        Whether numbers of 64 bits are computed with, which Apple's GPU does not have. "mps" is then
        replaced by "cpu".

    Raises
    ------
    ValueError
        If there is no such device, or if Apple's GPU is asked for and computes wrongly.
    """
    origin, remedy = f"device={device!r}", "Use device='cpu' or 'auto'."
    if device == "auto":
        device = os.environ.get(DEVICE_VARIABLE) or "auto"
        origin, remedy = f"{DEVICE_VARIABLE}={device}", "Set it to cpu, or unset it."
    if device == "auto":
        return _best_device(needs_float64)
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"{origin} is no device of PyTorch. {remedy}") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"{origin}, but PyTorch sees no CUDA device. {remedy}")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"{origin}, but PyTorch sees no Apple GPU. {remedy}")
    if kind != "mps":
        return device
    if needs_float64:
        return "cpu"
    problem = known_mismatch("float32", "mps:0")
    if problem is not None:
        raise ValueError(f"{origin}: {problem}. {ADVICE} {remedy}")
    return device


def _best_device(needs_float64: bool) -> str:
    if torch.cuda.is_available():
        return "cuda"
    has_mps = torch.backends.mps.is_available() and not needs_float64
    return "mps" if has_mps and passes_self_test("float32", "mps") else "cpu"


def synchronize(device: str) -> None:
    """Wait until a GPU has done what it was given; on a CPU there is nothing to wait for."""
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.synchronize(device)
    elif kind == "mps":
        torch.mps.synchronize()


def release_memory(device: str) -> None:
    """Give back what PyTorch holds of a GPU's memory without using it."""
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()
