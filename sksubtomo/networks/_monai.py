"""Encoders out of MONAI's networks."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from sksubtomo._utils._volumes import Shape3d
from sksubtomo.networks._base import BaseEncoder3d
from sksubtomo.networks._batch_norm import BatchNorm

# MONAI's names for the numbers of input channels and of classes.
_ARGUMENTS = {
    "resnet": ("n_input_channels", "num_classes"),
    "densenet": ("in_channels", "out_channels"),
    "senet": ("in_channels", "num_classes"),
    "seresnet": ("in_channels", "num_classes"),
    "seresnext": ("in_channels", "num_classes"),
}


def monai_factory(name: str) -> tuple[Any, dict[str, int]]:
    """Find a classification network of MONAI.

    Parameters
    ----------
    name : str
        What ``monai.networks.nets`` calls it, such as "resnet18" or "densenet121".

    Returns
    -------
    factory : callable
        What makes the network.
    params : dict
        The arguments that make it read volumes of one channel.

    Raises
    ------
    ImportError
        If MONAI is not installed, with the way to get it.
    ValueError
        If it has no such network.
    """
    try:
        from monai.networks import nets
    except ImportError as error:
        raise ImportError(
            f'network="monai:{name}" needs the package MONAI: pip install "sksubtomo[monai]".'
        ) from error
    family = re.fullmatch(rf"({'|'.join(_ARGUMENTS)})\d+", name.lower())
    factory = getattr(nets, name, None)
    if family is None or factory is None:
        raise ValueError(
            f'network="monai:{name}" is not known. Use the name that monai.networks.nets has for '
            f'a network of the families {", ".join(_ARGUMENTS)}, such as "monai:resnet18".'
        )
    n_inputs, n_classes = _ARGUMENTS[family[1]]
    return factory, {"spatial_dims": 3, n_inputs: 1, n_classes: 1}


class MonaiEncoder3d(BaseEncoder3d):
    """A classification network of MONAI without its last layer.

    Initial weights are MONAI's own draw. Dropout is off: it would draw from PyTorch's global
    generator, and the training would not be reproducible.

    Parameters
    ----------
    name : str
        What ``monai.networks.nets`` calls the network, such as "resnet18" or "densenet121".
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    latent_dim : int or None, default=128
        Length of the code; None leaves the dense layer out.

    Attributes
    ----------
    feature_shape : tuple of int
        Shape of the feature map, ``(n_channels, 1, 1, 1)``.

    Raises
    ------
    ImportError
        If MONAI is not installed.
    ValueError
        If it has no such network, or if boxes are too small for it.
    """

    def __init__(
        self,
        name: str,
        volume_shape: Shape3d,
        *,
        latent_dim: int | None = 128,
    ) -> None:
        factory, params = monai_factory(name)
        network = factory(**params)
        n_channels = _remove_head(network)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm3d):
                # Maps of one voxel are common in small boxes.
                layer.__class__ = BatchNorm  # type: ignore[assignment]
            elif isinstance(layer, (nn.Dropout, nn.Dropout3d)):
                layer.p = 0.0
        _check_box(name, network, volume_shape)
        blocks = nn.Sequential(network, nn.Unflatten(1, (n_channels, 1, 1, 1)))
        super().__init__(blocks, (n_channels, 1, 1, 1), latent_dim)


def _remove_head(network: nn.Module) -> int:
    """Replace the last dense layer by nothing, in place, and return its number of inputs."""
    name, head = [
        (name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)
    ][-1]
    network.set_submodule(name, nn.Identity())
    return head.in_features


def _check_box(name: str, network: nn.Module, volume_shape: Shape3d) -> None:
    """Run an empty volume through the network, for it alone knows the boxes that it can take."""
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 1, *volume_shape))
    except RuntimeError as error:
        raise ValueError(
            f'Boxes of {volume_shape} voxels are too small for network="monai:{name}". Use larger '
            'boxes, or network="resnet".'
        ) from error
    network.train()
