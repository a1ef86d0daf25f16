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


def rescale_code_(to_code: nn.Linear, from_code: nn.Linear, scale: float | None = None) -> None:
    """Make a code larger and undo it in the decoder, in place: the function stays as it is.

    A step of Adam changes each weight of a unit by up to the learning rate. The features before a
    code are positive, so what it does to the unit's activation adds up over them: with 11000
    features and a learning rate of 1e-3, the activation moves by several of its standard
    deviations, and in a few steps most units are zero for all volumes, which cannot be undone.
    Steps are smaller in proportion where weights are larger. Scaling the steps of a layer with the
    inverse of its number of inputs is the rule of Yang et al.

    Parameters
    ----------
    to_code, from_code : Linear
        The layers before the code, which a ReLU follows, and after it; biases are 0.
    scale : float, optional
        By default a thousandth of the number of features, but at least 1.

    References
    ----------
    Yang et al., "Tensor programs V: tuning large neural networks via zero-shot hyperparameter
    transfer", NeurIPS 2021.
    """
    scale = max(1.0, to_code.in_features / 1000) if scale is None else scale
    with torch.no_grad():
        to_code.weight.mul_(scale)
        from_code.weight.div_(scale)


def _draw(network: nn.Module, init: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for layer in network.modules():
        if isinstance(layer, (nn.Conv3d, nn.Linear)):
            init(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
