"""PyTorch's process-wide flags: products of float32 numbers, and deterministic kernels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Flags of single operations, from PyTorch 2.9 on; values are "ieee", "tf32", "bf16" and "none",
# which means that a more general flag decides.
_OPERATIONS = (
    *(("cuda", "matmul"), ("cudnn", "conv"), ("cudnn", "rnn")),
    *(("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn")),
)

# A benchmark may choose other kernels the next time.
_DETERMINISTIC = {"deterministic": True, "benchmark": False}

Flags = dict[str, Any]


class ProductFlags:
    """Holds the flags at float32 or TF32 while threads compute, then puts the user's back.

    cuDNN is held to deterministic kernels, too, so that the same fit gives the same bits again.

    The flags are global, so threads share them: as long as one thread needs float32, no thread
    gets TF32. What somebody else sets in the meantime is left alone at the end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_holders = {False: 0, True: 0}
        self._before: Flags = {}
        self._held: Flags = {}

    @contextmanager
    def hold(self, *, tf32: bool) -> Iterator[None]:
        """Hold the flags inside the context.

        Parameters
        ----------
        tf32 : bool
            Whether TF32 will do.
        """
        self._add(tf32, 1)
        try:
            yield
        finally:
            self._add(tf32, -1)

    def _add(self, tf32: bool, n_holders: int) -> None:
        with self._lock:
            if not any(self._n_holders.values()):
                self._before = read_flags()
            self._n_holders[tf32] += n_holders
            if any(self._n_holders.values()):
                _set_products(tf32=not self._n_holders[False])
                self._held = read_flags()
            else:
                now = read_flags()
                write_flags({k: v for k, v in self._before.items() if now.get(k) == self._held[k]})


def read_flags() -> Flags:
    """Return the flags by name; those that PyTorch cannot tell are None."""
    return {name: _read(read) for name, (read, _) in _accessors().items()}


def write_flags(flags: Flags) -> None:
    """Set flags that :func:`read_flags` returned."""
    accessors = _accessors()
    for name, value in flags.items():  # general flags first: they set those of operations, too
        read, write = accessors[name]
        if value is not None and _read(read) != value:
            write(value)


def _set_products(*, tf32: bool) -> None:
    flags = read_flags()
    general = {"matmul": "high" if tf32 else "highest", "convolution": tf32}
    # A general flag that cannot be read is one that single operations contradict: the user has
    # set those, and setting the general one would make PyTorch raise in the user's own code.
    readable = {name: value for name, value in general.items() if flags[name] is not None}
    write_flags({**readable, **_DETERMINISTIC})
    if tf32:
        unreadable = flags["matmul"] is None
        write_flags({f"cuda.{op}": "tf32" for b, op in _OPERATIONS if b == "cuda" and unreadable})
        return
    reduced = [k for k, v in read_flags().items() if "." in k and v in ("tf32", "bf16")]
    write_flags(dict.fromkeys(reduced, "ieee"))


def _accessors() -> dict[str, tuple[Callable[[], Any], Callable[[Any], None]]]:
    found: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
        "matmul": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "convolution": _attribute(torch.backends.cudnn, "allow_tf32"),
        "deterministic": _attribute(torch.backends.cudnn, "deterministic"),
        "benchmark": _attribute(torch.backends.cudnn, "benchmark"),
    }
    for backend, operation in _OPERATIONS:
        flag = getattr(getattr(torch.backends, backend), operation, None)
        if hasattr(flag, "fp32_precision"):
            found[f"{backend}.{operation}"] = _attribute(flag, "fp32_precision")
    return found


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:  # flags set in PyTorch's old and in its new way contradict each other
        return None


PRODUCT_FLAGS = ProductFlags()
