"""Device selection."""

from __future__ import annotations

import os

import torch

#: Environment variable that says what device="auto" is.
DEVICE_VARIABLE = "SKSUBTOMO_DEVICE"


def resolve_device(device: str) -> str:
    """Replace "auto" by "cuda" where there is such a device, else by "cpu".

    The environment variable ``SKSUBTOMO_DEVICE`` overrides what "auto" is, for example to keep a
    program off the GPUs.

    Raises
    ------
    ValueError
        If there is no such device.
    """
    origin, remedy = f"device={device!r}", "Use device='cpu' or 'auto'."
    if device == "auto":
        device = os.environ.get(DEVICE_VARIABLE) or "auto"
        origin, remedy = f"{DEVICE_VARIABLE}={device}", "Set it to cpu, or unset it."
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"{origin} is no device of PyTorch. {remedy}") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"{origin}, but PyTorch sees no CUDA device. {remedy}")
    return device
