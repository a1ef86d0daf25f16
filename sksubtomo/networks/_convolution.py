"""The 3 x 3 x 3 convolutions of the networks, computed the fast way."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._thin_convolution import convolve_from_one, convolve_to_one


def convolve(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Convolve with zeros around the maps, which keep their size.

    Biases are to be added afterwards: PyTorch's gradient of a bias inside the convolution can take
    as long on a CPU as that of all weights.

    Parameters
    ----------
    maps : Tensor of shape (n, n_inputs, d, h, w)
        The maps.
    weight : Tensor of shape (n_outputs, n_inputs, 3, 3, 3)
        The kernels.

    Returns
    -------
    maps : Tensor of shape (n, n_outputs, d, h, w)
        The same as ``torch.nn.functional.conv3d(maps, weight, padding=1)`` but for rounding.
    """
    if _is_plain_cpu(maps):
        if weight.shape[1] == 1:
            return convolve_from_one(maps, weight)
        if weight.shape[0] == 1:
            return convolve_to_one(maps, weight)
    return F.conv3d(maps, weight, padding=1)


def convolve_upsampled(maps: torch.Tensor, weight: torch.Tensor, size: Shape3d) -> torch.Tensor:
    r"""Repeat voxels twice along each axis, cut to a size, and convolve with zeros around.

    Where nothing is cut, this is one transposed convolution with stride 2 and kernels of 4 x 4 x 4,
    each tap of which is a sum of taps: 8 multiplications a voxel instead of 27, and the repeated
    voxels are never there.

    Parameters
    ----------
    maps : Tensor of shape (n, n_inputs, d, h, w)
        The maps.
    weight : Tensor of shape (n_outputs, n_inputs, 3, 3, 3)
        The kernels.
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
    """Add a bias (n_channels,) to maps (n, n_channels, d, h, w), in place."""
    return maps.add_(bias.view(-1, 1, 1, 1))


def _is_plain_cpu(maps: torch.Tensor) -> bool:
    return maps.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
