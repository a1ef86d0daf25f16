"""Fast 3 x 3 x 3 convolutions, as functions and as a layer.

The kernels of PyTorch for the CPU are made for many channels on both sides. Where one side has a
single channel, most of their work is wasted: the last convolution of the paper's decoder takes 2 %
of the multiplications and took a quarter of the time. Convolutions from or to a single channel are
therefore products of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sksubtomo._utils._docs import documented
from sksubtomo._utils._volumes import Shape3d

# Voxels of volumes whose patches, 27 times as large, are held at a time.
_VOXELS = 2**17


def convolve_from_one(volumes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve volumes of one channel, zeros around them.

    Parameters
    ----------
    volumes : Tensor of shape (n, 1, d, h, w)
        The volumes.
    weight : Tensor of shape (n_channels, 1, 3, 3, 3)
        The kernels.

    Returns
    -------
    maps : Tensor of shape (n, n_channels, d, h, w)
        As ``torch.nn.functional.conv3d(volumes, weight, padding=1)``, of which it differs in how
        the gradient of the weights is computed.
    """
    return _FromOne.apply(volumes, weight)


def convolve_to_one(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve maps to a single channel, zeros around them.

    Parameters
    ----------
    maps : Tensor of shape (n, n_channels, d, h, w)
        The maps.
    weight : Tensor of shape (1, n_channels, 3, 3, 3)
        The kernel.

    Returns
    -------
    volumes : Tensor of shape (n, 1, d, h, w)
        As ``torch.nn.functional.conv3d(maps, weight, padding=1)``.
    """
    return _ToOne.apply(maps, weight)


class _FromOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volumes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(volumes, weight)
        return F.conv3d(volumes, weight, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        volumes, weight = ctx.saved_tensors
        of_volumes = of_weight = None
        if ctx.needs_input_grad[0]:
            of_volumes = F.conv_transpose3d(gradient, weight, padding=1)
        if ctx.needs_input_grad[1]:
            rows = _as_rows(gradient)
            sums = rows.new_zeros(27, rows.shape[2])
            for part in _parts(volumes):
                sums += torch.bmm(_patches(volumes[part]), rows[part]).sum(dim=0)
            of_weight = sums.T.reshape_as(weight)
        return of_volumes, of_weight


class _ToOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(maps, weight)
        rows, taps = _as_rows(maps), _mirrored_taps(weight)
        volumes = maps.new_empty(len(maps), 1, *maps.shape[2:])
        for part in _parts(maps):
            shares = torch.matmul(taps, rows[part].transpose(1, 2))
            volumes[part] = _add_up(shares.to(_type_of_sums(maps)), volumes[part].shape)
        return volumes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        rows, taps = _as_rows(maps), _mirrored_taps(weight)
        of_rows = torch.empty_like(rows)
        sums = torch.zeros_like(taps, dtype=_type_of_sums(maps))
        for part in _parts(maps):
            patches = _patches(gradient[part])
            torch.matmul(patches.transpose(1, 2), taps, out=of_rows[part])
            sums += torch.bmm(patches, rows[part]).sum(dim=0, dtype=sums.dtype)
        of_maps = of_rows.view(len(maps), *maps.shape[2:], -1).permute(0, 4, 1, 2, 3)
        return of_maps, sums.T.reshape_as(weight).flip(2, 3, 4).to(weight.dtype)


def _type_of_sums(maps: torch.Tensor) -> torch.dtype:
    """Return float32, or float64 for maps of it: half as many bits are too few to add up in."""
    return torch.promote_types(maps.dtype, torch.float32)


def _parts(maps: torch.Tensor) -> Iterator[slice]:
    """Yield slices of the batch whose patches stay in the processor's cache."""
    size = max(1, _VOXELS // maps[0, 0].numel())
    for start in range(0, len(maps), size):
        yield slice(start, start + size)


def _as_rows(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (n, n_channels, d, h, w) as (n, n_voxels, n_channels), at best without a copy."""
    return maps.permute(0, 2, 3, 4, 1).reshape(len(maps), -1, maps.shape[1])


def _mirrored_taps(weight: torch.Tensor) -> torch.Tensor:
    """Return a kernel (1, n_channels, 3, 3, 3), each axis reversed, as (27, n_channels)."""
    return weight.flip(2, 3, 4).reshape(weight.shape[1], 27).T.contiguous()


def _patches(volumes: torch.Tensor) -> torch.Tensor:
    """Return the 27 voxels around each voxel of volumes (n, 1, d, h, w), (n, 27, n_voxels)."""
    n, _, *shape = volumes.shape
    windows = F.pad(volumes[:, 0], (1, 1) * 3)
    for axis, edge in enumerate(shape, start=1):
        # Where the window begins stays at its axis; the voxels of the window come last.
        windows = windows.unfold(axis, edge, 1)
    return windows.reshape(n, 27, -1)


def _add_up(shares: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Add (n, 27, n_voxels) up to volumes of a shape (n, 1, d, h, w); adjoint of `_patches`."""
    n, _, d, h, w = shape
    padded = shares.new_zeros(n, d + 2, h + 2, w + 2)
    for tap, share in enumerate(shares.view(n, 27, d, h, w).unbind(1)):
        z, y, x = tap // 9, tap // 3 % 3, tap % 3
        padded[:, z : z + d, y : y + h, x : x + w] += share
    return padded[:, None, 1:-1, 1:-1, 1:-1]


@documented
def convolve(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve with zeros around the maps, which keep their size.

    Biases are to be added afterwards: PyTorch's gradient of a bias inside the convolution can take
    as long on a CPU as that of all weights.

    %(maps_and_kernels)s

    Returns
    -------
    maps : Tensor of shape (n, n_outputs, d, h, w)
        The same as ``torch.nn.functional.conv3d(maps, weight, padding=1)`` but for rounding.
    """
    if maps.device.type == "cpu" and 1 in weight.shape[:2]:
        is_rounded = torch.is_autocast_enabled("cpu")
        if weight.shape[1] > 1:
            dtype = torch.get_autocast_dtype("cpu") if is_rounded else maps.dtype
            return convolve_to_one(maps.to(dtype), weight.to(dtype))
        if not is_rounded:  # PyTorch's kernels of bfloat16 are faster from one channel
            return convolve_from_one(maps, weight)
    return F.conv3d(maps, weight, padding=1)


@documented
def convolve_upsampled(maps: torch.Tensor, weight: torch.Tensor, size: Shape3d) -> torch.Tensor:
    r"""Repeat voxels twice along each axis, cut to a size, and convolve with zeros around.

    Where nothing is cut, this is one transposed convolution with stride 2 and kernels of 4 x 4 x 4,
    each tap of which is a sum of taps: 8 multiplications a voxel instead of 27, and the repeated
    voxels are never there.

    %(maps_and_kernels)s
    size : tuple of int
        Edges afterwards: twice those of `maps`, or one less.

    Returns
    -------
    maps : Tensor of shape (n, n_outputs, \*size)
        The same as :func:`convolve` of ``torch.nn.functional.interpolate(maps, size)`` but for
        rounding.

    References
    ----------
    Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016, for kernels
    that move from fine to coarse maps.
    """
    if any(edge != 2 * coarse for edge, coarse in zip(size, maps.shape[2:], strict=True)):
        return convolve(F.interpolate(maps, size=size, mode="nearest"), weight)
    # What follows has the order of these maps, and in the other order takes two to three times as
    # long; a dense layer before gives that one.
    maps = maps.contiguous(memory_format=torch.channels_last_3d)
    return F.conv_transpose3d(maps, _merged(weight), stride=2, padding=1)


def _merged(weight: torch.Tensor) -> torch.Tensor:
    """Return kernels (n_inputs, n_outputs, 4, 4, 4) for a transposed convolution.

    Along one axis, voxel 2i of what is repeated twice sees taps a, b, c as a x[i-1] + (b + c) x[i],
    and voxel 2i + 1 as (a + b) x[i] + c x[i+1]. In the order of a transposed convolution with
    stride 2 these are c, b + c, a + b, a: the reversed taps, once with a zero after and once with
    a zero before them.
    """
    merged = weight.transpose(0, 1).flip(2, 3, 4)
    for axis in range(3):
        after, before = [0] * 6, [0] * 6
        after[2 * axis + 1] = before[2 * axis] = 1
        merged = F.pad(merged, after) + F.pad(merged, before)
    return merged


def add_bias(maps: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Add a bias (n_channels,) to maps (n, n_channels, d, h, w), in place.

    It is rounded to the precision of the maps, as it is inside PyTorch's convolutions: adding
    numbers of two types takes ten times as long on a CPU.
    """
    return maps.add_(bias.to(maps.dtype).view(-1, 1, 1, 1))


class LinearConvolution3d(nn.Conv3d):
    """A 3 x 3 x 3 convolution with zeros around and nothing after it.

    The blocks of encoder and decoder, which go on with its result, have its weights.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Channels.
    """

    bias: torch.Tensor

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__(n_inputs, n_outputs, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (n, n_outputs, d, h, w) of maps (n, n_inputs, d, h, w)."""
        return add_bias(convolve(maps, self.weight), self.bias)
