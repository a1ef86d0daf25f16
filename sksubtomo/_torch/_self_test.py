"""Checking that the hardware and its libraries compute right in reduced precision."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from sksubtomo._torch._float32 import PRODUCT_FLAGS
from sksubtomo.exceptions import PrecisionWarning

# Factors are representable in bfloat16, so that products are exact and only sums and results are
# rounded: by up to 2^-9 of a value for bfloat16, 2^-12 for TF32 where sums are kept in float32.
# Some kernels add partial sums in the precision of the result, for which there is room.
# Of other processors' float32, sums may be in another order.
_TOLERANCES = {"bfloat16": 2.0**-6, "tf32": 2.0**-9, "float32": 2.0**-15}
_LAYOUTS = (torch.contiguous_format, torch.channels_last_3d)

ADVICE = (
    f"PyTorch {torch.__version__} or its libraries have an error here; another release may not."
)

_LOCK = threading.Lock()
_FOUND: dict[tuple[str, str], str | None] = {}


class _Layer(NamedTuple):
    """A function of inputs and weights, and their shapes."""

    name: str
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]


def passes_self_test(precision: str, device: str) -> bool:
    """Tell whether layers on a device give what they give on the CPU in float32.

    Forward and backward passes of the layers that networks are made of are compared, in both
    memory layouts. It takes milliseconds, and is done once per process, device and precision.

    PyTorch has shipped releases whose bfloat16 convolutions were wrong without an error (its issues
    163539 and 169688, on GPUs and on CPUs).

    Parameters
    ----------
    precision : {"tf32", "bfloat16", "float32"}
        Of the layers. On Apple's GPU, transforms and interpolations are compared, too, and what
        PyTorch cannot do there counts as wrong.
    device : str
        "cpu", "cuda", "cuda:1" or "mps".

    Warns
    -----
    PrecisionWarning
        At the first call, if a layer is wrong; the message names it.
    """
    name = str(torch.empty(0, device=device).device)  # "cuda" is one of several
    if precision == "tf32" and PRODUCT_FLAGS.holds_float32(torch.device(name).type):
        return False  # nor would there be TF32 as long as another thread needs float32
    is_first = (precision, name) not in _FOUND
    problem = known_mismatch(precision, name)
    if problem is not None and is_first:
        instead = "on the CPU" if precision == "float32" else "in float32"
        message = f"{problem}: computing {instead} instead. {ADVICE}"
        warnings.warn(message, PrecisionWarning, stacklevel=2)
    return problem is None


def known_mismatch(precision: str, name: str) -> str | None:
    """Return what is wrong on a device, a clause, or None; found out once per process.

    Parameters
    ----------
    precision : {"tf32", "bfloat16", "float32"}
        Of the layers.
    name : str
        Device with its index, "cpu", "cuda:0" or "mps:0".
    """
    with _LOCK:
        if (precision, name) not in _FOUND:
            mismatch = find_mismatch(precision, name)
            if mismatch is not None:
                mismatch = f"On {name}, {mismatch} in {precision}"
            _FOUND[precision, name] = mismatch
        return _FOUND[precision, name]


@torch.inference_mode(False)
@torch.enable_grad()
def find_mismatch(precision: str, device: str) -> str | None:
    """Return what differs from float32 by more than rounding, or None.

    Parameters
    ----------
    precision : {"tf32", "bfloat16"}
        Of the layers.
    device : str
        "cpu" or "cuda:0".
    """
    found: list[torch.Tensor]
    tolerance, kind = _TOLERANCES[precision], torch.device(device).type
    for layer in _layers(kind):
        has_layouts = len(layer.input_shape) == 5 and kind != "mps"
        for layout in _LAYOUTS if has_layouts else _LAYOUTS[:1]:
            with PRODUCT_FLAGS.hold(tf32=False, device_type="cpu"):
                expected = _results(layer, layout, "cpu", "float32")
            try:
                with PRODUCT_FLAGS.hold(tf32=precision == "tf32", device_type=kind):
                    found = _results(layer, layout, device, precision)
            except (NotImplementedError, RuntimeError, TypeError) as error:
                if kind != "mps":
                    raise
                return f"a {layer.name} is not possible ({str(error).splitlines()[0]})"
            for what, one, other in zip(
                ("the result", "the gradient of the input", "the gradient of the weights"),
                found,
                expected,
                strict=True,
            ):
                distance = float((one - other).abs().max() / other.abs().max())
                if not distance <= tolerance:  # also for NaN
                    return f"{what} of a {layer.name} is off by {distance:.2g} of its largest value"
    return None


def _layers(device_type: str) -> Iterator[_Layer]:
    def convolve(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv3d(maps, weight, padding=1)

    def convolve_strided(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv3d(maps, weight, padding=1, stride=2)

    def convolve_transposed(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose3d(maps, weight, padding=1, stride=2)

    yield _Layer("dense layer", F.linear, (4, 512), (64, 512))
    yield _Layer("product of matrices", torch.matmul, (3, 27, 512), (3, 512, 32))
    for inputs, outputs, edge in ((1, 32, 8), (32, 32, 5), (32, 1, 8), (4, 6, 4), (32, 64, 3)):
        shape, kernels = (2, inputs, edge, edge, edge), (outputs, inputs)
        channels = f"from {inputs} to {outputs} channels, edge {edge}"
        yield _Layer(f"3 x 3 x 3 convolution {channels}", convolve, shape, (*kernels, 3, 3, 3))
    maps, channels = (2, 32, 5, 5, 5), "from 32 to 32 channels, edge 5"
    yield _Layer(f"1 x 1 x 1 convolution {channels}", F.conv3d, maps, (32, 32, 1, 1, 1))
    yield _Layer(f"strided convolution {channels}", convolve_strided, maps, (32, 32, 3, 3, 3))
    yield _Layer(f"transposed convolution {channels}", convolve_transposed, maps, (32, 32, 4, 4, 4))
    if device_type != "cpu":  # CPUs compute such maps in float32; their kernels may even crash
        for edge in (1, 2):
            shape = (2, 32, edge, edge, edge)
            yield _Layer(f"convolution of maps of {shape[2:]}", convolve, shape, (32, 32, 3, 3, 3))
    if device_type == "mps":
        yield from _other_operations()


def _other_operations() -> Iterator[_Layer]:
    """What networks and views compute beside products."""

    def normalize(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(maps, None, None, weight, training=True)

    def pool(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.max_pool3d(F.relu(maps + weight), 2)

    def filter_maps(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfftn(maps, dim=(2, 3, 4))
        return torch.fft.irfftn(spectrum * weight, s=maps.shape[2:], dim=(2, 3, 4))

    def interpolate(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(maps, torch.tanh(weight), align_corners=True)

    maps = (2, 3, 8, 8, 8)
    yield _Layer("batch normalization", normalize, maps, (3,))
    yield _Layer("max-pooling", pool, maps, (3, 1, 1, 1))
    yield _Layer("Fourier transform", filter_maps, maps, (8, 8, 5))
    yield _Layer("trilinear interpolation", interpolate, maps, (2, 4, 4, 4, 3))


def _results(layer: _Layer, layout: Any, device: str, precision: str) -> list[torch.Tensor]:
    """Return result and gradients of a layer, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    inputs, weight = (
        torch.randn(shape, generator=generator).bfloat16().float()
        for shape in (layer.input_shape, layer.weight_shape)
    )
    factors = [
        inputs.to(device).contiguous(memory_format=layout).requires_grad_(),
        weight.to(device).requires_grad_(),
    ]
    kind = torch.device(device).type
    is_rounded = precision == "bfloat16"
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=is_rounded, cache_enabled=False):
        result = layer.function(*factors)
    slopes = torch.randn(result.shape, generator=generator).bfloat16().to(device, result.dtype)
    gradients = torch.autograd.grad(result, factors, slopes)
    return [tensor.detach().float().cpu() for tensor in (result, *gradients)]
