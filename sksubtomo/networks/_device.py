"""Where to compute."""

from __future__ import annotations

import torch


def resolve_device(device: str) -> str:
    """Replace "auto" by "cuda" where there is such a device, else by "cpu".

    Raises
    ------
    ValueError
        If a CUDA device is asked for and there is none.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r}, but PyTorch sees no CUDA device. Use device='cpu' or 'auto'."
        )
    return device
