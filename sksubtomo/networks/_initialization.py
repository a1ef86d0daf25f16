"""Initial weights of networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn


def glorot_(network: nn.Module) -> None:
    """Draw Glorot & Bengio's uniform weights and set biases to zero, in place.

    Keras does so by default, and with it the paper's implementation. PyTorch's default, smaller
    weights with random biases, lets the biases drown noisy volumes: all units of a
    code then act alike, and die together.

    References
    ----------
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010.
    """
    _draw(network, nn.init.xavier_uniform_)


def kaiming_(network: nn.Module) -> None:
    """Draw He's normal weights, which keep the variance through ReLU, in place; biases are zero.

    References
    ----------
    He et al., "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", ICCV 2015.
    """
    _draw(network, partial(nn.init.kaiming_normal_, nonlinearity="relu"))


def _draw(network: nn.Module, init: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for layer in network.modules():
        if isinstance(layer, (nn.Conv3d, nn.Linear)):
            init(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
