"""How small the maps are that a network convolves."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d


def shortest_convolved_edge(network: nn.Module, volume_shape: Shape3d) -> int:
    """Return the shortest edge of a box and of all maps that convolutions of a network read.

    Runs the network once, on a volume of zeros in evaluation mode.

    Parameters
    ----------
    network : Module
        Takes volumes of shape (n, 1, depth, height, width).
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    """
    edges = list(volume_shape)

    def note(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        edges.extend(inputs[0].shape[2:])

    training = network.training
    device = next(network.parameters()).device
    with ExitStack() as stack:
        stack.callback(network.train, training)
        for layer in network.modules():
            if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
                stack.callback(layer.register_forward_pre_hook(note).remove)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            network.eval()(torch.zeros(1, 1, *volume_shape, device=device))
    return min(edges)
