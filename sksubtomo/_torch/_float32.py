"""PyTorch's process-wide flags: products of float32 numbers, and deterministic kernels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Flags of single operations by device, from PyTorch 2.9 on. Values are "ieee", "tf32", "bf16", and
# "none", which means that a more general flag decides; reading gives the value that results.
_OPERATIONS = {
    "cpu": (("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn")),
    "cuda": (("cuda", "matmul"), ("cudnn", "conv"), ("cudnn", "rnn")),
}
_REDUCED = ("tf32", "bf16")
# A benchmark may choose other kernels the next time.
_DETERMINISTIC = {"deterministic": True, "benchmark": False}

Flags = dict[str, Any]


class ProductFlags:
    """Holds the flags at float32 or TF32 while threads compute, then puts the user's back.

    The flags are global, so threads share them: as long as one thread needs float32 on a kind of
    device, no thread gets TF32 there. cuDNN is held to deterministic kernels, too, so that the same
    fit gives the same bits again. What somebody else sets in the meantime has its effect at the
    end. Flags that are right already are not touched.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_holders: dict[tuple[str, bool], int] = {}
        self._before: Flags = {}
        self._held: Flags = {}

    @contextmanager
    def hold(self, *, tf32: bool, device_type: str) -> Iterator[None]:
        """Hold the flags inside the context.

        Parameters
        ----------
        tf32 : bool
            Whether TF32 will do.
        device_type : str
            "cpu" or "cuda".
        """
        self._add(device_type, tf32, 1)
        try:
            yield
        finally:
            self._add(device_type, tf32, -1)

    def holds_float32(self, device_type: str) -> bool:
        """Tell whether a thread needs float32."""
        return self._n_holders.get((device_type, False), 0) > 0

    def _add(self, device_type: str, tf32: bool, n_holders: int) -> None:
        with self._lock:
            now = read_flags()
            if any(self._n_holders.values()):
                changed = {k: v for k, v in now.items() if v != self._held[k]}
                self._before.update(changed)
            else:
                self._before = now
            key = device_type, tf32
            self._n_holders[key] = self._n_holders.get(key, 0) + n_holders
            if any(self._n_holders.values()):
                self._apply()
                self._held = read_flags()
            else:
                write_flags(self._before)

    def _apply(self) -> None:
        strict = {kind for kind in _OPERATIONS if self.holds_float32(kind)}
        relaxed = {kind for kind in _OPERATIONS if self._n_holders.get((kind, True), 0)} - strict
        accessors = _accessors()
        if "general" in accessors:
            _set_operations(strict, relaxed, accessors)
        else:
            _set_old_flags(strict, relaxed)
        if "cuda" in strict | relaxed:
            write_flags(_DETERMINISTIC)


def read_flags() -> Flags:
    """Return the flags by name."""
    return {name: read() for name, (read, _) in _accessors().items()}


def write_flags(flags: Flags) -> None:
    """Set flags to what :func:`read_flags` returned, the general one first."""
    accessors = _accessors()
    for name, value in flags.items():
        read, write = accessors[name]
        if read() == value:
            continue
        if "." in name:  # an operation goes on following the general flag, if it did before
            write("none")
        if read() != value:
            write(value)


def _set_operations(strict: set[str], relaxed: set[str], accessors: dict[str, Any]) -> None:
    def reduced() -> list[str]:
        return [n for n in _names(strict) if n in accessors and accessors[n][0]() in _REDUCED]

    if reduced():
        # The default of convolutions on GPUs, TF32, cannot be set again once they have a value of
        # their own, but comes back with the general flag.
        accessors["general"][1]("ieee")
        for name in reduced():
            accessors[name][1]("ieee")
    for name in _names(relaxed):
        if name in accessors and accessors[name][0]() != "tf32":
            accessors[name][1]("tf32")


def _set_old_flags(strict: set[str], relaxed: set[str]) -> None:
    if strict:
        write_flags({"matmul": "highest"})
    elif relaxed:
        write_flags({"matmul": "high"})
    if "cuda" in strict | relaxed:
        write_flags({"convolution": "cuda" in relaxed})


def _names(device_types: set[str]) -> list[str]:
    return [f"{b}.{op}" for kind in sorted(device_types) for b, op in _OPERATIONS[kind]]


def _accessors() -> dict[str, tuple[Callable[[], Any], Callable[[Any], None]]]:
    """Return how to read and to write each flag that this release of PyTorch has."""
    found: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}
    if hasattr(torch.backends, "fp32_precision") and hasattr(torch.backends.cudnn, "conv"):
        found["general"] = _attribute(torch.backends, "fp32_precision")
        for backend, operation in (pair for kind in _OPERATIONS.values() for pair in kind):
            flag = getattr(getattr(torch.backends, backend), operation)
            found[f"{backend}.{operation}"] = _attribute(flag, "fp32_precision")
    else:
        found["matmul"] = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
        found["convolution"] = _attribute(torch.backends.cudnn, "allow_tf32")
    for name in _DETERMINISTIC:
        found[name] = _attribute(torch.backends.cudnn, name)
    return found


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


PRODUCT_FLAGS = ProductFlags()
